#include "io/abi_encode.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>

#include <set>

namespace xlb {
namespace {

ForwardedRealServer routed() {
  ForwardedRealServer server;
  server.endpoint = {IpAddress::v4(10, 10, 0, 2), 80};
  server.forwardable = Forwardable::yes;
  server.next_hop = NextHop{{{2, 0, 0, 0, 0, 2}}, {{2, 0, 0, 0, 0, 1}}, 7};
  return server;
}

}  // namespace

TEST_CASE("a service key survives encoding and is in network order") {
  const ServiceKey key{IpAddress::v4(10, 10, 0, 3), 80, Protocol::udp};
  const auto encoded = encode(key);
  CHECK(encoded.address == htonl(0x0a0a0003));
  CHECK(encoded.port == htons(80));
  CHECK(encoded.protocol == IPPROTO_UDP);
  CHECK(encoded.zero == 0);
  CHECK(decode(encoded) == key);
}

TEST_CASE("a real server carries its frame rewrite and its identity") {
  const auto encoded = encode(routed(), 9);
  REQUIRE(encoded.ok());
  CHECK(encoded->destination_mac[5] == 2);
  CHECK(encoded->source_mac[5] == 1);
  CHECK(encoded->ifindex == 7);
  CHECK(encoded->flags == (XLB_RS_FORWARD | XLB_RS_ACCEPT));
  CHECK(encoded->service_id == 9);
  CHECK(endpoint_of(*encoded) == routed().endpoint);
}

TEST_CASE("what may be sent to a real server becomes its flags") {
  auto server = routed();
  server.forwardable = Forwardable::existing;
  CHECK(encode(server, 1)->flags == XLB_RS_FORWARD);
  server.forwardable = Forwardable::no;
  server.next_hop.reset();
  const auto down = encode(server, 1);
  REQUIRE(down.ok());
  CHECK(down->flags == 0);
  CHECK(endpoint_of(*down) == server.endpoint);
  server.local = true;
  server.forwardable = Forwardable::yes;
  const auto local = encode(server, 1);
  REQUIRE(local.ok());
  CHECK(local->flags == (XLB_RS_FORWARD | XLB_RS_ACCEPT | XLB_RS_LOCAL));
}

TEST_CASE("frames are never addressed to nobody or to everybody") {
  auto server = routed();
  server.next_hop->destination = {};
  REQUIRE_FALSE(encode(server, 1).ok());
  CHECK(encode(server, 1).error().text ==
        "cannot forward to 10.10.0.2:80: its MAC address 00:00:00:00:00:00 is not a unicast "
        "address");
  server = routed();
  server.next_hop->destination = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
  CHECK_FALSE(encode(server, 1).ok());
  server = routed();
  server.next_hop->source = {};
  CHECK_FALSE(encode(server, 1).ok());
  server = routed();
  server.next_hop->interface_index = 0;
  CHECK_FALSE(encode(server, 1).ok());
  server = routed();
  server.next_hop.reset();
  CHECK_FALSE(encode(server, 1).ok());
}

TEST_CASE("a client is read back from a flow's key") {
  const auto address = IpAddress::v4(192, 0, 2, 17);
  const uint64_t key = XLB_FLOW_KEY(address.v4_network_order(), htons(40000), 5);
  CHECK(client_of(key) == Endpoint{address, 40000});
  CHECK(service_of(key) == 5);
}

TEST_CASE("every verdict has a name of its own") {
  std::set<std::string_view> names;
  for (uint32_t verdict = 0; verdict < XLB_VERDICTS; ++verdict) {
    CHECK_FALSE(verdict_name(verdict).empty());
    names.insert(verdict_name(verdict));
  }
  CHECK(names.size() == XLB_VERDICTS);
  CHECK(verdict_name(XLB_DROP_TTL) == "drop_ttl");
  CHECK(verdict_name(XLB_PASS_OTHER_MAC) == "pass_other_mac");
}

TEST_CASE("a persistence timeout fits the clock's bits") {
  using std::chrono::seconds;
  CHECK(encode_persistence(std::nullopt) == 0);
  CHECK(encode_persistence(seconds(50)) == 50);
  CHECK(encode_persistence(seconds(1LL << 40)) == 0x7fffff);
}

}  // namespace xlb
