#include "io/abi_encode.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>

#include <set>
#include <vector>

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
  CHECK(encoded.address[0] == htonl(0x0a0a0003));
  CHECK(encoded.address[1] == 0);
  CHECK(encoded.family == XLB_IPV4);
  CHECK(encoded.port == htons(80));
  CHECK(encoded.protocol == IPPROTO_UDP);
  CHECK(decode(encoded) == key);
}

TEST_CASE("a service key of IPv6 survives encoding, the wildcard port too") {
  const ServiceKey key{*IpAddress::parse("2001:db8::3"), 0, Protocol::tcp};
  const auto encoded = encode(key);
  CHECK(encoded.address[0] == htonl(0x20010db8));
  CHECK(encoded.address[3] == htonl(3));
  CHECK(encoded.family == XLB_IPV6);
  CHECK(encoded.port == 0);
  CHECK(decode(encoded) == key);
}

TEST_CASE("an address is a key without protocol, unlike every virtual server's") {
  const auto address = address_key(IpAddress::v4(10, 10, 0, 3));
  CHECK(address.protocol == 0);
  CHECK(address.port == 0);
  CHECK(address.family == XLB_IPV4);
  CHECK(address.address[0] == htonl(0x0a0a0003));
}

TEST_CASE("what the hash looks at follows from scheduler and persistence") {
  struct Row {
    Scheduler scheduler;
    bool hash_port;
    bool persistent;
    int input;
  };
  constexpr int kAddress = XLB_HASH_SOURCE_ADDRESS;
  constexpr int kBoth = XLB_HASH_SOURCE_ADDRESS | XLB_HASH_SOURCE_PORT;
  for (const Row& row : std::vector<Row>{{Scheduler::rr, false, false, kBoth},
                                         {Scheduler::wlc, false, false, kBoth},
                                         {Scheduler::rr, false, true, kAddress},
                                         {Scheduler::sh, false, false, kAddress},
                                         {Scheduler::sh, true, false, kBoth},
                                         {Scheduler::mh, false, false, kAddress},
                                         {Scheduler::mh, true, false, kBoth},
                                         {Scheduler::dh, false, false, 0}}) {
    CAPTURE(name_of(row.scheduler));
    ForwardedVirtualServer service;
    service.scheduler = row.scheduler;
    service.hash_port = row.hash_port;
    if (row.persistent) service.persistence_timeout = std::chrono::seconds(50);
    CHECK(hash_input_of(service) == row.input);
  }
}

TEST_CASE("timeouts stand where the program looks for them") {
  uint32_t timeout_s[XLB_FLOW_STATES]{};
  encode_timeouts({std::chrono::seconds(11), std::chrono::seconds(12), std::chrono::seconds(13)},
                  timeout_s);
  CHECK(timeout_s[XLB_FLOW_SYN_RECV] == XLB_SYN_RECV_TIMEOUT_S);
  CHECK(timeout_s[XLB_FLOW_ESTABLISHED] == 11);
  CHECK(timeout_s[XLB_FLOW_FIN_WAIT] == 12);
  CHECK(timeout_s[XLB_FLOW_CLOSE] == XLB_CLOSE_TIMEOUT_S);
  CHECK(timeout_s[XLB_FLOW_UDP] == 13);
  CHECK(timeout_s[XLB_FLOW_UDP_ONE] == 13);
}

TEST_CASE("a tunnel's far end, start, port and MTU reach the program") {
  auto server = routed();
  server.weight = 3;
  server.tunnel = Tunnel{TunnelType::gue, 6080, IpAddress::v4(10, 10, 0, 1), 1450};
  const auto gue = encode(server, 1);
  REQUIRE(gue.ok());
  CHECK(gue->flags == (XLB_RS_FORWARD | XLB_RS_ACCEPT | XLB_RS_TUNNEL));
  CHECK(gue->encapsulation == XLB_GUE);
  CHECK(gue->tunnel_port == htons(6080));
  CHECK(gue->mtu == 1450);
  CHECK(gue->weight == 3);
  CHECK(gue->family == XLB_IPV4);
  CHECK(gue->address[0] == htonl(0x0a0a0002));
  CHECK(gue->tunnel_source[0] == htonl(0x0a0a0001));

  server.endpoint.address = *IpAddress::parse("2001:db8::2");
  server.tunnel = Tunnel{TunnelType::ipip, 0, *IpAddress::parse("2001:db8::1"), 0};
  const auto ipip = encode(server, 1);
  REQUIRE(ipip.ok());
  CHECK(ipip->encapsulation == XLB_IPIP);
  CHECK(ipip->family == XLB_IPV6);
  CHECK(ipip->address[3] == htonl(2));
  CHECK(ipip->tunnel_source[0] == htonl(0x20010db8));
  CHECK(ipip->tunnel_source[3] == htonl(1));
  CHECK(endpoint_of(*ipip) == server.endpoint);
}

TEST_CASE("a tunnel that starts nowhere or carries more than IP is refused") {
  auto server = routed();
  const auto refused = [&](const Tunnel& tunnel) {
    server.tunnel = tunnel;
    const auto encoded = encode(server, 1);
    REQUIRE_FALSE(encoded.ok());
    return encoded.error().text;
  };
  CHECK(refused({TunnelType::ipip, 0, *IpAddress::parse("2001:db8::1"), 0}) ==
        "cannot forward to 10.10.0.2:80: this host has no address for the tunnel to start from");
  CHECK(refused({TunnelType::ipip, 0, IpAddress(), 0}) ==
        "cannot forward to 10.10.0.2:80: this host has no address for the tunnel to start from");
  CHECK(refused({TunnelType::ipip, 0, IpAddress::v4(10, 10, 0, 1), 65536}) ==
        "cannot forward to 10.10.0.2:80: an MTU of 65536 on the way there carries no tunnel; give "
        "the "
        "leaving interface one between 128 and 65535");
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

TEST_CASE("a client that stands beside a hash is read back in its family") {
  xlb_client_address noted{};
  noted.port = htons(40000);
  noted.address[2] = htonl(0xc0000211);
  CHECK(client_of(noted, AddressFamily::ipv4) == Endpoint{IpAddress::v4(192, 0, 2, 17), 40000});
  noted.address[0] = htonl(0x20010db8);
  noted.address[2] = 0;
  noted.address[3] = htonl(9);
  CHECK(client_of(noted, AddressFamily::ipv6) == Endpoint{*IpAddress::parse("2001:db8::9"), 40000});
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
