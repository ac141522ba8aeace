#include "io/flow_table.h"

#include <doctest/doctest.h>
#include <xlb/hash.h>

#include <vector>

namespace xlb {
namespace {

constexpr uint32_t kNow = 100'000;
constexpr uint16_t kPlain = 1;       // service ids
constexpr uint16_t kPersistent = 2;  // 50 s
constexpr uint32_t kFirst = 5;       // real servers of kPlain
constexpr uint32_t kSecond = 6;      // and of kPersistent
constexpr uint32_t kThird = 7;

// The tables, and a program that puts entries where the real one would.
struct Tables {
  std::vector<xlb_flow_bucket> flows = std::vector<xlb_flow_bucket>(8);
  std::vector<xlb_client_bucket> clients = std::vector<xlb_client_bucket>(8);
  FlowTable table{flows, clients, 42};
  SweepRules rules{{0, 0, 0, 0, 0, kPlain, kPersistent, kPersistent}, {0, 0, 50}};

  xlb_flow& add_flow(uint32_t client, uint16_t service, uint32_t real_server, uint32_t state,
                     uint32_t second) {
    auto& flow = flows[client % 8].flows[client / 8 % XLB_FLOWS_PER_BUCKET];
    flow = {XLB_FLOW_KEY(client, 1234, service), XLB_FLOW_VALUE(real_server, second, state)};
    return flow;
  }
  xlb_client& add_client(uint32_t client, uint32_t real_server, uint32_t second) {
    const uint64_t key = XLB_FLOW_KEY(client, 0, kPersistent);
    for (auto& entry : clients[xlb_bucket_hash(key, 42) & 7].clients) {
      if (entry.key != 0) continue;
      entry = {key, XLB_FLOW_VALUE(real_server, second, 1), 0, 0};
      return entry;
    }
    FAIL("bucket is full");
    return clients[0].clients[0];
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
  for (const uint32_t state : {XLB_FLOW_SYN_RECV, XLB_FLOW_ESTABLISHED, XLB_FLOW_UDP}) {
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
  const auto visit = [&](uint64_t key, uint64_t) { keys.push_back(key); };
  uint64_t cursor = tables.table.visit_flows(0, 4, kNow, visit);
  CHECK(keys.size() == 4);
  int rounds = 0;
  while (cursor != 0 && ++rounds < 10)
    cursor = tables.table.visit_flows(cursor, 4, kNow, visit);
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
  CHECK(tables.table.visit_clients(0, 100, kNow, tables.rules,
                                   [&](const xlb_client&) { ++visited; }) == 0);
  CHECK(visited == 2);
}

}  // namespace xlb
