// What a virtual server does with its real servers: judge() and desired_forwarding().
#include "core/virtual_server.h"

#include <doctest/doctest.h>

using namespace xlb;

namespace {

const MacAddress kServerMac{{2, 0, 0, 0, 0, 2}};
const MacAddress kDirectorMac{{2, 0, 0, 0, 0, 9}};
const NextHop kNextHop{kServerMac, MacAddress{{2, 0, 0, 0, 0, 1}}, 7};

RealServerConfig real_server(uint8_t host, int weight) {
  RealServerConfig config;
  config.endpoint = {IpAddress::v4(10, 10, 0, host), 80};
  config.weight = weight;
  return config;
}

RealServerFacts remote() {
  RealServerFacts facts;
  facts.next_hop = kNextHop;
  facts.last_known_mac = kServerMac;
  return facts;
}

RealServerFacts local() {
  RealServerFacts facts;
  facts.local = true;
  return facts;
}

VirtualServerConfig pair_of_servers() {
  VirtualServerConfig config;
  config.key = {IpAddress::v4(10, 10, 0, 3), 80, Protocol::tcp};
  config.real_servers = {real_server(1, 100), real_server(2, 100)};
  return config;
}

}  // namespace

TEST_CASE("a healthy resolved real server takes new connections") {
  RealServerFacts facts = remote();
  facts.health_text = "HTTP 200, digest matches";
  const auto verdict = judge(real_server(2, 1), facts);
  CHECK(verdict.availability == Availability::up);
  CHECK(verdict.forwardable == Forwardable::yes);
  CHECK(verdict.reason == "HTTP 200, digest matches");
}

TEST_CASE("weight 0 keeps existing flows only") {
  const auto verdict = judge(real_server(2, 0), remote());
  CHECK(verdict.availability == Availability::draining);
  CHECK(verdict.forwardable == Forwardable::existing);
}

TEST_CASE("the weight that checks make is in force, and 0 drains") {
  RealServerFacts facts = remote();
  facts.weight = 7;
  CHECK(judge(real_server(2, 100), facts).weight == 7);
  facts.weight = 0;
  const auto verdict = judge(real_server(2, 100), facts);
  CHECK(verdict.availability == Availability::draining);
  CHECK(verdict.reason == "weight 0 by its checks: no new connections");
  VirtualServerConfig config = pair_of_servers();
  RealServerFacts heavy = remote();
  heavy.weight = 250;
  const std::vector<RealServerFacts> both{heavy, remote()};
  const auto table = desired_forwarding(config, both, {});
  CHECK(table.real_servers.at(0).weight == 250);
  CHECK(table.real_servers.at(1).weight == 100);
}

TEST_CASE("a failed check takes the real server out and says why") {
  RealServerFacts facts = remote();
  facts.healthy = false;
  facts.health_text = "connect: Connection refused";
  const auto verdict = judge(real_server(2, 0), facts);
  CHECK(verdict.availability == Availability::down);
  CHECK(verdict.reason == "connect: Connection refused");
}

TEST_CASE("a real server without a MAC gets no traffic until resolved, unless it is this host") {
  RealServerFacts unresolved;
  unresolved.next_hop_text = "10.10.0.2 does not answer ARP on eth0";
  CHECK(judge(real_server(2, 1), unresolved).forwardable == Forwardable::no);
  CHECK(judge(real_server(2, 1), unresolved).reason == unresolved.next_hop_text);
  CHECK(judge(real_server(1, 1), local()).forwardable == Forwardable::yes);
}

TEST_CASE("a lost host outweighs a check that has not noticed yet") {
  RealServerFacts facts = remote();
  facts.health_text = "HTTP 200";
  facts.lost = "its director fell silent and does not answer ARP";
  CHECK(judge(real_server(2, 1), facts).forwardable == Forwardable::no);
  CHECK(judge(real_server(2, 1), facts).reason == facts.lost);
}

TEST_CASE(
    "on a host that serves itself the other real servers are peers: their frames were balanced "
    "already") {
  const std::vector<RealServerFacts> facts = {local(), remote()};
  const std::vector<MacAddress> directors = {kDirectorMac, kServerMac};
  const auto service = desired_forwarding(pair_of_servers(), facts, directors);
  CHECK(service.peers == std::vector<MacAddress>{kServerMac, kDirectorMac});
  CHECK(service.real_servers[0].local);
  CHECK_FALSE(service.real_servers[0].next_hop.has_value());
  CHECK(service.real_servers[1].next_hop == kNextHop);
}

TEST_CASE("a director that serves nothing balances frames of its real servers") {
  const std::vector<RealServerFacts> facts = {remote(), remote()};
  const auto service = desired_forwarding(pair_of_servers(), facts, {});
  CHECK(service.peers.empty());
}

TEST_CASE("a real server that does not answer stays a peer: it may come back as a director") {
  std::vector<RealServerFacts> facts = {local(), remote()};
  facts[1].next_hop.reset();
  const auto service = desired_forwarding(pair_of_servers(), facts, {});
  CHECK(service.peers == std::vector<MacAddress>{kServerMac});
  CHECK_FALSE(service.real_servers[1].next_hop.has_value());
}

TEST_CASE("an inhibited real server keeps its connections while its host can be reached") {
  RealServerConfig config = real_server(2, 100);
  config.inhibit_on_failure = true;
  RealServerFacts facts = remote();
  facts.healthy = false;
  facts.health_text = "HTTP 500";
  const auto verdict = judge(config, facts);
  CHECK(verdict.availability == Availability::down);
  CHECK(verdict.forwardable == Forwardable::existing);
  CHECK(verdict.weight == 0);
  CHECK(verdict.reason == "HTTP 500 (inhibited: keeps its connections)");
  facts.lost = "its host is gone";
  CHECK(judge(config, facts).forwardable == Forwardable::no);
  facts.lost.clear();
  facts.next_hop.reset();
  CHECK(judge(config, facts).forwardable == Forwardable::no);
}

TEST_CASE("a real server lives by its checks and its reachability; being resolved is no death") {
  RealServerFacts facts = remote();
  CHECK(life_of(facts) == Life::live);
  facts.next_hop.reset();
  CHECK(life_of(facts) == Life::dead);
  facts.resolving = true;
  CHECK(life_of(facts) == Life::live);
  facts.healthy = false;
  CHECK(life_of(facts) == Life::dead);
  facts.undecided = true;
  CHECK(life_of(facts) == Life::undecided);
  facts.lost = "its host is gone";
  CHECK(life_of(facts) == Life::dead);
}

TEST_CASE("the sorry server takes new connections in place of real servers that finish theirs") {
  VirtualServerConfig config = pair_of_servers();
  config.sorry_server = Endpoint{IpAddress::v4(10, 10, 0, 9), 80};
  const std::vector<RealServerFacts> facts = {remote(), remote()};
  SorryServer sorry{remote(), false};
  auto service = desired_forwarding(config, facts, {}, sorry);
  REQUIRE(service.real_servers.size() == 3);
  CHECK(service.real_servers[0].forwardable == Forwardable::yes);
  CHECK(service.real_servers[2].forwardable == Forwardable::existing);

  sorry.in_use = true;
  service = desired_forwarding(config, facts, {}, sorry);
  CHECK(service.real_servers[0].forwardable == Forwardable::existing);
  CHECK(service.real_servers[1].forwardable == Forwardable::existing);
  CHECK(service.real_servers[2].forwardable == Forwardable::yes);
  CHECK(service.real_servers[2].endpoint == *config.sorry_server);
  CHECK(service.real_servers[2].next_hop == kNextHop);
}

TEST_CASE("a sorry server that cannot be reached is in the table but gets nothing") {
  VirtualServerConfig config = pair_of_servers();
  config.sorry_server = Endpoint{IpAddress::v4(10, 10, 0, 9), 80};
  const std::vector<RealServerFacts> facts = {remote(), remote()};
  const auto service = desired_forwarding(config, facts, {}, {RealServerFacts{}, true});
  CHECK(service.real_servers[2].forwardable == Forwardable::no);
  CHECK_FALSE(service.real_servers[2].next_hop.has_value());
}

TEST_CASE("a real server that is the sorry server too serves then whatever its checks say") {
  VirtualServerConfig config = pair_of_servers();
  config.sorry_server = config.real_servers[1].endpoint;
  std::vector<RealServerFacts> facts = {remote(), remote()};
  facts[0].healthy = facts[1].healthy = false;
  const auto service = desired_forwarding(config, facts, {}, {remote(), true});
  REQUIRE(service.real_servers.size() == 2);
  CHECK(service.real_servers[0].forwardable == Forwardable::no);
  CHECK(service.real_servers[1].forwardable == Forwardable::yes);
}

TEST_CASE("what the configuration says of scheduling reaches the table") {
  VirtualServerConfig config = pair_of_servers();
  config.scheduler = Scheduler::mh;
  config.hash_port = true;
  config.one_packet = true;
  config.persistence_prefix = 24;
  const RealServerFacts facts[] = {remote(), remote()};
  const auto service = desired_forwarding(config, facts, {});
  CHECK(service.scheduler == Scheduler::mh);
  CHECK(service.hash_port);
  CHECK(service.one_packet);
  CHECK(service.persistence_prefix == 24);
}

TEST_CASE("a real server behind a tunnel has the way there; on this host it is local") {
  VirtualServerConfig config = pair_of_servers();
  config.real_servers[0].tunnel = TunnelConfig{TunnelType::gue, 5555};
  config.real_servers[1].tunnel = TunnelConfig{};
  RealServerFacts behind = remote();
  behind.source = IpAddress::v4(10, 10, 0, 1);
  behind.mtu_bytes = 1400;
  const RealServerFacts facts[] = {behind, local()};
  const auto service = desired_forwarding(config, facts, {});
  CHECK(service.real_servers[0].tunnel ==
        Tunnel{TunnelType::gue, 5555, IpAddress::v4(10, 10, 0, 1), 1400});
  CHECK(service.real_servers[0].next_hop == kNextHop);
  CHECK_FALSE(service.real_servers[1].tunnel.has_value());
  CHECK(service.real_servers[1].local);
}

TEST_CASE("what is translated needs a route and no MAC, and knows no peers") {
  VirtualServerConfig config = pair_of_servers();
  config.real_servers[0].translated = config.real_servers[1].translated = true;
  config.real_servers[1].endpoint.port = 8080;
  RealServerFacts routed;
  routed.routed = true;
  const RealServerFacts facts[] = {local(), routed};
  const MacAddress directors[] = {kDirectorMac};
  const auto row = desired_forwarding(config, facts, directors);
  CHECK(row.translated);
  CHECK(row.peers.empty());
  CHECK(row.real_servers[1].translated);
  CHECK(row.real_servers[1].endpoint.port == 8080);
  CHECK(row.real_servers[1].forwardable == Forwardable::yes);
  CHECK_FALSE(row.real_servers[1].next_hop);
  CHECK(life_of(routed) == Life::live);
}

TEST_CASE("one real server by NAT, or a mark, has all of them translated") {
  VirtualServerConfig config = pair_of_servers();
  CHECK_FALSE(needs_translation(config));
  config.real_servers[1].translated = true;
  CHECK(needs_translation(config));
  config = pair_of_servers();
  config.more_keys = {{IpAddress(), 0, Protocol::tcp, 7}};
  CHECK(needs_translation(config));
  config = pair_of_servers();
  config.sorry_server = Endpoint{IpAddress::v4(10, 10, 0, 9), 81};
  config.sorry_translated = true;
  CHECK(needs_translation(config));
}

TEST_CASE("a real server at its upper threshold keeps what it has") {
  RealServerFacts facts = remote();
  facts.overloaded = true;
  RealServerConfig config = real_server(2, 1);
  config.upper_threshold = 10;
  const auto verdict = judge(config, facts);
  CHECK(verdict.forwardable == Forwardable::existing);
  CHECK(verdict.reason == "uthreshold 10: no new connections");
}
