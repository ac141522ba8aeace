// Fragments: all of a packet's go to one real server, or nowhere. And packets at their last hop.
#include <doctest/doctest.h>
#include <linux/bpf.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "program.h"

namespace xlb::test {
namespace {

constexpr uint32_t kDirectorAddress = ipv4(192, 0, 2, 1);

// A UDP virtual server, 4 and 6, round robin over 1 and 2.
void put_services(Program& program, bool takes_fragments = false) {
  for (const uint8_t version : {uint8_t{4}, uint8_t{6}}) {
    const uint32_t id = version == 4 ? kServiceId : 8;
    const uint32_t first = version == 4 ? 1 : 3;
    program.put_service({.id = id,
                         .protocol = kUdp,
                         .ring = {first, first + 1},
                         .hash = {first + 1},
                         .version = version,
                         .hash_input = XLB_HASH_SOURCE_ADDRESS,
                         .takes_fragments = takes_fragments});
    for (const uint32_t index : {first, first + 1})
      program.put_real_server(index, {.service_id = id});
  }
}

Packet of(uint8_t version, Packet packet) {
  packet.protocol = kUdp;
  packet.payload = 64;
  return version == 6 ? v6(packet) : packet;
}

Packet first(uint8_t version, uint16_t id) {
  return of(version, {.id = id, .fragment = kMoreFragments, .udp_length = 3000});
}
// Its ports are those of another packet: payload.
Packet later(uint8_t version, uint16_t id, uint16_t fragment = 9) {
  return of(version, {.id = id, .fragment = fragment, .client_port = 1, .port = 2});
}

TEST_CASE("Later fragments follow the first, whoever's turn it is") {
  for (const uint8_t version : {uint8_t{4}, uint8_t{6}}) {
    CAPTURE(int{version});
    Program program;
    put_services(program);
    const uint32_t one = version == 4 ? 1 : 3;
    CHECK(receiver_of(program, first(version, 100)) == one);
    Packet other = first(version, 101);
    other.client_port = 40001;
    CHECK(receiver_of(program, other) == one + 1);
    for (const uint16_t offset : {uint16_t{9}, uint16_t{kMoreFragments | 18}, uint16_t{0x1fff}}) {
      const Packet packet = later(version, 100, offset);
      const Judged judged = program.judge(packet.frame());
      CHECK(judged.reason == "XLB_TX");
      CHECK(judged.frame == sent_to(one, packet));
      CHECK(receiver_of(program, later(version, 101, offset)) == one + 1);
    }
    CHECK(program.flows().size() == 2);
    CHECK(program.traffic(one).packets == 4);
    CHECK(program.traffic(one).connections == 1);
  }
}

TEST_CASE("A later fragment whose first was not seen is dropped and counted") {
  for (const uint8_t version : {uint8_t{4}, uint8_t{6}}) {
    CAPTURE(int{version});
    Program program;
    put_services(program);
    CHECK(receiver_of(program, first(version, 100)) != 0);
    Packet elsewhere = later(version, 100);
    elsewhere.client++;
    for (const Packet& packet : {later(version, 101), elsewhere}) {
      const Frame frame = packet.frame();
      const Judged judged = program.judge(frame);
      CHECK(judged.reason == "XLB_DROP_FRAGMENT");
      CHECK(judged.action == XDP_DROP);
      CHECK(judged.frame == frame);
    }
    Packet foreign = later(version, 100);
    foreign.server++;
    CHECK(program.judge(foreign.frame()).reason == "XLB_PASS_NOT_OURS");
    Packet flooded = later(version, 100);
    flooded.to = kOtherMac;
    CHECK(program.judge(flooded.frame()).reason == "XLB_PASS_OTHER_MAC");
  }
}

TEST_CASE("Where all of a client's packets go alike, a fragment needs no first") {
  for (const uint8_t version : {uint8_t{4}, uint8_t{6}}) {
    CAPTURE(int{version});
    Program program;
    put_services(program, true);
    const uint32_t hashed = version == 4 ? 2 : 4;
    CHECK(receiver_of(program, later(version, 100)) == hashed);
    CHECK(program.flows().empty());
  }
}

TEST_CASE("Fragments of a real server that went down since are served by nobody") {
  Program program;
  put_services(program);
  CHECK(receiver_of(program, first(4, 100)) == 1);
  program.put_real_server(1, {.flags = 0});
  CHECK(program.judge(later(4, 100).frame()).reason == "XLB_PASS_NO_REAL_SERVER");
}

TEST_CASE("A fragment balanced by a peer is not balanced again") {
  Program program;
  put_services(program);
  program.put_peer(kPeerMac);
  Packet packet = first(4, 100);
  packet.from = kPeerMac;
  CHECK(program.judge(packet.frame()).reason == "XLB_DROP_PEER");
  packet = later(4, 100);
  packet.from = kPeerMac;
  CHECK(program.judge(packet.frame()).reason == "XLB_DROP_FRAGMENT");
}

TEST_CASE("The last hop is told to the client, from the interface's address") {
  for (const uint8_t version : {uint8_t{4}, uint8_t{6}}) {
    CAPTURE(int{version});
    Program program;
    put_services(program);
    program.put_interface(kIngress, kDirectorMac, kDirectorAddress);
    const Packet packet = of(version, {.ttl = 1});
    const Frame frame = packet.frame();
    const Judged judged = program.judge(frame);
    CHECK(judged.reason == "XLB_TX_TIME_EXCEEDED");
    CHECK(judged.action == XDP_TX);
    const size_t header = version == 4 ? 20 : 40;
    REQUIRE(judged.frame.size() > 14 + header + 8);
    // Back the way it came, to its sender, about itself.
    CHECK(std::equal(kRouterMac.begin(), kRouterMac.end(), judged.frame.begin()));
    CHECK(std::equal(kDirectorMac.begin(), kDirectorMac.end(), judged.frame.begin() + 6));
    CHECK(judged.frame[14 + header] == (version == 4 ? 11 : 3));
    const Frame quoted(judged.frame.begin() + static_cast<long>(14 + header + 8),
                       judged.frame.end());
    CHECK(quoted ==
          Frame(frame.begin() + 14, frame.begin() + 14 + static_cast<long>(quoted.size())));
    CHECK(program.traffic(version == 4 ? 1 : 3).packets == 0);
  }
}

TEST_CASE("Not more errors in a second than the settings allow") {
  Program program;
  put_services(program);
  program.put_interface(kIngress, kDirectorMac, kDirectorAddress);
  program.settings().icmp_errors_per_second = 10;
  const Frame frame = of(4, {.ttl = 1}).frame();
  uint64_t told = 0;
  const uint32_t from_s = now_s();
  for (int i = 0; i < 500; i++)
    told += program.run(frame).action == XDP_TX ? 1 : 0;
  const uint64_t seconds = now_s() - from_s + 2;
  CHECK(told >= 10);
  // Of each CPU that this ran on.
  CHECK(told <= 10 * seconds * std::thread::hardware_concurrency());
  CHECK(told + program.verdicts(XLB_DROP_TTL) == 500);
}

}  // namespace
}  // namespace xlb::test
