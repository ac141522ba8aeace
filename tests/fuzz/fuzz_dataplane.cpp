// Random tables and packets through the XDP program and its model:
//
//   fuzz_dataplane [--seed N|random] [--packets N] [--state N] [--replay FILE] [--keep FILE]
//                  [--shrink no]
//
// A seed repeats a run exactly: the clock that the program sees stands still. The first difference
// is shrunk, written to a file and shown with the command that replays it; exit 1.
#include <sched.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <random>
#include <stdexcept>
#include <string>

#include "compare.h"
#include "generate.h"
#include "scenario_text.h"

namespace xlb::oracle {
namespace {

constexpr uint64_t kPacketsPerState = 400;

struct Arguments {
  uint64_t seed = 1;
  uint64_t packets = 2'000'000;
  std::optional<uint64_t> state;  // only this one
  std::string replay;
  std::string keep = "fuzz-dataplane.scenario";
  bool shrink = true;
};

Arguments arguments_of(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 == argc) throw std::invalid_argument("no value for " + name);
    const std::string value = argv[i + 1];
    if (name == "--seed")
      arguments.seed = value == "random" ? std::random_device{}() : std::stoull(value);
    else if (name == "--packets")
      arguments.packets = std::stoull(value);
    else if (name == "--state")
      arguments.state = std::stoull(value);
    else if (name == "--replay")
      arguments.replay = value;
    else if (name == "--keep")
      arguments.keep = value;
    else if (name == "--shrink")
      arguments.shrink = value != "no";
    else
      throw std::invalid_argument("unknown argument " + name);
  }
  return arguments;
}

// Counters per CPU then change on one only, and nothing else runs in between.
void stay_on_this_cpu() {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(static_cast<size_t>(sched_getcpu()), &cpus);
  (void)sched_setaffinity(0, sizeof(cpus), &cpus);
}

Scenario scenario_of(uint64_t seed, uint64_t state, std::span<const uint32_t> ports) {
  Random random(seed * 0x100000001b3 + state);
  Scenario scenario{random_tables(random, kNow, ports), {}};
  for (uint64_t i = 0; i < kPacketsPerState; i++)
    scenario.packets.push_back(random_packet(random, scenario.tables));
  return scenario;
}

void show(const Shrunk& shrunk, const std::string& file, const char* program) {
  std::cout << "\ndifference at packet " << shrunk.mismatch.packet << ": " << shrunk.mismatch.text
            << "\n\n";
  write_scenario(std::cout, shrunk.scenario);
  std::ofstream out(file);
  write_scenario(out, shrunk.scenario);
  std::cout << "\nreplay: " << program << " --replay " << file << "\n";
}

int replay(Kernel& kernel, const std::string& file) {
  std::ifstream in(file);
  if (!in) throw std::runtime_error("cannot read " + file);
  const Scenario scenario = read_scenario(in);
  const auto mismatch = check(kernel, scenario, Depth::thorough);
  for (const Bytes& packet : scenario.packets)
    std::cout << describe(packet) << "\n";
  std::cout << (mismatch ? "difference at packet " + std::to_string(mismatch->packet) + ": " +
                               mismatch->text
                         : "no difference")
            << "\n";
  return mismatch ? 1 : 0;
}

int run(const Arguments& arguments, const char* program) {
  Kernel kernel;
  const auto [instructions, bytes] = kernel.size();
  std::printf("program: the verifier looked at %u instructions, %u bytes of machine code\n",
              instructions, bytes);
  if (!arguments.replay.empty()) return replay(kernel, arguments.replay);
  const auto started = std::chrono::steady_clock::now();
  std::array<uint64_t, XLB_VERDICTS> verdicts{};
  uint64_t packets = 0;
  uint64_t state = arguments.state.value_or(0);
  for (; packets < arguments.packets; state++) {
    const Scenario scenario = scenario_of(arguments.seed, state, kernel.ports());
    if (const auto mismatch = check(kernel, scenario, Depth::quick)) {
      std::cout << "seed " << arguments.seed << ", state " << state << ", packet "
                << mismatch->packet << ": " << mismatch->text << std::endl;
      if (arguments.shrink) show(shrink(kernel, scenario, *mismatch), arguments.keep, program);
      std::cout << "or, whole:  " << program << " --seed " << arguments.seed << " --state " << state
                << "\n";
      return 1;
    }
    for (uint32_t i = 0; i < XLB_VERDICTS; i++)
      verdicts[i] += kernel.verdict(static_cast<xlb_verdict>(i));
    packets += scenario.packets.size();
    if (arguments.state) break;
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - started;
  for (uint32_t i = 0; i < XLB_VERDICTS; i++)
    std::printf("  %-20s %10llu\n", name_of(static_cast<xlb_verdict>(i)),
                static_cast<unsigned long long>(verdicts[i]));
  std::printf("seed %llu: %llu packets, no difference (%.1f s)\n",
              static_cast<unsigned long long>(arguments.seed),
              static_cast<unsigned long long>(packets), seconds.count());
  return 0;
}

}  // namespace
}  // namespace xlb::oracle

int main(int argc, char** argv) {
  try {
    const auto arguments = xlb::oracle::arguments_of(argc, argv);
    xlb::oracle::stay_on_this_cpu();
    return xlb::oracle::run(arguments, argv[0]);
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << "\n";
    return 2;
  }
}
