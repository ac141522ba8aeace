#include "io/flow_table.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <xlb/hash.h>

#include <algorithm>
#include <bit>
#include <vector>

#include "io/abi_encode.h"

namespace xlb {
namespace {

constexpr uint32_t kNow = 100'000;
constexpr uint64_t kSeed = 42;
constexpr uint16_t kPlain = 1;       // service ids
constexpr uint16_t kPersistent = 2;  // 50 s, as all that follow
constexpr uint16_t kNetworks = 3;    // by /24
constexpr uint16_t kAnyPort = 4;
constexpr uint16_t kSix = 5;          // IPv6
constexpr uint16_t kSixNetworks = 6;  // IPv6, by /56
constexpr uint32_t kFirst = 5;        // real servers of kPlain
constexpr uint32_t kSecond = 6;       // and of kPersistent
constexpr uint32_t kThird = 7;
constexpr uint32_t kOfService = 10;  // + id: of the services after kPersistent

SweepRules rules() {
  SweepRules result;
  result.service_of_real_server = {0, 0, 0, 0, 0,         kPlain,   kPersistent, kPersistent, 0,
                                   0, 0, 0, 0, kNetworks, kAnyPort, kSix,        kSixNetworks};
  const auto persistent = [](uint8_t prefix, bool ipv6, bool any_port) {
    return ServiceRules{50, prefix, ipv6, any_port};
  };
  result.services = {{},
                     {},
                     persistent(128, false, false),
                     persistent(24, false, false),
                     persistent(32, false, true),
                     persistent(128, true, false),
                     persistent(56, true, false)};
  result.flow_timeout_s = {0,
                           XLB_SYN_RECV_TIMEOUT_S,
                           XLB_ESTABLISHED_TIMEOUT_S,
                           XLB_FIN_WAIT_TIMEOUT_S,
                           XLB_CLOSE_TIMEOUT_S,
                           XLB_UDP_TIMEOUT_S,
                           XLB_UDP_TIMEOUT_S};
  return result;
}

struct Client6 {
  uint64_t high = 0;  // as loaded
  uint64_t low = 0;
};

Client6 loaded(const char* address) {
  const auto bytes = IpAddress::parse(address)->bytes();
  return std::bit_cast<Client6>(bytes);
}

// The tables, and a program that puts entries where the real one would.
struct Tables {
  std::vector<xlb_flow_bucket> flows = std::vector<xlb_flow_bucket>(8);
  std::vector<xlb_client_bucket> clients = std::vector<xlb_client_bucket>(8);
  std::vector<xlb_client_address> flow_addresses =
      std::vector<xlb_client_address>(8UL * XLB_FLOWS_PER_BUCKET);
  std::vector<xlb_client_address> client_addresses =
      std::vector<xlb_client_address>(8UL * XLB_PERSISTENCE_PER_BUCKET);
  std::vector<xlb_load> loads = std::vector<xlb_load>(20);
  FlowTable table{{flows, clients, flow_addresses, client_addresses, loads}, kSeed};
  SweepRules rules = xlb::rules();

  xlb_flow& fill(size_t place, uint64_t key, uint32_t real_server, uint32_t state,
                 uint32_t second) {
    auto& flow = flows[place / XLB_FLOWS_PER_BUCKET].flows[place % XLB_FLOWS_PER_BUCKET];
    flow = {key, XLB_FLOW_VALUE(real_server, second, state)};
    if (real_server < loads.size()) {
      ++(state == XLB_FLOW_ESTABLISHED ? loads[real_server].active : loads[real_server].inactive);
    }
    return flow;
  }
  xlb_flow& add_flow(uint32_t client, uint16_t service, uint32_t real_server, uint32_t state,
                     uint32_t second) {
    const size_t place = client % 8 * XLB_FLOWS_PER_BUCKET + client / 8 % XLB_FLOWS_PER_BUCKET;
    return fill(place, XLB_FLOW_KEY(client, 1234, service), real_server, state, second);
  }
  // A flow whose key is a hash, and who stands beside it.
  xlb_flow& add_hashed(size_t place, Client6 client, uint16_t service, uint32_t second) {
    const auto words = std::bit_cast<std::array<uint32_t, 4>>(client);
    std::copy(words.begin(), words.end(), flow_addresses[place].address);
    flow_addresses[place].port = htons(1234);
    const uint64_t key =
        xlb_flow_key_hashed(client.high, client.low, htons(1234), htons(80), service, kSeed);
    return fill(place, key, kOfService + service, XLB_FLOW_ESTABLISHED, second);
  }
  xlb_client& add_client_key(uint64_t key, uint32_t real_server, uint32_t second) {
    for (auto& entry : clients[xlb_bucket_hash(key, kSeed) & 7].clients) {
      if (entry.key != 0) continue;
      entry = {key, XLB_FLOW_VALUE(real_server, second, 1), 0, 0};
      return entry;
    }
    FAIL("bucket is full");
    return clients[0].clients[0];
  }
  xlb_client& add_client(uint32_t client, uint32_t real_server, uint32_t second) {
    return add_client_key(XLB_FLOW_KEY(client, 0, kPersistent), real_server, second);
  }
  // Of a service other than kPersistent.
  xlb_client& add_client4(const char* address, uint16_t service, uint32_t second) {
    const uint64_t key = XLB_FLOW_KEY(IpAddress::parse(address)->v4_network_order(), 0, service);
    return add_client_key(key, kOfService + service, second);
  }
  xlb_client& add_client6(const char* address, uint16_t service, uint32_t second) {
    const auto [high, low] = loaded(address);
    return add_client_key(xlb_flow_key_hashed(high, low, 0, 0, service, kSeed),
                          kOfService + service, second);
  }
  void pass(uint32_t now_s = kNow) {
    while (!table.sweep(now_s, rules, 3)) {
    }
  }
};

}  // namespace

TEST_CASE("every state has its own timeout, and an expired flow is forgotten") {
  Tables tables;
  const auto expires = [&](uint32_t state, uint32_t after_s) {
    auto& flow = tables.add_flow(1, kPlain, kFirst, state, kNow);
    tables.pass(kNow + after_s);
    CHECK(flow.key != 0);
    tables.pass(kNow + after_s + 1);
    CHECK(flow.key == 0);
    CHECK(flow.value == 0);
  };
  expires(XLB_FLOW_SYN_RECV, 60);
  expires(XLB_FLOW_ESTABLISHED, 900);
  expires(XLB_FLOW_FIN_WAIT, 120);
  expires(XLB_FLOW_CLOSE, 10);
  expires(XLB_FLOW_UDP, 300);
  expires(XLB_FLOW_UDP_ONE, 300);
}

TEST_CASE("timeouts are the rules', at once") {
  Tables tables;
  auto& flow = tables.add_flow(1, kPlain, kFirst, XLB_FLOW_ESTABLISHED, kNow);
  tables.rules.flow_timeout_s[XLB_FLOW_ESTABLISHED] = 2000;
  tables.pass(kNow + 2000);
  CHECK(flow.key != 0);
  tables.rules.flow_timeout_s[XLB_FLOW_ESTABLISHED] = 10;
  tables.pass(kNow + 11);
  CHECK(flow.key == 0);
}

TEST_CASE("what the sweep removes counts no longer, what it leaves does") {
  Tables tables;
  tables.add_flow(1, kPlain, kFirst, XLB_FLOW_ESTABLISHED, kNow);
  tables.add_flow(2, kPlain, kFirst, XLB_FLOW_ESTABLISHED, kNow - 901);
  tables.add_flow(3, kPlain, kFirst, XLB_FLOW_CLOSE, kNow);
  tables.add_flow(4, kPlain, kFirst, XLB_FLOW_CLOSE, kNow - 11);
  tables.add_flow(5, kPlain, 4, XLB_FLOW_UDP, kNow);               // a real server that is gone
  tables.add_flow(6, kPlain, 4'000'000, XLB_FLOW_UDP, kNow - 60);  // none at all
  CHECK(tables.loads[kFirst].active == 2);
  tables.pass();
  CHECK(tables.loads[kFirst].active == 1);
  CHECK(tables.loads[kFirst].inactive == 1);
  CHECK(tables.loads[4].inactive == 0);
  tables.pass(kNow + 2000);
  CHECK(tables.loads[kFirst].active == 0);
  CHECK(tables.loads[kFirst].inactive == 0);
}

TEST_CASE("a flow whose last packet is newer than the sweep's clock stays") {
  Tables tables;
  auto& flow = tables.add_flow(1, kPlain, kFirst, XLB_FLOW_CLOSE, kNow + 2);
  tables.pass(kNow);
  CHECK(flow.key != 0);
}

TEST_CASE("ages survive the wrap of the 24 bit clock") {
  Tables tables;
  auto& flow = tables.add_flow(1, kPlain, kFirst, XLB_FLOW_CLOSE, 0xffffff);
  tables.pass(5);
  CHECK(flow.key != 0);
  tables.pass(20);
  CHECK(flow.key == 0);
}

TEST_CASE("established connections are active, all others inactive, as IPVS counts") {
  Tables tables;
  tables.add_flow(1, kPlain, kFirst, XLB_FLOW_ESTABLISHED, kNow);
  tables.add_flow(2, kPlain, kFirst, XLB_FLOW_ESTABLISHED, kNow);
  tables.add_flow(3, kPlain, kFirst, XLB_FLOW_SYN_RECV, kNow);
  tables.add_flow(4, kPlain, kFirst, XLB_FLOW_FIN_WAIT, kNow);
  tables.add_flow(5, kPlain, kFirst, XLB_FLOW_UDP, kNow);
  tables.add_client(6, kSecond, kNow);
  tables.pass();
  const auto& counts = tables.table.counts();
  CHECK(counts.flows == 5);
  REQUIRE(counts.real_servers.size() > kSecond);
  CHECK(counts.real_servers[kFirst].active == 2);
  CHECK(counts.real_servers[kFirst].inactive == 3);
  CHECK(counts.real_servers[kSecond].clients == 1);
}

TEST_CASE("counts change only when a pass is complete") {
  Tables tables;
  tables.add_flow(1, kPlain, kFirst, XLB_FLOW_ESTABLISHED, kNow);
  CHECK_FALSE(tables.table.sweep(kNow, tables.rules, 12));
  CHECK(tables.table.counts().flows == 0);
  CHECK(tables.table.sweep(kNow, tables.rules, 12));
  CHECK(tables.table.counts().flows == 1);
}

TEST_CASE("entries of real servers and services that are gone are removed") {
  Tables tables;
  auto& gone_server = tables.add_flow(1, kPlain, 3, XLB_FLOW_ESTABLISHED, kNow);
  auto& beyond = tables.add_flow(2, kPlain, 4000, XLB_FLOW_ESTABLISHED, kNow);
  auto& other_service = tables.add_flow(3, kPersistent, kFirst, XLB_FLOW_ESTABLISHED, kNow);
  auto& client = tables.add_client(4, kSecond, kNow);
  auto& kept = tables.add_client(5, kThird, kNow);
  tables.rules.service_of_real_server[kSecond] = 0;
  tables.pass();
  CHECK(gone_server.key == 0);
  CHECK(beyond.key == 0);
  CHECK(other_service.key == 0);
  CHECK(client.key == 0);
  CHECK(kept.key != 0);
}

TEST_CASE("a persistent client is remembered for the timeout after its last new connection") {
  Tables tables;
  auto& client = tables.add_client(1, kSecond, kNow);
  tables.pass(kNow + 50);
  CHECK(client.key != 0);
  tables.pass(kNow + 51);
  CHECK(client.key == 0);
}

TEST_CASE("a client with live connections is kept beyond its timeout") {
  for (const uint32_t state :
       {XLB_FLOW_SYN_RECV, XLB_FLOW_ESTABLISHED, XLB_FLOW_UDP, XLB_FLOW_UDP_ONE}) {
    Tables tables;
    auto& client = tables.add_client(1, kSecond, kNow);
    tables.add_flow(1, kPersistent, kSecond, state, kNow + 59);
    tables.pass(kNow + 60);
    CHECK(client.key != 0);
    CHECK(client.live == kNow + 60);
  }
}

TEST_CASE("closing connections and those to a former real server do not keep a client") {
  Tables tables;
  auto& closing = tables.add_client(1, kSecond, kNow);
  tables.add_flow(1, kPersistent, kSecond, XLB_FLOW_FIN_WAIT, kNow + 59);
  auto& moved = tables.add_client(2, kThird, kNow);
  tables.add_flow(2, kPersistent, kSecond, XLB_FLOW_ESTABLISHED, kNow + 59);
  tables.pass(kNow + 60);
  CHECK(closing.key == 0);
  CHECK(moved.key == 0);
}

TEST_CASE("a live connection keeps the network that persistence remembers, and no other") {
  Tables tables;
  auto& client = tables.add_client4("192.0.2.0", kNetworks, kNow);
  auto& other = tables.add_client4("192.0.3.0", kNetworks, kNow);
  const uint32_t address = IpAddress::parse("192.0.2.77")->v4_network_order();
  tables.fill(0, XLB_FLOW_KEY(address, 1234, kNetworks), kOfService + kNetworks,
              XLB_FLOW_ESTABLISHED, kNow + 59);
  tables.pass(kNow + 60);
  CHECK(client.key != 0);
  CHECK(client.live == kNow + 60);
  CHECK(other.key == 0);
}

TEST_CASE("where flows have hashes for keys, the client noted beside them is kept") {
  Tables tables;
  SUBCASE("any port") {
    auto& client = tables.add_client4("192.0.2.77", kAnyPort, kNow);
    auto& other = tables.add_client4("192.0.2.78", kAnyPort, kNow);
    tables.add_hashed(5, {0, IpAddress::parse("192.0.2.77")->v4_network_order()}, kAnyPort,
                      kNow + 59);
    tables.pass(kNow + 60);
    CHECK(client.live == kNow + 60);
    CHECK(other.key == 0);
  }
  SUBCASE("IPv6") {
    auto& client = tables.add_client6("2001:db8:1:2::77", kSix, kNow);
    auto& other = tables.add_client6("2001:db8:1:2::78", kSix, kNow);
    tables.add_hashed(9, loaded("2001:db8:1:2::77"), kSix, kNow + 59);
    tables.pass(kNow + 60);
    CHECK(client.live == kNow + 60);
    CHECK(other.key == 0);
  }
  SUBCASE("IPv6 by networks") {
    auto& client = tables.add_client6("2001:db8:1:200::", kSixNetworks, kNow);
    auto& other = tables.add_client6("2001:db8:1:300::", kSixNetworks, kNow);
    tables.add_hashed(31, loaded("2001:db8:1:2ff::77"), kSixNetworks, kNow + 59);
    tables.pass(kNow + 60);
    CHECK(client.live == kNow + 60);
    CHECK(other.key == 0);
  }
}

TEST_CASE("a key without a value is left alone unless it stays so") {
  Tables tables;
  auto& flow = tables.add_flow(1, kPlain, kFirst, XLB_FLOW_ESTABLISHED, kNow);
  flow.value = 0;
  tables.pass(kNow);
  tables.pass(kNow);
  CHECK(flow.key != 0);
  tables.pass(kNow + 3);
  CHECK(flow.key == 0);
}

TEST_CASE("visiting goes on where it stopped, skips what has expired, and ends with 0") {
  Tables tables;
  for (uint32_t client = 1; client <= 10; ++client) {
    tables.add_flow(client, kPlain, kFirst, XLB_FLOW_CLOSE, client == 4 ? kNow - 60 : kNow);
  }
  std::vector<uint64_t> keys;
  const auto visit = [&](const xlb_flow& flow, const xlb_client_address&) {
    keys.push_back(flow.key);
  };
  uint64_t cursor = tables.table.visit_flows(0, 4, kNow, tables.rules, visit);
  CHECK(keys.size() == 4);
  int rounds = 0;
  while (cursor != 0 && ++rounds < 10)
    cursor = tables.table.visit_flows(cursor, 4, kNow, tables.rules, visit);
  CHECK(cursor == 0);
  CHECK(keys.size() == 9);
}

TEST_CASE("only remembered clients are visited") {
  Tables tables;
  tables.add_client(1, kSecond, kNow);
  tables.add_client(2, kSecond, kNow - 51);
  auto& live = tables.add_client(3, kThird, kNow - 51);
  live.live = kNow - 1;
  size_t visited = 0;
  const auto visit = [&](const xlb_client&, const xlb_client_address&) { ++visited; };
  CHECK(tables.table.visit_clients(0, 100, kNow, tables.rules, visit) == 0);
  CHECK(visited == 2);
}

TEST_CASE("a flow is visited with the client that stands beside it") {
  Tables tables;
  tables.add_hashed(9, loaded("2001:db8::1"), kSix, kNow);
  tables.add_hashed(17, loaded("2001:db8::2"), kSix, kNow);
  std::vector<Endpoint> seen;
  tables.table.visit_flows(0, 100, kNow, tables.rules,
                           [&](const xlb_flow&, const xlb_client_address& noted) {
                             seen.push_back(client_of(noted, AddressFamily::ipv6));
                           });
  REQUIRE(seen.size() == 2);
  CHECK(seen[0] == Endpoint{*IpAddress::parse("2001:db8::1"), 1234});
  CHECK(seen[1] == Endpoint{*IpAddress::parse("2001:db8::2"), 1234});
}

}  // namespace xlb
