// Packets as data through the XDP program:  dataplane_cases [-v] FILE.cases...
//
// For each step: the frame out byte for byte (written anew from the packet's description, not
// changed), the verdict, and every counter. The model must agree with each case too.
#include <sched.h>

#include <cstdio>
#include <fstream>
#include <iostream>

#include "case_file.h"
#include "compare.h"
#include "expected_frame.h"
#include "kernel.h"
#include "model.h"
#include "model_select.h"
#include "scenario_text.h"

namespace xlb::cases {
namespace {

xlb_verdict reason_of(const Expectation& expected, const Tables& tables) {
  const xlb_real_server& one = tables.real_servers[expected.real_server];
  switch (expected.kind) {
    case Expectation::Kind::sent:
      if ((one.flags & XLB_RS_LOCAL) != 0) return XLB_PASS_LOCAL;
      return one.ifindex == oracle::kIngress ? XLB_TX : XLB_REDIRECT;
    case Expectation::Kind::time_exceeded:
      return XLB_TX_TIME_EXCEEDED;
    case Expectation::Kind::too_big:
      return XLB_TX_TOO_BIG;
    default:
      return expected.reason;
  }
}

std::string hex(const Bytes& bytes) {
  std::string text;
  char two[4];
  for (size_t i = 0; i < bytes.size(); i++) {
    std::snprintf(two, sizeof(two), i % 16 == 15 ? "%02x\n" : "%02x ", bytes[i]);
    text += two;
  }
  return text;
}

// The service that counts a packet it cannot serve, by the connection's destination.
oracle::Connection connection_of(const FrameSpec& packet) {
  return {.family = packet.family,
          .protocol = packet.protocol,
          .client = packet.source,
          .client_port = packet.source_port,
          .server = packet.destination,
          .server_port = packet.destination_port};
}

// The counters as they must be after the step.
void count(Tables& tables, const Step& step) {
  const Expectation& expected = step.expected;
  const uint64_t bytes = claimed_ip_bytes(step.packet);
  tables.verdicts[reason_of(expected, tables)]++;
  if (expected.kind == Expectation::Kind::sent) {
    tables.traffic[expected.real_server].packets++;
    tables.traffic[expected.real_server].bytes += bytes;
  }
  if (expected.counts_connection) tables.traffic[expected.real_server].connections++;
  if (expected.unserved != 0) {
    tables.unserved[expected.unserved].packets++;
    tables.unserved[expected.unserved].bytes += bytes;
  }
}

std::string counters_differ(const Tables& is, const Tables& want) {
  const auto differs = [](const std::string& what, uint64_t one, uint64_t other) {
    return what + " is " + std::to_string(one) + ", expected " + std::to_string(other);
  };
  for (uint32_t i = 0; i < XLB_VERDICTS; i++)
    if (is.verdicts[i] != want.verdicts[i])
      return differs(oracle::name_of(static_cast<xlb_verdict>(i)), is.verdicts[i],
                     want.verdicts[i]);
  const auto traffic = [&](const std::string& of, const xlb_traffic& one,
                           const xlb_traffic& other) -> std::string {
    if (one.packets != other.packets) return differs(of + " packets", one.packets, other.packets);
    if (one.bytes != other.bytes) return differs(of + " bytes", one.bytes, other.bytes);
    if (one.connections != other.connections)
      return differs(of + " connections", one.connections, other.connections);
    return {};
  };
  std::string text;
  for (uint32_t i = 0; i < oracle::kRealServers && text.empty(); i++)
    text = traffic("real server " + std::to_string(i), is.traffic[i], want.traffic[i]);
  for (uint32_t i = 0; i < oracle::kServices && text.empty(); i++)
    text = traffic("unserved " + std::to_string(i), is.unserved[i], want.unserved[i]);
  return text;
}

std::string memory_differs(const Tables& tables, const Step& step) {
  const auto connection = connection_of(step.packet);
  const xlb_service* service = oracle::service_for(tables, connection);
  if (service == nullptr) return {};
  if (step.expected.flow_state) {
    const uint64_t key = oracle::flow_key(connection, *service);
    uint32_t state = 0;
    uint32_t real_server = 0;
    for (const xlb_flow& flow : tables.flows) {
      if (flow.key != key) continue;
      state = XLB_FLOW_STATE(flow.value);
      real_server = XLB_FLOW_REAL_SERVER(flow.value);
    }
    if (state != *step.expected.flow_state)
      return "the flow's state is " + std::to_string(state) + ", expected " +
             std::to_string(*step.expected.flow_state);
    if (state != 0 && real_server != step.expected.real_server)
      return "the flow's real server is " + std::to_string(real_server);
  }
  if (step.expected.client) {
    uint32_t real_server = 0;
    for (const xlb_client& client : tables.clients)
      if (client.key == oracle::client_key(connection, *service))
        real_server = XLB_FLOW_REAL_SERVER(client.value);
    if (real_server != *step.expected.client)
      return "the client's real server is " + std::to_string(real_server) + ", expected " +
             std::to_string(*step.expected.client);
  }
  return {};
}

// Empty: as expected.
std::string check_step(oracle::Kernel& kernel, Tables& tables, const Step& step) {
  const Bytes in = oracle::encode(step.packet);
  const xlb_verdict reason = reason_of(step.expected, tables);
  const Bytes want = expected_frame(step, tables);
  const oracle::Outcome outcome = kernel.run(in);
  count(tables, step);
  Tables after = tables;
  kernel.read(after);
  std::string text = counters_differ(after, tables);
  if (text.empty() && outcome.action != oracle::action_of(reason))
    text = std::string("action ") + oracle::action_name(outcome.action);
  const bool leaves = oracle::action_of(reason) != oracle::action_of(XLB_DROP_TTL);
  if (text.empty() && leaves && outcome.frame != want)
    text = "the frame is\n" + hex(outcome.frame) + "\nexpected\n" + hex(want);
  if (text.empty()) text = memory_differs(after, step);
  const auto keep = after;
  tables = keep;
  return text.empty() ? text : text + "\n  in: " + oracle::describe(in) + "\n" + hex(in);
}

std::string check_case(oracle::Kernel& kernel, const Case& one) {
  kernel.write(one.tables);
  Tables tables = one.tables;
  oracle::Scenario scenario{one.tables, {}};
  for (size_t i = 0; i < one.steps.size(); i++) {
    const std::string text = check_step(kernel, tables, one.steps[i]);
    if (!text.empty()) return "step " + std::to_string(i + 1) + ": " + text;
    scenario.packets.push_back(oracle::encode(one.steps[i].packet));
  }
  const auto mismatch = oracle::check(kernel, scenario, oracle::Depth::thorough);
  return mismatch ? "the model disagrees: " + mismatch->text : std::string();
}

void stay_on_this_cpu() {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(static_cast<size_t>(sched_getcpu()), &cpus);
  (void)sched_setaffinity(0, sizeof(cpus), &cpus);
}

int run(const std::vector<std::string>& files, bool verbose) {
  oracle::Kernel kernel;
  size_t passed = 0;
  size_t failed = 0;
  for (const std::string& file : files) {
    std::ifstream in(file);
    if (!in) throw std::runtime_error("cannot read " + file);
    for (const Case& one : read_cases(in, file, kernel.ports())) {
      const std::string text = check_case(kernel, one);
      (text.empty() ? passed : failed)++;
      if (verbose || !text.empty())
        std::cout << (text.empty() ? "ok   " : "FAIL ") << one.place << ": " << one.name
                  << (text.empty() ? "" : "\n  " + text) << "\n";
    }
  }
  std::cout << passed << " passed, " << failed << " failed\n";
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace xlb::cases

int main(int argc, char** argv) {
  std::vector<std::string> files(argv + 1, argv + argc);
  const bool verbose = !files.empty() && files.front() == "-v";
  if (verbose) files.erase(files.begin());
  try {
    xlb::cases::stay_on_this_cpu();
    return xlb::cases::run(files, verbose);
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << "\n";
    return 2;
  }
}
