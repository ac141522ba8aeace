// XdpDataplane: what packets meet after apply(), and what is counted. Needs root.
#include <doctest/doctest.h>

#include "dataplane_fixture.h"

namespace xlb {

using namespace dataplane_fixture;

ROOT_TEST_CASE("an applied virtual server balances, and what it did is counted") {
  const Scratch scratch;
  auto dataplane = scratch.dataplane();
  CHECK(dataplane->adoption().empty());
  REQUIRE(apply(*dataplane, {service({local(1), routed(2)})}));
  CHECK(syn(scratch, 1).action == XDP_PASS);
  const auto second = syn(scratch, 2);
  CHECK(second.action == XDP_TX);
  CHECK(second.real_server == 2);
  CHECK(ack(scratch, 2).real_server == 2);
  sweep(*dataplane);

  const auto counters = dataplane->counters();
  REQUIRE(counters.services.size() == 1);
  CHECK(counters.flows == 2);
  REQUIRE(counters.services[0].real_servers.size() == 2);
  const auto& first_server = counters.services[0].real_servers[0];
  CHECK(first_server.endpoint == local(1).endpoint);
  CHECK(first_server.traffic.packets == 1);
  CHECK(first_server.traffic.connections == 1);
  CHECK(first_server.inactive_connections == 1);
  const auto& other = counters.services[0].real_servers[1];
  CHECK(other.traffic.packets == 2);
  CHECK(other.traffic.bytes == 80);
  CHECK(other.traffic.connections == 1);
  CHECK(other.active_connections == 1);
  uint64_t transmitted = 0;
  for (const auto& drop : counters.drops) {
    if (drop.reason == "tx") transmitted = drop.packets;
  }
  CHECK(transmitted == 2);
}

ROOT_TEST_CASE("connections and persistent clients can be listed") {
  const Scratch scratch;
  auto dataplane = scratch.dataplane();
  auto persistent = service({routed(2)});
  persistent.persistence_timeout = std::chrono::seconds(50);
  REQUIRE(apply(*dataplane, {persistent}));
  syn(scratch, 7);
  sweep(*dataplane);
  const auto now = std::chrono::steady_clock::now();
  std::vector<Connection> connections;
  CHECK(dataplane->visit_connections(0, 10, now, [&](const Connection& connection) {
    connections.push_back(connection);
  }) == 0);
  REQUIRE(connections.size() == 1);
  CHECK(connections[0].protocol == Protocol::tcp);
  CHECK(connections[0].state == "SYN_RECV");
  CHECK(connections[0].client == Endpoint{IpAddress::v4(192, 0, 2, 7), 40000});
  CHECK(connections[0].virtual_server == Endpoint{kVirtual, 80});
  CHECK(connections[0].real_server == routed(2).endpoint);
  CHECK(connections[0].expires_in > std::chrono::seconds(50));
  std::vector<PersistentClient> clients;
  dataplane->visit_persistence(0, 10, now, [&](const auto& client) { clients.push_back(client); });
  REQUIRE(clients.size() == 1);
  CHECK(clients[0].client == IpAddress::v4(192, 0, 2, 7));
  CHECK(clients[0].real_server == routed(2).endpoint);
  CHECK(clients[0].live);
  CHECK(dataplane->counters().services[0].real_servers[0].persistent_clients == 1);
}

ROOT_TEST_CASE("wrr gives 3 of 4 connections to the server of weight 3") {
  const Scratch scratch;
  auto dataplane = scratch.dataplane();
  auto weighted = service({routed(1, 3), routed(2, 1)});
  weighted.scheduler = Scheduler::wrr;
  REQUIRE(apply(*dataplane, {weighted}));
  std::array<int, 3> taken{};
  for (uint8_t client = 1; client <= 200; ++client) {
    ++taken.at(static_cast<size_t>(syn(scratch, client).real_server));
  }
  CHECK(taken[1] == 150);
  CHECK(taken[2] == 50);
}

ROOT_TEST_CASE("changes reach the packets: weights, servers, MAC addresses, removal") {
  const Scratch scratch;
  auto dataplane = scratch.dataplane();
  REQUIRE(apply(*dataplane, {service({routed(1), routed(2)})}));
  CHECK(syn(scratch, 1).real_server == 1);
  CHECK(syn(scratch, 2).real_server == 2);

  REQUIRE(apply(*dataplane, {service({routed(1), routed(2, 0)})}));  // weight 0 drains
  CHECK(ack(scratch, 2).real_server == 2);
  CHECK(syn(scratch, 3).real_server == 1);
  CHECK(syn(scratch, 4).real_server == 1);

  auto down = routed(1);
  down.forwardable = Forwardable::no;
  REQUIRE(apply(*dataplane, {service({down, routed(5)})}));
  CHECK(ack(scratch, 1).real_server == 5);
  CHECK(ack(scratch, 2).real_server == 5);

  auto moved = routed(5);
  moved.next_hop->destination = {{2, 0, 0, 0, 0, 9}};
  REQUIRE(apply(*dataplane, {service({down, moved})}));
  CHECK(syn(scratch, 6).real_server == 9);

  REQUIRE(apply(*dataplane, {service({down})}));
  CHECK(syn(scratch, 7).action == XDP_PASS);
  CHECK(dataplane->counters().services[0].unserved.packets == 1);

  REQUIRE(apply(*dataplane, {}));
  CHECK(dataplane->counters().services.empty());
  REQUIRE(apply(*dataplane, {service({routed(1)})}));
  CHECK(syn(scratch, 8).real_server == 1);
  CHECK(dataplane->counters().services[0].unserved.packets == 0);
}

ROOT_TEST_CASE("a frame from a peer director is never balanced again") {
  const Scratch scratch;
  auto dataplane = scratch.dataplane();
  auto guarded = service({local(1), routed(2)});
  guarded.peers = {kRouter};
  REQUIRE(apply(*dataplane, {guarded}));
  for (uint8_t client = 1; client <= 4; ++client)
    CHECK(syn(scratch, client).action == XDP_PASS);
  REQUIRE(apply(*dataplane, {service({local(1), routed(2)})}));
  CHECK(syn(scratch, 5).action == XDP_PASS);
  CHECK(syn(scratch, 6).action == XDP_TX);
}

ROOT_TEST_CASE("a server that cannot be reached spoils neither the table nor the message") {
  const Scratch scratch;
  auto dataplane = scratch.dataplane();
  auto broken = routed(2);
  broken.next_hop->destination = {};
  const auto applied = apply(*dataplane, {service({broken}), service({routed(3)}, 443)});
  REQUIRE_FALSE(applied.ok());
  CHECK(applied.error().text ==
        "cannot apply virtual server TCP 10.10.0.3:80: cannot forward to 10.10.0.2:80: its MAC "
        "address 00:00:00:00:00:00 is not a unicast address");
  CHECK(syn(scratch, 1, 443).real_server == 3);
  REQUIRE(apply(*dataplane, {service({routed(2)}), service({routed(3)}, 443)}));
  CHECK(syn(scratch, 1).real_server == 2);
}

ROOT_TEST_CASE("one virtual server too many is refused, the others work") {
  const Scratch scratch;
  auto dataplane = scratch.dataplane();
  ForwardingTable table;
  for (uint16_t port = 1; port <= XLB_MAX_VIRTUAL_SERVERS; ++port) {
    table.virtual_servers.push_back(service({}, port));  // no slots
  }
  table.virtual_servers[8190].real_servers = {routed(1)};
  const auto applied = dataplane->apply(table);
  REQUIRE_FALSE(applied.ok());
  CHECK(applied.error().text ==
        "cannot apply virtual server TCP 10.10.0.3:8192: more than 8191 virtual servers");
  CHECK(syn(scratch, 1, 8191).real_server == 1);
}

ROOT_TEST_CASE("real servers may come and go for ever") {
  const Scratch scratch;
  constexpr uint16_t kRealServers = 64;
  auto dataplane = scratch.dataplane(kSmallTable, kRealServers);
  for (uint16_t round = 1; round <= 4 * kRealServers; ++round) {
    auto server = routed(1);
    server.endpoint.port = round;
    const auto applied = apply(*dataplane, {service({server})});
    if (!applied) FAIL(applied.error().text);
  }
  CHECK(syn(scratch, 1).real_server == 1);
  CHECK(dataplane->counters().services[0].real_servers[0].traffic.packets == 1);
}

}  // namespace xlb
