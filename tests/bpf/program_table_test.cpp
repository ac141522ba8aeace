// The connection table under pressure: which entry of a full bucket gives way, and that no entry
// ever names another flow's real server, also with two CPUs in the same bucket.
#include <doctest/doctest.h>
#include <linux/bpf.h>

#include <array>
#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include "program.h"

namespace xlb::test {
namespace {

constexpr size_t kPlaces = 8;  // a home bucket and its buddy

Packet from_port(uint32_t client_port, uint8_t flags = kSyn) {
  return {.client_port = static_cast<uint16_t>(client_port), .flags = flags};
}

struct Entry {
  uint32_t state;
  uint32_t age_s;
};

// A table of one pair of buckets, full with these flows of real server 2; new ones go to 1.
struct FullTable {
  explicit FullTable(const std::array<Entry, kPlaces>& entries) : program(2, 1) {
    program.put_service({.ring = {1}, .hash = {1}});
    for (const uint32_t index : {1U, 2U})
      program.put_real_server(index);
    for (size_t place = 0; place < kPlaces; place++)
      set(place, entries[place]);
  }
  void set(size_t place, const Entry& entry) {
    program.set_flow(place, {flow_key(from_port(100 + static_cast<uint32_t>(place))),
                             XLB_FLOW_VALUE(2, now_s() - entry.age_s, entry.state)});
  }
  // The place that a new flow takes; the others must be as they were.
  size_t taken_by_new() {
    std::array<xlb_flow, kPlaces> before{};
    for (size_t place = 0; place < kPlaces; place++)
      before[place] = program.flow(place);
    const Packet packet = from_port(next_port++);
    CHECK(receiver_of(program, packet) == 1);
    size_t taken = kPlaces;
    for (size_t place = 0; place < kPlaces; place++) {
      const xlb_flow now = program.flow(place);
      if (now.key == flow_key(packet)) {
        taken = place;
        CHECK(XLB_FLOW_REAL_SERVER(now.value) == 1);
        CHECK(XLB_FLOW_STATE(now.value) == XLB_FLOW_SYN_RECV);
      } else {
        CHECK(now.key == before[place].key);
        CHECK(now.value == before[place].value);
      }
    }
    return taken;
  }

  Program program;
  uint32_t next_port = 5000;
};

constexpr std::array<Entry, kPlaces> kMixed{{
    {XLB_FLOW_ESTABLISHED, 10},
    {XLB_FLOW_ESTABLISHED, 300},
    {XLB_FLOW_FIN_WAIT, 30},
    {XLB_FLOW_ESTABLISHED, 20},
    {XLB_FLOW_UDP, 200},
    {XLB_FLOW_SYN_RECV, 20},
    {XLB_FLOW_CLOSE, 5},
    {XLB_FLOW_ESTABLISHED, 5},
}};

TEST_CASE("A full bucket gives up the free, the expired, the closing, the oldest, in this order") {
  FullTable table(kMixed);
  SUBCASE("a free entry first") {
    table.set(0, {XLB_FLOW_ESTABLISHED, 5000});
    table.program.set_flow(7, {});
    CHECK(table.taken_by_new() == 7);
  }
  SUBCASE("then an expired one, whatever its state") {
    table.set(1, {XLB_FLOW_ESTABLISHED, 901});
    CHECK(table.taken_by_new() == 1);
  }
  SUBCASE("the longest expired of several") {
    table.set(3, {XLB_FLOW_ESTABLISHED, 1000});
    table.set(5, {XLB_FLOW_SYN_RECV, 2000});
    CHECK(table.taken_by_new() == 5);
    CHECK(table.taken_by_new() == 3);
  }
  SUBCASE("then the oldest that is closing or was never open") {
    CHECK(table.taken_by_new() == 2);
    table.set(2, {XLB_FLOW_ESTABLISHED, 1});
    CHECK(table.taken_by_new() == 5);
    table.set(5, {XLB_FLOW_ESTABLISHED, 1});
    CHECK(table.taken_by_new() == 6);
  }
  SUBCASE("then the oldest") {
    for (const size_t place : {2U, 5U, 6U})
      table.set(place, {XLB_FLOW_ESTABLISHED, 100});
    CHECK(table.taken_by_new() == 1);
    table.set(1, {XLB_FLOW_ESTABLISHED, 1});
    CHECK(table.taken_by_new() == 4);
  }
}

TEST_CASE("A SYN flood does not push out established connections") {
  FullTable table(kMixed);
  for (int i = 0; i < 1000; i++)
    (void)receiver_of(table.program, from_port(table.next_port++));
  for (const size_t place : {0U, 1U, 3U, 4U, 7U}) {
    CAPTURE(place);
    const auto port = static_cast<uint32_t>(100 + place);
    CHECK(receiver_of(table.program, from_port(port, kAck)) == 2);
  }
}

TEST_CASE("A pair of buckets full of live flows refuses newcomers") {
  constexpr std::array<Entry, kPlaces> kLive{{
      {XLB_FLOW_ESTABLISHED, 0},
      {XLB_FLOW_ESTABLISHED, 10},
      {XLB_FLOW_ESTABLISHED, 20},
      {XLB_FLOW_UDP, 30},
      {XLB_FLOW_ESTABLISHED, 40},
      {XLB_FLOW_UDP, XLB_LIVE_FLOW_S - 5},  // some seconds early: the clock goes on
      {XLB_FLOW_ESTABLISHED, XLB_LIVE_FLOW_S - 5},
      {XLB_FLOW_ESTABLISHED, 5},
  }};
  FullTable table(kLive);
  SUBCASE("they are sent by the hash and counted, not remembered") {
    CHECK(table.taken_by_new() == kPlaces);
    CHECK(table.taken_by_new() == kPlaces);
    CHECK(table.program.traffic(1).connections == 2);
    CHECK(table.program.cursor(kServiceId) == 2);
  }
  SUBCASE("their later packets follow the SYN, whoever had the turn") {
    table.program.put_service({.ring = {2, 3, 4}, .hash = {1}});
    for (const uint32_t index : {3U, 4U})
      table.program.put_real_server(index);
    for (uint32_t port = 6000; port < 6010; port++) {
      CHECK(receiver_of(table.program, from_port(port)) == 1);
      CHECK(receiver_of(table.program, from_port(port, kAck)) == 1);
    }
  }
  SUBCASE("one that was idle for longer gives way") {
    table.set(5, {XLB_FLOW_UDP, XLB_LIVE_FLOW_S + 1});
    CHECK(table.taken_by_new() == 5);
  }
  SUBCASE("one that had a single datagram gives way") {
    table.set(3, {XLB_FLOW_UDP_ONE, 0});
    CHECK(table.taken_by_new() == 3);
  }
  SUBCASE("one that is not yet open gives way") {
    table.set(7, {XLB_FLOW_SYN_RECV, 0});
    CHECK(table.taken_by_new() == 7);
  }
}

TEST_CASE("A flood of single datagrams does not push out what has had several") {
  Program program(2, 1);
  program.put_service({.protocol = kUdp, .ring = {1}, .hash = {1}});
  for (const uint32_t index : {1U, 2U})
    program.put_real_server(index);
  const auto datagram = [](uint32_t port) {
    return Packet{.protocol = kUdp, .client_port = static_cast<uint16_t>(port)};
  };
  for (uint32_t port = 100; port < 104; port++) {
    const uint64_t value = XLB_FLOW_VALUE(2, now_s() - 250, XLB_FLOW_UDP);
    program.set_flow(port - 100, {flow_key(datagram(port)), value});
  }
  for (uint32_t port = 1000; port < 2000; port++)
    CHECK(receiver_of(program, datagram(port)) == 1);
  for (uint32_t port = 100; port < 104; port++)
    CHECK(receiver_of(program, datagram(port)) == 2);
}

TEST_CASE("An entry that somebody is writing is neither read nor taken") {
  FullTable table(kMixed);
  for (size_t place = 0; place < kPlaces; place++)
    table.program.set_flow(place, {flow_key(from_port(100 + static_cast<uint32_t>(place))), 0});
  CHECK(table.taken_by_new() == kPlaces);  // sent, not remembered
  CHECK(receiver_of(table.program, from_port(100, kAck)) == 1);
  table.program.set_flow(6, {});
  CHECK(table.taken_by_new() == 6);
}

TEST_CASE("A flow is found in its home bucket and in the buddy") {
  Program program(64);
  program.put_service({.ring = {1}, .hash = {1}});
  for (const uint32_t index : {1U, 2U})
    program.put_real_server(index);
  const Packet ack = from_port(1000, kAck);
  const size_t home = program.home_of(ack);
  const xlb_flow entry{flow_key(ack), XLB_FLOW_VALUE(2, now_s(), XLB_FLOW_ESTABLISHED)};
  for (size_t i = 0; i < XLB_FLOWS_PER_BUCKET; i++) {
    for (const size_t start : {home, home ^ XLB_FLOWS_PER_BUCKET}) {
      program.set_flow(start + i, entry);
      CHECK(receiver_of(program, ack) == 2);
      program.set_flow(start + i, {});
      CHECK(receiver_of(program, ack) == 1);
    }
  }
}

TEST_CASE("At half load next to no flow is lost") {
  constexpr uint32_t kFlows = 2048;
  Program program(1024);
  program.put_service({.ring = {1, 2, 3}, .hash = {4}});
  for (uint32_t index = 1; index <= 4; index++)
    program.put_real_server(index);
  for (uint32_t i = 0; i < kFlows; i++)
    CHECK(receiver_of(program, from_port(1000 + i)) == 1 + i % 3);
  uint32_t lost = 0;
  for (uint32_t i = 0; i < kFlows; i++) {
    const uint32_t now = receiver_of(program, from_port(1000 + i, kAck));
    if (now == 4)
      lost++;
    else
      CHECK(now == 1 + i % 3);
  }
  CHECK(lost < kFlows / 50);
}

// Service 7 has real server 1 alone, service 8 has 2: whatever two CPUs do to each other in one
// pair of buckets, no entry and no frame may mix them up.
TEST_CASE("Two CPUs in one bucket never give a flow another's real server") {
  constexpr int kRounds = 20000;
  Program program(2, 1);
  program.put_service({.persistence_timeout_s = 50, .ring = {1}, .hash = {1}});
  program.put_service({.id = 8, .port = 81, .persistence_timeout_s = 50, .ring = {2}, .hash = {2}});
  program.put_real_server(1);
  program.put_real_server(2, {.service_id = 8});
  std::atomic<int> wrong{0};
  const auto client = [&](uint16_t port, uint32_t expected) {
    for (int i = 0; i < kRounds; i++) {
      const std::array<uint8_t, 4> flags{kSyn, kAck, kRst, kSyn};
      const Packet packet{.client = kClient + static_cast<uint32_t>(i / 4 % 13),
                          .client_port = static_cast<uint16_t>(1000 + i / 4 % 31),
                          .port = port,
                          .flags = flags[static_cast<size_t>(i % 4)]};
      if (receiver_of(program, packet) != expected) wrong++;
    }
  };
  std::thread one(client, uint16_t{80}, 1U);
  std::thread other(client, uint16_t{81}, 2U);
  one.join();
  other.join();
  CHECK(wrong == 0);
  std::set<uint64_t> keys;
  for (const xlb_flow& flow : program.flows()) {
    CHECK(XLB_FLOW_REAL_SERVER(flow.value) == (flow.key >> 48) - 6);
    keys.insert(flow.key);
  }
  CHECK(keys.size() == program.flows().size());  // nor twice the same
  for (size_t place = 0; place < program.client_places(); place++) {
    const xlb_client entry = program.client(place);
    CHECK(XLB_FLOW_REAL_SERVER(entry.value) == (entry.key >> 48) - 6);
  }
  const xlb_traffic first = program.traffic(1);
  const xlb_traffic second = program.traffic(2);
  CHECK(first.packets == kRounds);
  CHECK(second.packets == kRounds);
}

}  // namespace
}  // namespace xlb::test
