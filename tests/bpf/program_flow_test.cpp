// Which real server gets a packet of a service without persistence, and what the connection table
// remembers of it. Time is made by writing entries of other ages.
#include <doctest/doctest.h>
#include <linux/bpf.h>

#include <vector>

#include "program_pair.h"

namespace xlb::test {
namespace {

constexpr uint8_t kFinAck = kFin | kAck;

// The packet's flow as if its last packet came `age_s` ago.
void put_flow(Program& program, const Packet& packet, uint32_t real_server, uint32_t state,
              uint32_t age_s = 0, uint32_t service_id = kServiceId) {
  program.set_flow(
      program.home_of(packet, service_id),
      {flow_key(packet, service_id), XLB_FLOW_VALUE(real_server, now_s() - age_s, state)});
}

uint32_t state_of(Program& program, const Packet& packet) {
  const auto flow = program.flow_of(packet);
  return flow ? XLB_FLOW_STATE(flow->value) : 0;
}

uint64_t connections(Program& program) {
  uint64_t sum = 0;
  for (uint32_t index = 1; index <= 4; index++)
    sum += program.traffic(index).connections;
  return sum;
}

TEST_CASE("A SYN opens a flow that its later packets follow") {
  Program program;
  put_pair(program);
  const uint32_t chosen = receiver_of(program, from_port(1000));
  CHECK(chosen == 1);
  const auto flow = program.flow_of(from_port(1000));
  REQUIRE(flow);
  CHECK(XLB_FLOW_REAL_SERVER(flow->value) == chosen);
  CHECK(XLB_FLOW_STATE(flow->value) == XLB_FLOW_SYN_RECV);
  CHECK(XLB_AGE(now_s(), XLB_FLOW_SECOND(flow->value)) <= 2);
  for (const uint8_t flags : {kAck, kPushAck, kFinAck, kAck})
    CHECK(receiver_of(program, from_port(1000, flags)) == chosen);
  CHECK(connections(program) == 1);
  CHECK(program.cursor(kServiceId) == 1);
  CHECK(program.traffic(1).packets == 5);
  CHECK(program.traffic(1).bytes == 5 * 40);
}

TEST_CASE("A datagram opens a flow that later ones follow") {
  Program program;
  put_pair(program);
  const uint32_t chosen = receiver_of(program, datagram(1000));
  CHECK(chosen == 3);
  const auto state = [&](uint16_t port) {
    const auto flow = program.flow_of(datagram(port), 8);
    return flow ? XLB_FLOW_STATE(flow->value) : 0;
  };
  CHECK(state(1000) == XLB_FLOW_UDP_ONE);
  for (int i = 0; i < 5; i++)
    CHECK(receiver_of(program, datagram(1000)) == chosen);
  CHECK(state(1000) == XLB_FLOW_UDP);
  CHECK(receiver_of(program, datagram(1001)) == 4);
  CHECK(state(1001) == XLB_FLOW_UDP_ONE);
  CHECK(connections(program) == 2);
}

TEST_CASE("A retransmitted SYN keeps its real server and is no new connection") {
  for (const uint32_t state : {XLB_FLOW_SYN_RECV, XLB_FLOW_ESTABLISHED}) {
    CAPTURE(state);
    Program program;
    put_pair(program);
    put_flow(program, from_port(1000), 2, state, 5);
    CHECK(receiver_of(program, from_port(1000)) == 2);
    CHECK(state_of(program, from_port(1000)) == state);
    CHECK(connections(program) == 0);
    CHECK(program.cursor(kServiceId) == 0);
  }
}

TEST_CASE("A SYN after FIN or RST is a new connection") {
  for (const uint32_t state : {XLB_FLOW_FIN_WAIT, XLB_FLOW_CLOSE}) {
    CAPTURE(state);
    Program program;
    put_pair(program);
    put_flow(program, from_port(1000), 2, state, 5);
    CHECK(receiver_of(program, from_port(1000)) == 1);
    CHECK(state_of(program, from_port(1000)) == XLB_FLOW_SYN_RECV);
    CHECK(program.flows().size() == 1);
    CHECK(connections(program) == 1);
  }
}

TEST_CASE("The state follows the client's half of the connection") {
  struct Row {
    uint32_t from;
    uint8_t flags;
    uint32_t to;
  };
  const std::vector<Row> rows{
      {XLB_FLOW_SYN_RECV, kSyn, XLB_FLOW_SYN_RECV},
      {XLB_FLOW_SYN_RECV, kAck, XLB_FLOW_ESTABLISHED},
      {XLB_FLOW_SYN_RECV, kPushAck, XLB_FLOW_ESTABLISHED},
      {XLB_FLOW_SYN_RECV, kFinAck, XLB_FLOW_FIN_WAIT},
      {XLB_FLOW_SYN_RECV, kRst, XLB_FLOW_CLOSE},
      {XLB_FLOW_SYN_RECV, kSyn | kAck, XLB_FLOW_SYN_RECV},
      {XLB_FLOW_ESTABLISHED, kAck, XLB_FLOW_ESTABLISHED},
      {XLB_FLOW_ESTABLISHED, kSyn, XLB_FLOW_ESTABLISHED},
      {XLB_FLOW_ESTABLISHED, kSyn | kAck, XLB_FLOW_ESTABLISHED},
      {XLB_FLOW_ESTABLISHED, kFinAck, XLB_FLOW_FIN_WAIT},
      {XLB_FLOW_ESTABLISHED, kFin | kPushAck, XLB_FLOW_FIN_WAIT},
      {XLB_FLOW_ESTABLISHED, kRst, XLB_FLOW_CLOSE},
      {XLB_FLOW_ESTABLISHED, kRst | kAck, XLB_FLOW_CLOSE},
      {XLB_FLOW_FIN_WAIT, kAck, XLB_FLOW_FIN_WAIT},
      {XLB_FLOW_FIN_WAIT, kFinAck, XLB_FLOW_FIN_WAIT},
      {XLB_FLOW_FIN_WAIT, kRst, XLB_FLOW_CLOSE},
      {XLB_FLOW_CLOSE, kAck, XLB_FLOW_CLOSE},
      {XLB_FLOW_CLOSE, kFinAck, XLB_FLOW_CLOSE},
      {XLB_FLOW_CLOSE, kRst, XLB_FLOW_CLOSE},
  };
  Program program;
  put_pair(program);
  for (const Row& row : rows) {
    CAPTURE(row.from);
    CAPTURE(int{row.flags});
    for (const uint32_t age_s : {0U, 5U}) {
      put_flow(program, from_port(1000), 2, row.from, age_s);
      CHECK(receiver_of(program, from_port(1000, row.flags)) == 2);
      CHECK(state_of(program, from_port(1000)) == row.to);
    }
  }
  CHECK(connections(program) == 0);
}

TEST_CASE("A packet makes its flow young again") {
  Program program;
  put_pair(program);
  put_flow(program, from_port(1000), 2, XLB_FLOW_ESTABLISHED, 500);
  CHECK(receiver_of(program, from_port(1000, kAck)) == 2);
  const auto flow = program.flow_of(from_port(1000));
  REQUIRE(flow);
  CHECK(XLB_AGE(now_s(), XLB_FLOW_SECOND(flow->value)) <= 2);
}

TEST_CASE("A flow is forgotten after its state's timeout, not before") {
  struct Row {
    uint32_t state;
    uint32_t remembered_s;  // some seconds early: the clock goes on while this runs
    uint32_t forgotten_s;
  };
  const std::vector<Row> rows{
      {XLB_FLOW_SYN_RECV, 55, 61}, {XLB_FLOW_ESTABLISHED, 895, 901}, {XLB_FLOW_FIN_WAIT, 115, 121},
      {XLB_FLOW_CLOSE, 5, 11},     {XLB_FLOW_UDP, 295, 301},         {XLB_FLOW_UDP_ONE, 295, 301},
  };
  for (const Row& row : rows) {
    CAPTURE(row.state);
    Program program;
    program.put_service({.ring = {1}, .hash = {1}});
    for (const uint32_t index : {1U, 2U})
      program.put_real_server(index);
    put_flow(program, from_port(1000), 2, row.state, row.remembered_s);
    CHECK(receiver_of(program, from_port(1000, kAck)) == 2);
    put_flow(program, from_port(1000), 2, row.state, row.forgotten_s);
    CHECK(receiver_of(program, from_port(1000, kAck)) == 1);
    CHECK(receiver_of(program, from_port(1000)) == 1);
    CHECK(connections(program) == 1);
    CHECK(program.flows().size() == 1);  // the old entry was written over
  }
}

TEST_CASE("The clock may wrap: ages count modulo 2^24") {
  Program program;
  put_pair(program);
  const uint64_t value = XLB_FLOW_VALUE(2, now_s() - 5 + (1U << 24), XLB_FLOW_ESTABLISHED);
  program.set_flow(program.home_of(from_port(1000)), {flow_key(from_port(1000)), value});
  CHECK(receiver_of(program, from_port(1000, kAck)) == 2);
}

TEST_CASE("Only a packet that may open a connection is remembered") {
  Program program;
  put_pair(program);
  for (const int flags :
       {+kAck, +kPushAck, +kFinAck, +kRst, kRst | kAck, kSyn | kAck, kSyn | kAck | kPush}) {
    CAPTURE(flags);
    const Packet packet = from_port(1000, static_cast<uint8_t>(flags));
    CHECK(receiver_of(program, packet) != 0);
    CHECK(program.flows().empty());
  }
  CHECK(connections(program) == 0);
  CHECK(program.cursor(kServiceId) == 0);
  CHECK(receiver_of(program, from_port(1000, kSyn | kPush)) == 1);
  CHECK(program.flows().size() == 1);
}

TEST_CASE("Weight 0: existing flows stay, new ones go elsewhere") {
  Program program;
  put_pair(program);
  put_flow(program, from_port(1000), 1, XLB_FLOW_ESTABLISHED);
  put_flow(program, datagram(1000), 3, XLB_FLOW_UDP, 0, 8);
  program.put_real_server(1, {.flags = XLB_RS_FORWARD});
  program.put_real_server(3, {.flags = XLB_RS_FORWARD, .service_id = 8});
  CHECK(receiver_of(program, from_port(1000, kAck)) == 1);
  CHECK(receiver_of(program, from_port(1000)) == 1);
  CHECK(receiver_of(program, datagram(1000)) == 3);
  for (uint16_t port = 2000; port < 2020; port++) {
    CHECK(receiver_of(program, from_port(port)) == 2);
    CHECK(receiver_of(program, datagram(port)) == 4);
  }
  CHECK(receiver_of(program, from_port(1000, kFinAck)) == 1);
  CHECK(receiver_of(program, from_port(1000)) == 2);  // a new connection from the same port
}

TEST_CASE("The flows of a real server that is down are scheduled anew") {
  Program program;
  put_pair(program);
  put_flow(program, from_port(1000), 1, XLB_FLOW_ESTABLISHED);
  put_flow(program, from_port(1001), 1, XLB_FLOW_SYN_RECV);
  put_flow(program, datagram(1000), 3, XLB_FLOW_UDP, 0, 8);
  program.put_real_server(1, {.flags = 0});
  program.put_real_server(3, {.flags = 0, .service_id = 8});

  // By hash, so that the client hears a reset, but not remembered: nothing was opened.
  CHECK(receiver_of(program, from_port(1000, kAck)) == 2);
  CHECK_FALSE(program.flow_of(from_port(1000)));
  // A SYN opens it anew, a datagram too.
  CHECK(receiver_of(program, from_port(1001)) == 2);
  CHECK(XLB_FLOW_REAL_SERVER(program.flow_of(from_port(1001))->value) == 2);
  CHECK(receiver_of(program, datagram(1000)) == 4);
  CHECK(XLB_FLOW_REAL_SERVER(program.flow_of(datagram(1000), 8)->value) == 4);
  CHECK(connections(program) == 2);

  // Back up, it does not get them back.
  program.put_real_server(3, {.service_id = 8});
  CHECK(receiver_of(program, datagram(1000)) == 4);
}

TEST_CASE("A real server of another virtual server is never used") {
  Program program;
  put_pair(program);
  put_flow(program, from_port(1000), 3, XLB_FLOW_ESTABLISHED);
  const uint32_t chosen = receiver_of(program, from_port(1000, kAck));
  CHECK(chosen >= 1);
  CHECK(chosen <= 2);
}

TEST_CASE("An index beyond the real servers is no real server") {
  Program program;
  put_pair(program);
  put_flow(program, from_port(1000), 0xffffffff, XLB_FLOW_ESTABLISHED);
  CHECK(receiver_of(program, from_port(1000)) == 1);
}

TEST_CASE("Without a usable real server packets go to the stack, counted as unserved") {
  Program program;
  put_pair(program);
  const std::vector<Packet> packets{from_port(1000), from_port(1000, kAck), from_port(1000, kRst)};
  SUBCASE("none configured") {
    program.put_service({.ring = {}, .hash = {}});
  }
  SUBCASE("all down") {
    for (const uint32_t index : {1U, 2U})
      program.put_real_server(index, {.flags = 0});
  }
  SUBCASE("an existing flow's is down too") {
    put_flow(program, from_port(1000), 1, XLB_FLOW_ESTABLISHED);
    for (const uint32_t index : {1U, 2U})
      program.put_real_server(index, {.flags = 0});
  }
  SUBCASE("they only claim to accept") {
    for (const uint32_t index : {1U, 2U})
      program.put_real_server(index, {.flags = XLB_RS_ACCEPT});
  }
  SUBCASE("slots of index 0") {
    program.put_service({.ring = {0, 0}, .hash = {0}});
  }
  uint64_t bytes = 0;
  for (const Packet& packet : packets) {
    const Frame frame = packet.frame();
    const Judged judged = program.judge(frame);
    CHECK(judged.reason == "XLB_PASS_NO_REAL_SERVER");
    CHECK(judged.action == XDP_PASS);
    CHECK(judged.frame == frame);
    bytes += packet.ip_bytes();
  }
  CHECK(program.unserved(kServiceId).packets == packets.size());
  CHECK(program.unserved(kServiceId).bytes == bytes);
  CHECK(program.unserved(kServiceId).connections == 0);
  CHECK(program.unserved(8).packets == 0);
  CHECK(program.flows().empty());
  CHECK(connections(program) == 0);
}

TEST_CASE("All at weight 0: a new connection has nobody, a late packet of an old one has") {
  Program program;
  put_pair(program);
  for (const uint32_t index : {1U, 2U})
    program.put_real_server(index, {.flags = XLB_RS_FORWARD});
  CHECK(program.judge(from_port(1000).frame()).reason == "XLB_PASS_NO_REAL_SERVER");
  CHECK(receiver_of(program, from_port(1000, kAck)) != 0);
}

}  // namespace
}  // namespace xlb::test
