// IPv6, virtual servers of any port and clients remembered by network: where keys are hashes.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <linux/bpf.h>

#include <cstring>
#include <set>
#include <vector>

#include "program.h"

namespace xlb::test {
namespace {

constexpr uint32_t kTimeout = 50;

void put_real_servers(Program& program, uint32_t service_id = kServiceId) {
  for (const uint32_t index : {1U, 2U, 3U, 4U})
    program.put_real_server(index, {.service_id = service_id});
}

// The number of the flow table's only entry.
size_t only_place(Program& program) {
  size_t found = program.flow_places();
  for (size_t place = 0; place < program.flow_places(); place++) {
    if (program.flow(place).value != 0) found = place;
  }
  REQUIRE(program.flows().size() == 1);
  return found;
}

TEST_CASE("IPv6 is balanced as IPv4 is: rewritten, remembered, counted") {
  Program program;
  program.put_service({.ring = {1, 2}, .hash = {3}, .version = 6});
  put_real_servers(program);
  Packet packet = v6({.payload = 30});
  const Judged judged = program.judge(packet.frame());
  CHECK(judged.reason == "XLB_TX");
  CHECK(judged.frame == sent_to(1, packet));
  CHECK(program.traffic(1).bytes == packet.ip_bytes());
  const auto flow = program.flow_of(packet);
  REQUIRE(flow);
  CHECK(XLB_FLOW_STATE(flow->value) == XLB_FLOW_SYN_RECV);
  packet.flags = kAck;
  CHECK(program.run(packet.frame()).frame == sent_to(1, packet));
  CHECK(program.load(1) == Load{1, 0});
  CHECK(receiver_of(program, v6({.client_port = 40001})) == 2);
  CHECK(receiver_of(program, v6({.client = kClient + 1})) == 1);
  CHECK(receiver_of(program, v6({.client_net = 2})) == 2);
  CHECK(receiver_of(program, v6({.client_port = 40002, .flags = kAck})) == 3);
  CHECK(program.flows().size() == 4);
}

TEST_CASE("An IPv6 client stands beside its flow, for listings") {
  Program program;
  program.put_service({.ring = {1}, .hash = {1}, .version = 6});
  put_real_servers(program);
  CHECK(receiver_of(program, v6({.client_net = 9})) == 1);
  const auto noted = program.noted_client(only_place(program));
  CHECK(std::memcmp(noted.address, address6(9, kClient).data(), 16) == 0);
  CHECK(noted.port == htons(40000));
}

TEST_CASE("IPv4 and IPv6 virtual servers of one port do not know each other") {
  Program program;
  program.put_service({.ring = {1}, .hash = {1}});
  put_real_servers(program);
  CHECK(program.judge(v6({}).frame()).reason == "XLB_PASS_NOT_OURS");
  program.put_service({.id = 8, .ring = {5}, .hash = {5}, .version = 6});
  program.put_real_server(5, {.service_id = 8});
  CHECK(receiver_of(program, v6({})) == 5);
  CHECK(receiver_of(program, {}) == 1);
}

TEST_CASE("IPv6 persistence holds a client, and by its prefix a network") {
  Program program;
  put_real_servers(program);
  const auto put = [&](uint8_t prefix) {
    program.put_service({.persistence_timeout_s = kTimeout,
                         .ring = {1, 2},
                         .hash = {3},
                         .version = 6,
                         .persistence_prefix = prefix});
  };
  const auto from = [&](uint16_t net, uint32_t client, uint16_t port) {
    return receiver_of(program, v6({.client = client, .client_net = net, .client_port = port}));
  };
  SUBCASE("every address for itself") {
    put(128);
    CHECK(from(1, kClient, 1000) == 1);
    CHECK(from(1, kClient, 1001) == 1);
    CHECK(from(1, kClient + 1, 1000) == 2);
    CHECK(from(2, kClient, 1000) == 1);  // its turn
    CHECK(from(2, kClient, 1001) == 1);
  }
  SUBCASE("a network of 64 bits") {
    put(64);
    CHECK(from(1, kClient, 1000) == 1);
    CHECK(from(1, kClient + 1, 1000) == 1);
    CHECK(from(1, 1, 1000) == 1);
    CHECK(from(2, kClient, 1000) == 2);
  }
  SUBCASE("a network that ends within the second word") {
    put(104);  // addresses differ from bit 96 on
    CHECK(from(1, 0x01000001, 1000) == 1);
    CHECK(from(1, 0x01ffffff, 1000) == 1);
    CHECK(from(1, 0x02000001, 1000) == 2);
  }
  SUBCASE("a network that ends within the first word") {
    put(47);
    CHECK(from(2, kClient, 1000) == 1);
    CHECK(from(3, kClient + 7, 1000) == 1);
    CHECK(from(4, kClient, 1000) == 2);
  }
  CHECK(program.cursor(kServiceId) == (program.flows().size() == 5 ? 3 : 2));
}

TEST_CASE("IPv4 persistence by networks") {
  Program program;
  put_real_servers(program);
  program.put_service({.persistence_timeout_s = kTimeout,
                       .ring = {1, 2},
                       .hash = {1, 2, 3, 4},
                       .persistence_prefix = 24});
  CHECK(receiver_of(program, {.client = ipv4(192, 0, 2, 1)}) == 1);
  CHECK(receiver_of(program, {.client = ipv4(192, 0, 2, 255)}) == 1);
  CHECK(receiver_of(program, {.client = ipv4(192, 0, 3, 1)}) == 2);
  CHECK(receiver_of(program, {.client = ipv4(192, 0, 2, 9)}) == 1);
  CHECK(program.client_of(ipv4(192, 0, 2, 0)));
  // What opens nothing and whose client is not known goes alike for a network, by the hash.
  std::set<uint32_t> chosen;
  for (uint8_t last = 1; last < 50; last++)
    chosen.insert(receiver_of(program, {.client = ipv4(10, 1, 1, last), .flags = kAck}));
  CHECK(chosen.size() == 1);
}

TEST_CASE("A virtual server of any port takes what no other does, each port a connection") {
  for (const uint8_t version : {uint8_t{4}, uint8_t{6}}) {
    CAPTURE(int{version});
    Program program;
    const auto over = [&](Packet packet) {
      return receiver_of(program, version == 6 ? v6(packet) : packet);
    };
    program.put_service({.ring = {1, 2}, .hash = {4}, .version = version});
    put_real_servers(program);
    CHECK(over({.port = 81}) == 0);
    program.put_service({.id = 8, .port = 0, .ring = {5, 6, 7}, .hash = {8}, .version = version});
    for (uint32_t index = 5; index <= 8; index++)
      program.put_real_server(index, {.service_id = 8});
    CHECK(over({}) == 1);
    CHECK(over({.port = 81}) == 5);
    CHECK(over({.port = 82}) == 6);  // the same client and port of its
    CHECK(over({.port = 81, .flags = kAck}) == 5);
    CHECK(over({.port = 82, .flags = kAck}) == 6);
    CHECK(over({.port = 83, .flags = kAck}) == 8);  // not remembered: by hash
    CHECK(over({.protocol = kUdp, .port = 81}) == 0);
    CHECK(program.load(5) == Load{1, 0});
    CHECK(program.load(6) == Load{1, 0});
  }
}

TEST_CASE("Any port: the client stands beside its flow as the low word") {
  Program program;
  program.put_service({.port = 0, .ring = {1}, .hash = {1}});
  put_real_servers(program);
  CHECK(receiver_of(program, {.port = 4711}) == 1);
  const auto noted = program.noted_client(only_place(program));
  CHECK(noted.address[0] == 0);
  CHECK(noted.address[1] == 0);
  CHECK(noted.address[2] == htonl(kClient));
  CHECK(noted.address[3] == 0);
  CHECK(noted.port == htons(40000));
}

TEST_CASE("Any port and persistence: a client's connections to all ports go together") {
  Program program;
  program.put_service({.port = 0, .persistence_timeout_s = kTimeout, .ring = {1, 2}, .hash = {3}});
  put_real_servers(program);
  for (uint16_t port = 100; port < 120; port++) {
    CHECK(receiver_of(program, {.port = port}) == 1);
    CHECK(receiver_of(program, {.client = kClient + 1, .port = port}) == 2);
  }
}

}  // namespace
}  // namespace xlb::test
