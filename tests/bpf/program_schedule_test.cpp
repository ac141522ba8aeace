// The scheduler: the ring's turns for what opens a connection, the hash for what does not.
#include <doctest/doctest.h>

#include <map>
#include <set>
#include <vector>

#include "program_pair.h"

namespace xlb::test {
namespace {

TEST_CASE("rr: 200 new connections alternate") {
  Program program;
  put_pair(program);
  for (uint16_t i = 0; i < 200; i++) {
    CHECK(receiver_of(program, from_port(static_cast<uint16_t>(2000 + i))) == 1U + i % 2);
    CHECK(receiver_of(program, from_port(2000, kAck)) == 1);  // takes no turn
  }
  CHECK(program.traffic(1).connections == 100);
  CHECK(program.traffic(2).connections == 100);
}

TEST_CASE("wrr: the ring is followed slot by slot, 3:1 in 200 is 150") {
  Program program;
  put_pair(program);
  const std::vector<uint32_t> ring{1, 1, 2, 1};
  program.put_service({.ring = ring, .hash = {1, 2}});
  for (uint16_t i = 0; i < 200; i++)
    CHECK(receiver_of(program, from_port(static_cast<uint16_t>(2000 + i))) == ring[i % 4]);
  CHECK(program.traffic(1).connections == 150);
  CHECK(program.traffic(2).connections == 50);
}

TEST_CASE("Each virtual server has its own turn") {
  Program program;
  put_pair(program);
  CHECK(receiver_of(program, from_port(2000)) == 1);
  CHECK(receiver_of(program, datagram(2000)) == 3);
  CHECK(receiver_of(program, from_port(2001)) == 2);
  CHECK(receiver_of(program, datagram(2001)) == 4);
}

TEST_CASE("A slot whose real server just stopped accepting gives way to the next that does") {
  Program program;
  program.put_service({.ring = {1, 1, 1, 2}, .hash = {1, 1, 1, 2}});
  program.put_real_server(1, {.flags = XLB_RS_FORWARD});
  program.put_real_server(2);
  for (uint16_t port = 2000; port < 2008; port++)
    CHECK(receiver_of(program, from_port(port)) == 2);
  program.put_real_server(1, {.flags = 0});
  for (uint16_t port = 3000; port < 3032; port++)
    CHECK(receiver_of(program, from_port(port, kAck)) == 2);
}

TEST_CASE("The hash keeps a flow on its real server and spreads flows over the slots") {
  Program program;
  program.put_service({.ring = {1}, .hash = {1, 2, 3, 4}});
  for (uint32_t index = 1; index <= 4; index++)
    program.put_real_server(index);
  std::map<uint32_t, int> flows;
  for (uint16_t port = 1000; port < 2000; port++) {
    const uint32_t chosen = receiver_of(program, from_port(port, kAck));
    CHECK(receiver_of(program, from_port(port, kPushAck)) == chosen);
    flows[chosen]++;
  }
  for (uint32_t index = 1; index <= 4; index++) {
    CAPTURE(index);
    CHECK(flows[index] > 200);
    CHECK(flows[index] < 300);
  }
}

TEST_CASE("The hash depends on every part of the flow") {
  Program program;
  std::vector<uint32_t> hash;
  for (uint32_t index = 1; index <= 60; index++) {
    hash.push_back(index);
    program.put_real_server(index);
  }
  program.put_service({.ring = {1}, .hash = hash});
  const Packet base{.flags = kAck};
  const auto receivers = [&](auto change) {
    std::set<uint32_t> seen;
    for (unsigned i = 0; i < 32; i++) {
      Packet packet = base;
      change(packet, i);
      program.put_service(
          {.address = packet.server, .port = packet.port, .ring = {1}, .hash = hash});
      seen.insert(receiver_of(program, packet));
    }
    return seen.size();
  };
  CHECK(receivers([](Packet& p, unsigned i) { p.client += i; }) > 10);
  CHECK(receivers([](Packet& p, unsigned i) { p.client += i << 24; }) > 10);
  CHECK(receivers([](Packet& p, unsigned i) { p.client_port = static_cast<uint16_t>(i); }) > 10);
  CHECK(receivers([](Packet& p, unsigned i) { p.server += i; }) > 10);
  CHECK(receivers([](Packet& p, unsigned i) { p.port = static_cast<uint16_t>(p.port + i); }) > 10);
  CHECK(receivers([](Packet& p, unsigned i) { p.id = static_cast<uint16_t>(i); }) == 1);
  CHECK(receivers([](Packet& p, unsigned i) { p.ttl = static_cast<uint8_t>(64 + i); }) == 1);
}

TEST_CASE("Two directors hash alike whatever their numbers for services and real servers") {
  Program one;
  Program other(2, 1);  // another size of tables too
  one.put_service({.ring = {1}, .hash = {1, 2, 3, 4}});
  other.put_service({.id = 12, .ring = {21}, .hash = {21, 22, 23, 24}});
  for (uint32_t index = 1; index <= 4; index++) {
    one.put_real_server(index);
    other.put_real_server(20 + index, {.service_id = 12});
  }
  for (uint16_t port = 1000; port < 1200; port++)
    CHECK(receiver_of(one, from_port(port, kAck)) + 20 ==
          receiver_of(other, from_port(port, kAck)));
}

// ---- sh, mh, dh ----

struct Hashed {
  explicit Hashed(uint8_t input) {
    std::vector<uint32_t> hash;
    for (uint32_t index = 1; index <= 16; index++) {
      hash.push_back(index);
      program.put_real_server(index);
    }
    program.put_service(
        {.ring = {}, .hash = hash, .scheduling = XLB_SCHEDULE_HASH, .hash_input = input});
  }
  // How many real servers 16 connections of a client, or one of 16 clients, go to.
  size_t of_one_client() {
    std::set<uint32_t> seen;
    for (uint16_t port = 1000; port < 1016; port++)
      seen.insert(receiver_of(program, from_port(port)));
    return seen.size();
  }
  size_t of_clients() {
    std::set<uint32_t> seen;
    for (uint32_t i = 1; i <= 16; i++)
      seen.insert(receiver_of(program, {.client = kClient + i}));
    return seen.size();
  }

  Program program;
};

TEST_CASE("sh and mh: a client's connections go to one real server, those of many to many") {
  Hashed hashed(XLB_HASH_SOURCE_ADDRESS);
  CHECK(hashed.of_one_client() == 1);
  CHECK(hashed.of_clients() > 5);
  // With or without an entry in the table: another director sends them alike.
  for (uint32_t i = 50; i < 80; i++) {
    const uint32_t chosen = receiver_of(hashed.program, {.client = kClient + i, .flags = kAck});
    CHECK(receiver_of(hashed.program, {.client = kClient + i}) == chosen);
  }
}

TEST_CASE("sh-port and mh-port: each connection has its own") {
  Hashed hashed(XLB_HASH_SOURCE_ADDRESS | XLB_HASH_SOURCE_PORT);
  CHECK(hashed.of_one_client() > 5);
  CHECK(hashed.of_clients() > 5);
}

TEST_CASE("dh: all of a virtual server's connections go to one real server") {
  Hashed hashed(0);
  CHECK(hashed.of_one_client() == 1);
  CHECK(hashed.of_clients() == 1);
  std::set<uint32_t> of_servers;
  std::vector<uint32_t> hash;
  for (uint32_t index = 1; index <= 16; index++)
    hash.push_back(index);
  for (uint32_t i = 1; i <= 16; i++) {
    hashed.program.put_service({.address = kVip + i,
                                .ring = {},
                                .hash = hash,
                                .scheduling = XLB_SCHEDULE_HASH,
                                .hash_input = 0});
    of_servers.insert(
        receiver_of(hashed.program, {.server = kVip + i, .client_port = 2000, .flags = kAck}));
  }
  CHECK(of_servers.size() > 5);
}

TEST_CASE("A hash scheduler's connection stays where it is when the slots change") {
  Program program;
  program.put_service({.ring = {},
                       .hash = {1},
                       .scheduling = XLB_SCHEDULE_HASH,
                       .hash_input = XLB_HASH_SOURCE_ADDRESS});
  for (const uint32_t index : {1U, 2U})
    program.put_real_server(index);
  CHECK(receiver_of(program, from_port(1000)) == 1);
  program.put_service({.ring = {},
                       .hash = {2},
                       .scheduling = XLB_SCHEDULE_HASH,
                       .hash_input = XLB_HASH_SOURCE_ADDRESS});
  CHECK(receiver_of(program, from_port(1000, kAck)) == 1);
  CHECK(receiver_of(program, from_port(1001)) == 2);
}

// ---- one packet (ops) ----

TEST_CASE("One-packet UDP: every datagram takes a turn, none is remembered") {
  Program program;
  program.put_service({.id = 8,
                       .port = 53,
                       .protocol = kUdp,
                       .ring = {3, 4},
                       .hash = {3},
                       .flags = XLB_SERVICE_ONE_PACKET});
  for (const uint32_t index : {3U, 4U})
    program.put_real_server(index, {.service_id = 8});
  for (int i = 0; i < 10; i++)
    CHECK(receiver_of(program, datagram(1000)) == 3U + i % 2);
  CHECK(program.flows().empty());
  CHECK(program.traffic(3).connections == 5);
  CHECK(program.traffic(4).connections == 5);
}

TEST_CASE("One-packet UDP with persistence keeps the client") {
  Program program;
  program.put_service({.id = 8,
                       .port = 53,
                       .protocol = kUdp,
                       .persistence_timeout_s = 50,
                       .ring = {3, 4},
                       .hash = {3},
                       .flags = XLB_SERVICE_ONE_PACKET});
  for (const uint32_t index : {3U, 4U})
    program.put_real_server(index, {.service_id = 8});
  for (uint16_t port = 1000; port < 1010; port++)
    CHECK(receiver_of(program, datagram(port)) == 3);
  CHECK(program.flows().empty());
}

}  // namespace
}  // namespace xlb::test
