// XdpDataplane: IPv6, any port, networks, timeouts: what is remembered, kept alive, listed and
// found again by the next run. Needs root.
#include <doctest/doctest.h>

#include "dataplane_fixture.h"

namespace xlb {

using namespace dataplane_fixture;

namespace {

std::vector<Connection> connections(XdpDataplane& dataplane) {
  std::vector<Connection> result;
  const auto now = std::chrono::steady_clock::now();
  CHECK(dataplane.visit_connections(
            0, 100, now, [&](const auto& connection) { result.push_back(connection); }) == 0);
  return result;
}

std::vector<PersistentClient> clients(XdpDataplane& dataplane) {
  std::vector<PersistentClient> result;
  const auto now = std::chrono::steady_clock::now();
  CHECK(dataplane.visit_persistence(0, 100, now,
                                    [&](const auto& client) { result.push_back(client); }) == 0);
  return result;
}

IpAddress address(const char* text) {
  return *IpAddress::parse(text);
}

ForwardedVirtualServer persistent(ForwardedVirtualServer service, uint8_t prefix = 128) {
  service.persistence_timeout = std::chrono::seconds(50);
  service.persistence_prefix = prefix;
  return service;
}

}  // namespace

ROOT_TEST_CASE("IPv6 and IPv4 virtual servers stand side by side") {
  const Scratch scratch;
  auto dataplane = scratch.dataplane();
  REQUIRE(apply(*dataplane, {service({routed(1)}), service6({routed(2), routed(4)})}));
  CHECK(syn(scratch, 1).real_server == 1);
  CHECK(syn6(scratch, 1).real_server == 2);
  CHECK(syn6(scratch, 2).real_server == 4);
  CHECK(ack6(scratch, 1).real_server == 2);
  const auto counters = dataplane->counters();
  REQUIRE(counters.services.size() == 2);
  CHECK(counters.services[1].key == service6({}).key);
  CHECK(counters.services[1].real_servers[0].traffic.packets == 2);
  CHECK(counters.services[1].real_servers[0].traffic.bytes == 120);
  CHECK(counters.services[1].real_servers[0].active_connections == 1);
  CHECK(counters.services[1].real_servers[1].inactive_connections == 1);
  REQUIRE(apply(*dataplane, {service({routed(1)})}));
  CHECK(ack6(scratch, 1).action == XDP_PASS);
  CHECK(ack(scratch, 1).real_server == 1);
}

ROOT_TEST_CASE("IPv6 connections and clients are listed with their addresses") {
  const Scratch scratch;
  auto dataplane = scratch.dataplane();
  REQUIRE(apply(*dataplane, {persistent(service6({routed(2)}), 64)}));
  syn6(scratch, 7, 5);
  sweep(*dataplane);
  const auto listed = connections(*dataplane);
  REQUIRE(listed.size() == 1);
  CHECK(listed[0].client == Endpoint{address("2001:db8:5::7"), 40000});
  CHECK(listed[0].virtual_server == Endpoint{kVirtual6, 80});
  CHECK(listed[0].real_server == routed(2).endpoint);
  const auto remembered = clients(*dataplane);
  REQUIRE(remembered.size() == 1);
  CHECK(remembered[0].client == address("2001:db8:5::"));
  CHECK(remembered[0].live);
}

ROOT_TEST_CASE("the next run finds IPv6 flows and clients, and who they are") {
  const Scratch scratch;
  const auto table = persistent(service6({routed(1), routed(2), routed(4)}), 64);
  {
    auto dataplane = scratch.dataplane();
    REQUIRE(apply(*dataplane, {table}));
    CHECK(syn6(scratch, 1, 1).real_server == 1);
    CHECK(syn6(scratch, 1, 2).real_server == 2);
    CHECK(ack6(scratch, 1, 2).real_server == 2);
  }
  CHECK(ack6(scratch, 1, 2).real_server == 2);  // nobody runs, the kernel goes on
  auto dataplane = scratch.dataplane();
  CHECK(dataplane->adoption() == "adopted 2 flows, 1 virtual servers and 0 attachments");
  CHECK(ack6(scratch, 1, 1).real_server == 1);
  REQUIRE(apply(*dataplane, {table}));
  CHECK(syn6(scratch, 99, 2).real_server == 2);  // of the same network
  CHECK(syn6(scratch, 1, 3).real_server == 4);
  CHECK(ack6(scratch, 1, 1).real_server == 1);
  sweep(*dataplane);
  const auto counters = dataplane->counters();
  CHECK(counters.flows == 4);
  CHECK(counters.services[0].real_servers[0].active_connections == 1);
  CHECK(counters.services[0].real_servers[1].active_connections == 1);
  CHECK(counters.services[0].real_servers[1].inactive_connections == 1);
  std::set<IpAddress> seen;
  for (const auto& client : clients(*dataplane)) {
    CHECK(client.live);
    seen.insert(client.client);
  }
  CHECK(seen ==
        std::set{address("2001:db8:1::"), address("2001:db8:2::"), address("2001:db8:3::")});
}

ROOT_TEST_CASE(
    "a virtual server of any port takes the ports that no other has, while it is there") {
  const Scratch scratch;
  auto any = persistent(service({routed(1), routed(2)}, 0));
  {
    auto dataplane = scratch.dataplane();
    REQUIRE(apply(*dataplane, {any, service({routed(5)}, 443)}));
    CHECK(syn(scratch, 1, 80).real_server == 1);
    CHECK(syn(scratch, 1, 81).real_server == 1);
    CHECK(syn(scratch, 2, 80).real_server == 2);
    CHECK(syn(scratch, 1, 443).real_server == 5);
    sweep(*dataplane);
    size_t of_any = 0;
    for (const auto& connection : connections(*dataplane)) {
      if (connection.virtual_server.port != 0) continue;
      ++of_any;
      CHECK(connection.client.port == 40000);
      CHECK((connection.client.address == IpAddress::v4(192, 0, 2, 1) ||
             connection.client.address == IpAddress::v4(192, 0, 2, 2)));
    }
    CHECK(of_any == 3);
    for (const auto& client : clients(*dataplane))
      CHECK(client.live);
  }
  auto dataplane = scratch.dataplane();
  CHECK(ack(scratch, 1, 81).real_server == 1);
  REQUIRE(apply(*dataplane, {any, service({routed(5)}, 443)}));
  CHECK(ack(scratch, 2, 80).real_server == 2);
  REQUIRE(apply(*dataplane, {service({routed(5)}, 443)}));
  CHECK(ack(scratch, 1, 81).action == XDP_PASS);
  CHECK(ack(scratch, 1, 443).real_server == 5);
}

ROOT_TEST_CASE("timeouts of the table are the kernel's, and change with it") {
  const Scratch scratch;
  auto dataplane = scratch.dataplane();
  ForwardingTable table;
  table.virtual_servers = {service({routed(1)})};
  const auto left = [&](std::chrono::seconds tcp) {
    table.timeouts.tcp = tcp;
    REQUIRE(dataplane->apply(table));
    const auto listed = connections(*dataplane);
    return listed.empty() ? std::chrono::seconds(-1) : listed[0].expires_in;
  };
  REQUIRE(dataplane->apply(table));
  syn(scratch, 1);
  ack(scratch, 1);
  CHECK(left(std::chrono::seconds(900)) > std::chrono::seconds(800));
  CHECK(left(std::chrono::seconds(3000)) > std::chrono::seconds(2900));
  CHECK(left(std::chrono::seconds(700)) <= std::chrono::seconds(700));
  // A packet in the same second still finds a flow that is forgotten from the next on.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  CHECK(ack(scratch, 1).real_server == 1);
  (void)left(std::chrono::seconds(1));
  while (!connections(*dataplane).empty() && std::chrono::steady_clock::now() < deadline)
    usleep(50'000);
  CHECK(connections(*dataplane).empty());
  sweep(*dataplane);
  CHECK(dataplane->counters().flows == 0);
  CHECK(dataplane->counters().services[0].real_servers[0].active_connections == 0);
}

}  // namespace xlb
