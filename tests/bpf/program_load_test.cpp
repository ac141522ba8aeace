// How many connections each real server has, as it is kept beside the flows, and the schedulers
// that go by it. Every Program checks at its end that the counts are what its flows add up to.
#include <doctest/doctest.h>
#include <linux/bpf.h>

#include <array>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "program.h"

namespace xlb::test {
namespace {

constexpr uint8_t kFinAck = kFin | kAck;

Packet from_port(uint32_t client_port, uint8_t flags = kSyn) {
  return {.client_port = static_cast<uint16_t>(client_port), .flags = flags};
}

Packet datagram(uint32_t client_port) {
  return {.protocol = kUdp, .client_port = static_cast<uint16_t>(client_port), .port = 53};
}

// TCP on real servers 1 and 2, round robin; UDP (service 8) on 3.
void put_pair(Program& program) {
  program.put_service({.ring = {1, 2}, .hash = {1, 2}});
  program.put_service({.id = 8, .port = 53, .protocol = kUdp, .ring = {3}, .hash = {3}});
  for (const uint32_t index : {1U, 2U})
    program.put_real_server(index);
  program.put_real_server(3, {.service_id = 8});
}

TEST_CASE("A connection is inactive until it is established and from its end on") {
  Program program;
  put_pair(program);
  CHECK(receiver_of(program, from_port(1000)) == 1);
  CHECK(program.load(1) == Load{0, 1});
  CHECK(receiver_of(program, from_port(1000)) == 1);  // again
  CHECK(program.load(1) == Load{0, 1});
  for (int i = 0; i < 3; i++) {
    CHECK(receiver_of(program, from_port(1000, kAck)) == 1);
    CHECK(program.load(1) == Load{1, 0});
  }
  CHECK(receiver_of(program, from_port(1000, kFinAck)) == 1);
  CHECK(program.load(1) == Load{0, 1});
  CHECK(receiver_of(program, from_port(1000, kRst)) == 1);
  CHECK(program.load(1) == Load{0, 1});
  // The port's next connection is another's: it leaves the first.
  CHECK(receiver_of(program, from_port(1000)) == 2);
  CHECK(program.load(1) == Load{0, 0});
  CHECK(program.load(2) == Load{0, 1});
}

TEST_CASE("Datagrams are inactive connections, packets that open nothing are none") {
  Program program;
  put_pair(program);
  for (int i = 0; i < 3; i++)
    CHECK(receiver_of(program, datagram(1000)) == 3);
  CHECK(receiver_of(program, datagram(1001)) == 3);
  CHECK(program.load(3) == Load{0, 2});
  CHECK(receiver_of(program, from_port(1000, kAck)) != 0);
  CHECK(program.load(1) == Load{0, 0});
  CHECK(program.load(2) == Load{0, 0});
}

TEST_CASE("A real server that is down loses the connections that move") {
  Program program;
  put_pair(program);
  for (const uint32_t port : {1000U, 1001U, 1002U}) {
    (void)receiver_of(program, from_port(port));
    (void)receiver_of(program, from_port(port, kAck));
  }
  CHECK(program.load(1) == Load{2, 0});
  program.put_real_server(1, {.flags = 0});
  CHECK(receiver_of(program, from_port(1000)) == 2);
  CHECK(program.load(1) == Load{1, 0});
  CHECK(program.load(2) == Load{1, 1});
  CHECK(receiver_of(program, from_port(1002, kAck)) == 2);  // by hash, not remembered
  CHECK(program.load(1) == Load{0, 0});
  CHECK(program.load(2) == Load{1, 1});
}

TEST_CASE("A connection that is written over counts no longer") {
  Program program(2, 1);
  put_pair(program);
  program.put_service({.ring = {1}, .hash = {1}});
  for (size_t place = 0; place < program.flow_places(); place++) {
    const Packet packet = from_port(100 + static_cast<uint32_t>(place));
    const uint64_t value = XLB_FLOW_VALUE(2, now_s() - 901, XLB_FLOW_ESTABLISHED);
    program.set_flow(place, {flow_key(packet), value});
  }
  CHECK(program.load(2) == Load{8, 0});
  for (uint32_t port = 1000; port < 1005; port++)
    CHECK(receiver_of(program, from_port(port)) == 1);
  CHECK(program.load(2) == Load{3, 0});
  CHECK(program.load(1) == Load{0, 5});
  for (uint32_t port = 2000; port < 2100; port++)
    CHECK(receiver_of(program, from_port(port)) == 1);
  CHECK(program.load(2) == Load{0, 0});
  CHECK(program.load(1) == Load{0, 8});
}

// ---- two CPUs ----

// Sends a random walk of `rounds` packets over few flows of a small table.
void walk(Program& program, unsigned seed, uint16_t port, int rounds) {
  std::mt19937 random(seed);
  const std::array<uint8_t, 6> flags{kSyn, kSyn, kAck, kFinAck, kRst, kAck | kPush};
  for (int i = 0; i < rounds; i++) {
    const Packet packet{.client_port = static_cast<uint16_t>(1000 + random() % 31),
                        .port = port,
                        .flags = flags.at(random() % flags.size())};
    (void)program.run(packet.frame());
  }
}

TEST_CASE("Two CPUs in one bucket count every connection once") {
  constexpr int kRounds = 20000;
  Program program(2, 1);
  program.put_service({.ring = {1, 2}, .hash = {1}});
  program.put_service({.id = 8, .port = 81, .ring = {3, 4}, .hash = {3}});
  for (uint32_t index = 1; index <= 4; index++)
    program.put_real_server(index, {.service_id = index <= 2 ? kServiceId : 8});
  SUBCASE("different flows") {
    std::thread other([&] { walk(program, 1, 80, kRounds); });
    walk(program, 2, 81, kRounds);
    other.join();
  }
  SUBCASE("the same flows") {
    std::thread other([&] { walk(program, 1, 80, kRounds); });
    walk(program, 2, 80, kRounds);
    other.join();
  }
  // A flow that both open in the same instant may be there twice, until it expires, never more.
  std::map<uint64_t, int> entries;
  for (const xlb_flow& flow : program.flows())
    CHECK(++entries[flow.key] <= 2);
  // ~Program adds up the flows.
}

TEST_CASE("A real server that comes and goes beside two CPUs keeps its count") {
  constexpr int kRounds = 20000;
  Program program(2, 1);
  program.put_service({.ring = {1, 2}, .hash = {1, 2}});
  for (const uint32_t index : {1U, 2U})
    program.put_real_server(index);
  std::thread other([&] { walk(program, 1, 80, kRounds); });
  for (uint32_t i = 0; i < kRounds / 10; i++) {
    program.put_real_server(1, {.flags = i % 2 == 0 ? 0 : kUsable});
    walk(program, i, 80, 10);
  }
  other.join();
}

// ---- schedulers ----

struct Candidate {
  uint32_t index;
  uint32_t weight;
};

// What IPVS would choose, from what each has; 0: nobody.
uint32_t chosen(Program& program, xlb_scheduling scheduling, const std::vector<Candidate>& all) {
  uint32_t best = 0;
  double least = 0;
  for (const auto& [index, weight] : all) {
    if (weight == 0) continue;
    const Load load = program.load(index);
    const double divisor = scheduling == XLB_SCHEDULE_LC ? 1 : weight;
    const bool expected = scheduling == XLB_SCHEDULE_SED || scheduling == XLB_SCHEDULE_NQ;
    const auto connections =
        static_cast<double>(expected ? load.active + 1 : load.active * 256 + load.inactive);
    if (scheduling == XLB_SCHEDULE_NQ && load.active == 0) return index;
    if (best != 0 && connections / divisor >= least) continue;
    best = index;
    least = connections / divisor;
  }
  return best;
}

TEST_CASE("lc, wlc, sed and nq choose as IPVS does, whatever the connections do") {
  struct Row {
    const char* name;
    xlb_scheduling scheduling;
  };
  for (const Row& row : {Row{"lc", XLB_SCHEDULE_LC}, Row{"wlc", XLB_SCHEDULE_WLC},
                         Row{"sed", XLB_SCHEDULE_SED}, Row{"nq", XLB_SCHEDULE_NQ}}) {
    CAPTURE(row.name);
    Program program(4096);
    const std::vector<Candidate> candidates{{1, 1}, {2, 4}, {3, 2}, {4, 0}, {5, 7}};
    for (const auto& [index, weight] : candidates)
      program.put_real_server(index, {.weight = weight});
    program.put_service(
        {.ring = {1, 2, 3, 4, 5}, .hash = {1}, .scheduling = static_cast<uint8_t>(row.scheduling)});
    std::mt19937 random(7);  // NOLINT: the same run every time
    for (uint32_t port = 1000; port < 1300; port++) {
      const uint32_t expected = chosen(program, row.scheduling, candidates);
      REQUIRE(receiver_of(program, from_port(port)) == expected);
      for (int i = 0; i < 3; i++) {
        const uint32_t earlier = 1000 + static_cast<uint32_t>(random() % (port - 999));
        const std::array<uint8_t, 4> flags{kAck, kAck, kAck, kFinAck};
        (void)receiver_of(program, from_port(earlier, flags.at(random() % 4)));
      }
    }
    CHECK(program.traffic(4).connections == 0);
  }
}

TEST_CASE("lc spreads connections evenly, wlc by weight") {
  Program program;
  for (uint32_t index = 1; index <= 2; index++)
    program.put_real_server(index, {.weight = index == 1 ? 3U : 1U});
  SUBCASE("lc") {
    program.put_service({.ring = {1, 2}, .hash = {1}, .scheduling = XLB_SCHEDULE_LC});
    for (uint32_t port = 1000; port < 1040; port++)
      CHECK(receiver_of(program, from_port(port)) != 0);
    CHECK(program.load(1) == Load{0, 20});
    CHECK(program.load(2) == Load{0, 20});
  }
  SUBCASE("wlc") {
    program.put_service({.ring = {1, 2}, .hash = {1}, .scheduling = XLB_SCHEDULE_WLC});
    for (uint32_t port = 1000; port < 1040; port++)
      CHECK(receiver_of(program, from_port(port)) != 0);
    CHECK(program.load(1) == Load{0, 30});
    CHECK(program.load(2) == Load{0, 10});
  }
}

TEST_CASE("The least loaded of those that accept: one that is down, drained or another's is not") {
  Program program;
  program.put_service({.ring = {1, 2, 3, 4}, .hash = {1}, .scheduling = XLB_SCHEDULE_LC});
  program.put_real_server(1, {.flags = 0});
  program.put_real_server(2, {.flags = XLB_RS_FORWARD});
  program.put_real_server(3, {.service_id = 8});
  program.put_real_server(4);
  for (uint32_t port = 1000; port < 1010; port++)
    CHECK(receiver_of(program, from_port(port)) == 4);
  program.put_real_server(4, {.flags = 0});
  CHECK(program.judge(from_port(2000).frame()).reason == "XLB_PASS_NO_REAL_SERVER");
}

TEST_CASE("500 real servers are compared in one search") {
  // One index is as good as 63 others for finding the end of the list.
  Program program;
  std::vector<uint32_t> ring(511, 1);
  ring.push_back(2);
  program.put_service({.ring = ring, .hash = {1}, .scheduling = XLB_SCHEDULE_LC});
  for (const uint32_t index : {1U, 2U})
    program.put_real_server(index);
  CHECK(receiver_of(program, from_port(1000)) == 1);
  CHECK(receiver_of(program, from_port(1001)) == 2);
  CHECK(receiver_of(program, from_port(1002)) == 1);
}

}  // namespace
}  // namespace xlb::test
