// Persistence: a client's next connection goes where its last one went, for how long, and when not.
#include <doctest/doctest.h>
#include <linux/bpf.h>

#include <vector>

#include "program.h"

namespace xlb::test {
namespace {

constexpr uint32_t kTimeout = 50;

// TCP, persistent, on real servers 1 and 2, round robin.
void put_pair(Program& program) {
  program.put_service({.persistence_timeout_s = kTimeout, .ring = {1, 2}, .hash = {1, 2}});
  for (const uint32_t index : {1U, 2U})
    program.put_real_server(index);
}

Packet syn(uint32_t client, uint16_t client_port) {
  return {.client = client, .client_port = client_port};
}

// A client that opened its last connection `age_s` ago.
xlb_client entry(uint32_t real_server, uint32_t age_s, uint64_t live = 0) {
  return {
      .key = 0, .value = XLB_FLOW_VALUE(real_server, now_s() - age_s, 1), .live = live, .zero = 0};
}

uint32_t age_of(Program& program, uint32_t client) {
  return XLB_AGE(now_s(), XLB_FLOW_SECOND(program.client_of(client)->value));
}

TEST_CASE("A client's connections go to one real server, those of 100 clients to each half") {
  Program program;
  put_pair(program);
  for (uint32_t i = 0; i < 100; i++) {
    const uint32_t first = receiver_of(program, syn(kClient + i, 1000));
    CHECK(first == 1 + i % 2);
    for (uint16_t port = 1001; port < 1005; port++)
      CHECK(receiver_of(program, syn(kClient + i, port)) == first);
  }
  CHECK(program.traffic(1).connections == 250);
  CHECK(program.traffic(2).connections == 250);
  CHECK(program.cursor(kServiceId) == 100);  // only the first of each took a turn
}

TEST_CASE("A datagram service may be persistent") {
  Program program;
  program.put_service(
      {.protocol = kUdp, .persistence_timeout_s = kTimeout, .ring = {1, 2}, .hash = {1, 2}});
  for (const uint32_t index : {1U, 2U})
    program.put_real_server(index);
  for (uint16_t port = 1000; port < 1005; port++)
    CHECK(receiver_of(program, {.protocol = kUdp, .client_port = port}) == 1);
  CHECK(receiver_of(program, {.protocol = kUdp, .client = kClient + 1}) == 2);
}

TEST_CASE("Without persistence no client is remembered") {
  Program program;
  program.put_service({.ring = {1, 2}, .hash = {1, 2}});
  for (const uint32_t index : {1U, 2U})
    program.put_real_server(index);
  CHECK(receiver_of(program, syn(kClient, 1000)) == 1);
  CHECK(receiver_of(program, syn(kClient, 1001)) == 2);
  CHECK_FALSE(program.client_of(kClient));
}

TEST_CASE("A client is remembered for the timeout after its last new connection, not longer") {
  Program program;
  put_pair(program);
  program.put_client(kClient, entry(2, kTimeout - 5));
  CHECK(receiver_of(program, syn(kClient, 1000)) == 2);
  program.put_client(kClient, entry(2, kTimeout + 1));
  CHECK(receiver_of(program, syn(kClient, 1001)) == 1);
  CHECK(XLB_FLOW_REAL_SERVER(program.client_of(kClient)->value) == 1);
}

TEST_CASE("Each new connection refreshes its client, other packets do not") {
  Program program;
  put_pair(program);
  CHECK(receiver_of(program, syn(kClient, 1000)) == 1);
  program.put_client(kClient, entry(1, 30));
  for (const int flags : {+kSyn, +kAck, kFin | kAck}) {  // the SYN is a retransmission
    Packet packet = syn(kClient, 1000);
    packet.flags = static_cast<uint8_t>(flags);
    CHECK(receiver_of(program, packet) == 1);
    CHECK(age_of(program, kClient) >= 30);
  }
  Packet unknown = syn(kClient, 1001);
  unknown.flags = kAck;
  CHECK(receiver_of(program, unknown) == 1);
  CHECK(age_of(program, kClient) >= 30);
  CHECK(receiver_of(program, syn(kClient, 1002)) == 1);
  CHECK(age_of(program, kClient) <= 2);
}

TEST_CASE("A new connection from a used port counts and refreshes too") {
  Program program;
  put_pair(program);
  CHECK(receiver_of(program, syn(kClient, 1000)) == 1);
  Packet fin = syn(kClient, 1000);
  fin.flags = kFin | kAck;
  CHECK(receiver_of(program, fin) == 1);
  program.put_client(kClient, entry(2, 30));
  CHECK(receiver_of(program, syn(kClient, 1000)) == 2);
  CHECK(age_of(program, kClient) <= 2);
}

TEST_CASE("A client seen live is remembered beyond its timeout") {
  Program program;
  put_pair(program);
  program.put_client(kClient, entry(2, 10 * kTimeout, now_s() - 1));
  CHECK(receiver_of(program, syn(kClient, 1000)) == 2);
}

TEST_CASE("A live mark ahead of the program's clock counts") {
  Program program;
  put_pair(program);
  program.put_client(kClient, entry(2, 10 * kTimeout, now_s() + 3));
  CHECK(receiver_of(program, syn(kClient, 1000)) == 2);
}

TEST_CASE("A client no longer seen live is forgotten") {
  Program program;
  put_pair(program);
  program.put_client(kClient, entry(2, 10 * kTimeout, now_s() - XLB_LIVE_GRACE_S - 1));
  CHECK(receiver_of(program, syn(kClient, 1000)) == 1);
}

TEST_CASE("A real server of weight 0 loses its persistent clients") {
  Program program;
  put_pair(program);
  program.put_client(kClient, entry(2, 10, now_s()));
  program.put_real_server(2, {.flags = XLB_RS_FORWARD});
  CHECK(receiver_of(program, syn(kClient, 1000)) == 1);
  CHECK(XLB_FLOW_REAL_SERVER(program.client_of(kClient)->value) == 1);
  program.put_real_server(2);
  CHECK(receiver_of(program, syn(kClient, 1001)) == 1);
}

TEST_CASE("A real server that is down loses its persistent clients") {
  Program program;
  put_pair(program);
  program.put_client(kClient, entry(2, 10));
  program.put_real_server(2, {.flags = 0});
  CHECK(receiver_of(program, syn(kClient, 1000)) == 1);
  program.put_real_server(2);
  CHECK(receiver_of(program, syn(kClient, 1001)) == 1);
}

TEST_CASE("With nobody to move to, a client stays remembered") {
  Program program;
  put_pair(program);
  program.put_client(kClient, entry(2, 10));
  for (const uint32_t index : {1U, 2U})
    program.put_real_server(index, {.flags = 0});
  CHECK(program.judge(syn(kClient, 1000).frame()).reason == "XLB_PASS_NO_REAL_SERVER");
  for (const uint32_t index : {1U, 2U})
    program.put_real_server(index);
  CHECK(receiver_of(program, syn(kClient, 1001)) == 2);
}

TEST_CASE("A packet that opens nothing follows its client, also to weight 0, but not to one down") {
  Program program;
  program.put_service({.persistence_timeout_s = kTimeout, .ring = {1}, .hash = {1}});
  for (const uint32_t index : {1U, 2U})
    program.put_real_server(index);
  Packet ack = syn(kClient, 1000);
  ack.flags = kAck;
  program.put_client(kClient, entry(2, 10));
  CHECK(receiver_of(program, ack) == 2);
  program.put_real_server(2, {.flags = XLB_RS_FORWARD});
  CHECK(receiver_of(program, ack) == 2);
  program.put_real_server(2, {.flags = 0});
  CHECK(receiver_of(program, ack) == 1);
  program.put_real_server(2);
  program.put_client(kClient, entry(2, kTimeout + 1));
  CHECK(receiver_of(program, ack) == 1);
  CHECK(program.flows().empty());
}

TEST_CASE("A persistent service hashes by client address alone") {
  Program program;
  std::vector<uint32_t> hash;
  for (uint32_t index = 1; index <= 16; index++) {
    hash.push_back(index);
    program.put_real_server(index);
  }
  program.put_service({.persistence_timeout_s = kTimeout, .ring = {1}, .hash = hash});
  uint32_t distinct = 0;
  for (uint32_t i = 0; i < 16; i++) {
    Packet ack{.client = kClient + i, .client_port = 1000, .flags = kAck};
    const uint32_t chosen = receiver_of(program, ack);
    for (ack.client_port = 1001; ack.client_port < 1020; ack.client_port++)
      CHECK(receiver_of(program, ack) == chosen);
    if (chosen != receiver_of(program, {.flags = kAck})) distinct++;
  }
  CHECK(distinct > 8);
}

TEST_CASE("Persistence belongs to one virtual server") {
  Program program;
  put_pair(program);
  program.put_service(
      {.id = 9, .port = 443, .persistence_timeout_s = kTimeout, .ring = {4}, .hash = {4}});
  program.put_real_server(4, {.service_id = 9});
  CHECK(receiver_of(program, syn(kClient, 1000)) == 1);
  CHECK(receiver_of(program, {.client_port = 1001, .port = 443}) == 4);
  CHECK(receiver_of(program, syn(kClient, 1002)) == 1);
}

TEST_CASE("In a full bucket the client idle for longest gives way, a live one does not") {
  Program program(1024, 1);
  put_pair(program);
  const auto fill = [&](size_t place, uint32_t client, const xlb_client& with) {
    xlb_client filled = with;
    filled.key = client_key(client);
    program.set_client(place, filled);
  };
  fill(0, kClient + 100, entry(2, 20));
  fill(1, kClient + 101, entry(2, 40, now_s()));  // longest, but live
  fill(2, kClient + 102, entry(2, 30));
  fill(3, kClient + 103, entry(2, 10));

  CHECK(receiver_of(program, syn(kClient, 1000)) == 1);
  CHECK(program.client(2).key == client_key(kClient));
  CHECK(receiver_of(program, syn(kClient + 1, 1000)) == 2);
  CHECK(program.client(0).key == client_key(kClient + 1));
  CHECK(receiver_of(program, syn(kClient, 1001)) == 1);

  SUBCASE("an expired one goes first") {
    fill(3, kClient + 103, entry(2, kTimeout + 10));
    CHECK(receiver_of(program, syn(kClient + 2, 1000)) == 1);
    CHECK(program.client(3).key == client_key(kClient + 2));
  }
  SUBCASE("a free one goes before it") {
    fill(3, kClient + 103, entry(2, kTimeout + 10));
    program.set_client(0, {});
    CHECK(receiver_of(program, syn(kClient + 2, 1000)) == 1);
    CHECK(program.client(0).key == client_key(kClient + 2));
  }
  SUBCASE("its mark does not pass to who replaces it") {
    fill(1, kClient + 101, entry(2, kTimeout + 40, now_s() - XLB_LIVE_GRACE_S - 60));
    CHECK(receiver_of(program, syn(kClient + 2, 1000)) == 1);
    CHECK(program.client(1).key == client_key(kClient + 2));
    CHECK(program.client(1).live == 0);
  }
  SUBCASE("one that somebody is writing is left alone") {
    for (size_t place = 0; place < 4; place++)
      program.set_client(place,
                         {client_key(kClient + 200 + static_cast<uint32_t>(place)), 0, 0, 0});
    CHECK(receiver_of(program, syn(kClient + 2, 1000)) != 0);
    CHECK_FALSE(program.client_of(kClient + 2));
  }
}

TEST_CASE("A client that moves keeps its live mark") {
  Program program;
  put_pair(program);
  const uint64_t live = now_s();
  program.put_client(kClient, entry(2, 10, live));
  CHECK(receiver_of(program, syn(kClient, 1000)) == 2);
  CHECK(program.client_of(kClient)->live == live);
}

}  // namespace
}  // namespace xlb::test
