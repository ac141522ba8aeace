// Measures what XDP programs cost a packet. dataplane.py makes the network, starts the daemon and
// writes the plan; this program only runs frames through programs and says how long that took.
//
//   dataplane_bench measure <PLAN >RESULT     samples of every class and program
//   dataplane_bench watch <WATCH >RESULT      when packets see what the daemon does; a line before
//                                             the result says that it looks and does not see it yet
//
// Rounds: in each, every program of a class is sampled once, in rotating order, so that noise hits
// all of them. Exit status 1: the environment is broken, and standard error says how. A wrong
// verdict is a result too: it is in the JSON.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "dataplane_plan.h"
#include "dataplane_programs.h"
#include "dataplane_watch.h"
#include "dataplane_wrapper.h"

namespace xlb::bench {
namespace {

using Json = nlohmann::json;

constexpr uint32_t kFewestOpening = 20'000;
constexpr uint32_t kVerifyingRuns = 64;

// A subject while its class is measured.
struct Runner {
  const Subject& subject;
  UniqueFd pinned;
  Wrapper wrapper;
  std::vector<double> ns;
  std::vector<double> arrived;  // live frames: of those sent, a part of 1
  std::set<std::string> wrong;
};

void judge(Runner& runner, const Sample& sample) {
  const Subject& subject = runner.subject;
  if (subject.measured.live) return;
  if (sample.verdict != subject.verdict)
    runner.wrong.insert(fmt::format("verdict {} instead of {}", sample.verdict, subject.verdict));
  else if (subject.forwarded && std::equal(sample.frame.begin(), sample.frame.begin() + 6,
                                           subject.measured.frame.begin()))
    runner.wrong.insert("the destination MAC is unchanged");
  else if (subject.encapsulated && sample.frame.size() <= subject.measured.frame.size())
    runner.wrong.insert("the frame is not encapsulated");
}

Result<void> open_flows(const Subject& subject, int program) {
  for (const Stream& stream : subject.openings) {
    auto wrapper = Wrapper::load(program, subject.place, stream);
    if (!wrapper) return wrapper.error();
    if (const auto opened = wrapper->open_flows(kFewestOpening); !opened) return opened.error();
  }
  return {};
}

// Ready to be sampled: its flows are open, their entries and the code were used before.
Result<Runner> prepare(const Class& of, const Subject& subject, const Programs& programs) {
  UniqueFd pinned;
  int program = programs.find(subject.program);
  if (program < 0) {
    program = bpf_obj_get(subject.program.c_str());
    if (program < 0) return fail_errno(program, "cannot open the program {}", subject.program);
    pinned.reset(program);
  }
  if (const auto opened = open_flows(subject, program); !opened) return opened.error();
  auto wrapper = Wrapper::load(program, subject.place, subject.measured);
  if (!wrapper) return wrapper.error();
  Runner runner{subject, std::move(pinned), std::move(*wrapper), {}, {}, {}};
  runner.wrapper.set_order(of.flows == 0 ? Order::in_turn : Order::random);
  const auto lead_in = runner.wrapper.run(std::max(of.packets, of.fresh_before));
  if (!lead_in) return lead_in.error();
  for (uint32_t i = 0; i < kVerifyingRuns && !subject.measured.live; i++) {
    const auto sample = runner.wrapper.run(1);
    if (!sample) return sample.error();
    judge(runner, *sample);
  }
  return runner;
}

Result<void> take_sample(Runner& runner, const Class& of) {
  const Place& far_end = runner.subject.far_end;
  uint64_t before = 0;
  if (runner.subject.measured.live) {
    const auto received = packets_received(far_end);
    if (!received) return received.error();
    before = *received;
  }
  const auto sample = runner.wrapper.run(of.packets);
  if (!sample) return sample.error();
  judge(runner, *sample);
  runner.ns.push_back(sample->ns_per_packet);
  if (runner.subject.measured.live) {
    const auto received = packets_received(far_end);
    if (!received) return received.error();
    runner.arrived.push_back(static_cast<double>(*received - before) / of.packets);
  }
  return {};
}

Result<Json> measure(const Class& of, const Programs& programs, uint32_t rounds) {
  std::vector<Runner> runners;
  for (const Subject& subject : of.subjects) {
    auto runner = prepare(of, subject, programs);
    if (!runner) return runner.error().context(of.name + ", " + subject.label);
    runners.push_back(std::move(*runner));
  }
  for (uint32_t round = 0; round < rounds; round++) {
    for (size_t i = 0; i < runners.size(); i++) {
      Runner& runner = runners[(round + i) % runners.size()];
      if (const auto taken = take_sample(runner, of); !taken)
        return taken.error().context(of.name + ", " + runner.subject.label);
    }
  }
  Json result{{"name", of.name}, {"subjects", Json::array()}};
  for (const Runner& runner : runners)
    result["subjects"].push_back({{"label", runner.subject.label},
                                  {"ns", runner.ns},
                                  {"arrived", runner.arrived},
                                  {"wrong", runner.wrong}});
  return result;
}

Result<void> claim_cpu(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof(set), &set) != 0)
    return fail_errno(errno, "cannot run on CPU {}", cpu);
  // Not a real-time class: the kernel's own threads must deliver live frames meanwhile.
  (void)setpriority(PRIO_PROCESS, 0, -20);
  return {};
}

Result<Json> run_plan(const std::string& text) {
  const auto plan = parse_plan(text);
  if (!plan) return plan.error();
  if (const auto claimed = claim_cpu(plan->cpu); !claimed) return claimed.error();
  const auto programs = Programs::load(plan->lru);
  if (!programs) return programs.error();
  Json result{{"classes", Json::array()}};
  for (const Class& one : plan->classes) {
    auto measured = measure(one, *programs, plan->rounds);
    if (!measured) return measured.error();
    result["classes"].push_back(std::move(*measured));
    std::cerr << "  " << one.name << std::endl;  // progress
  }
  return result;
}

Result<Json> run_watch(const std::string& text) {
  const auto watch = parse_watch(text);
  if (!watch) return watch.error();
  const auto seen = wait_for(*watch, [] { std::cout << "watching" << std::endl; });
  if (!seen) return seen.error();
  return Json{{"monotonic_s", *seen}};
}

int quiet(libbpf_print_level level, const char* format, va_list arguments) {
  return level == LIBBPF_WARN && std::getenv("XLB_BENCH_LIBBPF") != nullptr
             ? vfprintf(stderr, format, arguments)
             : 0;
}

}  // namespace

int main_with(const std::string& command) {
  const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  libbpf_set_print(quiet);
  auto result = command == "measure" ? run_plan(text) : run_watch(text);
  if (!result) {
    std::cerr << "error: " << result.error().text << "\n";
    return 1;
  }
  std::cout << result->dump() << "\n";
  return 0;
}

}  // namespace xlb::bench

int main(int argc, char** argv) {
  const std::string command = argc == 2 ? argv[1] : "";
  if (command != "measure" && command != "watch") {
    std::cerr << "usage: dataplane_bench measure|watch <PLAN\n";
    return 2;
  }
  return xlb::bench::main_with(command);
}
