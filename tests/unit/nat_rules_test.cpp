#include "core/nat_rules.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

namespace xlb {
namespace {

const IpAddress kVip = IpAddress::v4(10, 10, 0, 3);
const IpAddress kOwn = IpAddress::v4(10, 10, 0, 1);
const IpAddress kOther = IpAddress::v4(10, 10, 0, 2);
const MacAddress kPeer = *MacAddress::parse("02:00:00:00:00:02");

NatState with_local(std::vector<LocalService> services) {
  NatState state;
  state.local = std::move(services);
  return state;
}

std::string rules(const NatRuleset& ruleset, const std::string& chain) {
  const auto found = ruleset.chains.find(chain);
  return found == ruleset.chains.end() ? "no chain " + chain : found->second.rules;
}

// The pair of the tutorial, seen from the host of the first real server.
ForwardedVirtualServer pair() {
  ForwardedVirtualServer service;
  service.key = {kVip, 80, Protocol::tcp};
  ForwardedRealServer own;
  own.endpoint = {kOwn, 80};
  own.local = true;
  own.forwardable = Forwardable::yes;
  ForwardedRealServer other;
  other.endpoint = {kOther, 80};
  other.forwardable = Forwardable::yes;
  service.real_servers = {own, other};
  service.peers = {kPeer};
  return service;
}

NatRuleset balanced(const ForwardedVirtualServer& service) {
  NatState state = with_local({{service.key, {kOwn, 80}}});
  state.balanced = ForwardingTable{{service}};
  return render(state);
}

TEST_CASE(
    "nat rules: a loopback address is no target from outside: the packet stays on this host") {
  const NatRuleset ruleset =
      render(with_local({{{kVip, 80, Protocol::tcp}, {IpAddress::v4(127, 0, 0, 1), 80}}}));
  CHECK(rules(ruleset, "prerouting") ==
        "ip daddr 10.10.0.3 tcp dport 80 counter redirect to :80 comment \"TCP 10.10.0.3:80\"\n");
}

TEST_CASE("nat rules: a peer's frames go to the local server that takes connections") {
  ForwardedVirtualServer service = pair();
  service.real_servers[0].forwardable = Forwardable::no;
  service.real_servers[1].endpoint = {IpAddress::v4(10, 10, 0, 7), 80};
  service.real_servers[1].local = true;
  CHECK(rules(balanced(service), "arriving/tcp/10.10.0.3/80").find("dnat to 10.10.0.7:80") !=
        std::string::npos);
}

TEST_CASE("nat rules: a local service is translated on arrival and for the host's own processes") {
  const NatRuleset ruleset = render(with_local(
      {{{kVip, 80, Protocol::tcp}, {kOwn, 80}}, {{kVip, 53, Protocol::udp}, {kOwn, 53}}}));
  const std::string delivered =
      "ip daddr 10.10.0.3 udp dport 53 counter dnat to 10.10.0.1:53 comment \"UDP "
      "10.10.0.3:53\"\n"
      "ip daddr 10.10.0.3 tcp dport 80 counter dnat to 10.10.0.1:80 comment \"TCP "
      "10.10.0.3:80\"\n";
  CHECK(rules(ruleset, "prerouting") == delivered);
  CHECK(rules(ruleset, "output") == delivered);
  CHECK(rules(ruleset, "forward") ==
        "ip daddr . meta l4proto . th dport { 10.10.0.3 . udp . 53, 10.10.0.3 . tcp . 80 } "
        "counter drop\n");
  CHECK(ruleset.chains.size() == 3);
}

TEST_CASE("nat rules: nothing to do needs no table") {
  CHECK(render({}) == NatRuleset{});
  NatState loopback = with_local({{{kVip, 80, Protocol::tcp}, {kOwn, 80}}});
  loopback.vips_on_loopback = true;
  CHECK(render(loopback) == NatRuleset{});
}

TEST_CASE("nat rules: the order of the services does not change the rules") {
  std::vector<LocalService> services = {
      {{kVip, 80, Protocol::tcp}, {kOwn, 80}},
      {{kVip, 443, Protocol::tcp}, {kOwn, 443}},
  };
  const NatRuleset before = render(with_local(services));
  std::swap(services[0], services[1]);
  CHECK(render(with_local(services)) == before);
}

TEST_CASE("nat rules: one delivery per virtual server, none onto itself, none for IPv6") {
  const LocalService first = {{kVip, 80, Protocol::tcp}, {kOwn, 80}};
  CHECK(render(with_local({first,
                           {{kVip, 80, Protocol::tcp}, {IpAddress::v4(10, 10, 0, 9), 80}},
                           {{kVip, 81, Protocol::tcp}, {kVip, 81}},
                           {{*IpAddress::parse("2001:db8::3"), 80, Protocol::tcp},
                            {*IpAddress::parse("::1"), 80}}})) == render(with_local({first})));
}

TEST_CASE("nat rules: a balanced service goes round its real servers, its peers' frames do not") {
  const NatRuleset ruleset = balanced(pair());
  CHECK(rules(ruleset, "prerouting") ==
        "ip daddr . meta l4proto . th dport vmap { 10.10.0.3 . tcp . 80 : goto "
        "arriving/tcp/10.10.0.3/80 }\n");
  CHECK(rules(ruleset, "output") ==
        "ip daddr . meta l4proto . th dport vmap { 10.10.0.3 . tcp . 80 : goto "
        "balance/tcp/10.10.0.3/80 }\n");
  CHECK(rules(ruleset, "arriving/tcp/10.10.0.3/80") ==
        "ether saddr { 02:00:00:00:00:02 } ip protocol tcp dnat to 10.10.0.1:80\n"
        "goto balance/tcp/10.10.0.3/80\n");
  CHECK(rules(ruleset, "balance/tcp/10.10.0.3/80") ==
        "numgen inc mod 2 vmap { 0 : goto server/tcp/10.10.0.3/80/10.10.0.1/80, 1 : goto "
        "server/tcp/10.10.0.3/80/10.10.0.2/80 }\n");
  CHECK(rules(ruleset, "server/tcp/10.10.0.3/80/10.10.0.2/80") ==
        "counter name connections/tcp/10.10.0.3/80/10.10.0.2/80 ip protocol tcp dnat to "
        "10.10.0.2:80\n");
  // Replies of another host return through this one; those of the own real server need not.
  CHECK(rules(ruleset, "postrouting") ==
        "ct status dnat ct original ip daddr . meta l4proto . ip daddr . th dport { 10.10.0.3 . "
        "tcp . 10.10.0.2 . 80 } masquerade\n");
}

TEST_CASE("nat rules: a director without a real server drops what a peer balanced already") {
  ForwardedVirtualServer service = pair();
  service.real_servers[0].local = false;
  CHECK(rules(balanced(service), "arriving/tcp/10.10.0.3/80") ==
        "ether saddr { 02:00:00:00:00:02 } counter drop\ngoto balance/tcp/10.10.0.3/80\n");
}

TEST_CASE("nat rules: weights interleave with wrr and only open or close with rr") {
  ForwardedVirtualServer service = pair();
  service.real_servers[0].weight = 3;
  CHECK(rules(balanced(service), "balance/tcp/10.10.0.3/80").starts_with("numgen inc mod 2 "));
  service.scheduler = Scheduler::wrr;
  CHECK(rules(balanced(service), "balance/tcp/10.10.0.3/80") ==
        "numgen inc mod 4 vmap { 0 : goto server/tcp/10.10.0.3/80/10.10.0.1/80, 1 : goto "
        "server/tcp/10.10.0.3/80/10.10.0.1/80, 2 : goto server/tcp/10.10.0.3/80/10.10.0.1/80, 3 : "
        "goto server/tcp/10.10.0.3/80/10.10.0.2/80 }\n");
}

TEST_CASE("nat rules: a real server that takes nobody new gets no slot and no returning client") {
  ForwardedVirtualServer service = pair();
  service.persistence_timeout = std::chrono::seconds(50);
  for (const Forwardable forwardable : {Forwardable::existing, Forwardable::no}) {
    service.real_servers[1].forwardable = forwardable;
    const NatRuleset ruleset = balanced(service);
    CHECK(rules(ruleset, "balance/tcp/10.10.0.3/80") ==
          "ip saddr @clients/tcp/10.10.0.3/80/10.10.0.1/80 goto "
          "server/tcp/10.10.0.3/80/10.10.0.1/80\n"
          "goto server/tcp/10.10.0.3/80/10.10.0.1/80\n");
    CHECK(ruleset.client_sets.at(client_set(service.key, {kOwn, 80})));
    CHECK_FALSE(ruleset.client_sets.at(client_set(service.key, {kOther, 80})));
  }
}

TEST_CASE("nat rules: a persistent client is remembered by its first and every later packet") {
  ForwardedVirtualServer service = pair();
  service.persistence_timeout = std::chrono::seconds(50);
  const NatRuleset ruleset = balanced(service);
  CHECK(rules(ruleset, "server/tcp/10.10.0.3/80/10.10.0.2/80") ==
        "update @clients/tcp/10.10.0.3/80/10.10.0.2/80 { ip saddr timeout 50s }\n"
        "counter name connections/tcp/10.10.0.3/80/10.10.0.2/80 ip protocol tcp dnat to "
        "10.10.0.2:80\n");
  CHECK(rules(ruleset, "count/tcp/10.10.0.3/80/10.10.0.2/80") ==
        "counter name packets/tcp/10.10.0.3/80/10.10.0.2/80\n"
        "ip saddr @clients/tcp/10.10.0.3/80/10.10.0.2/80 update "
        "@clients/tcp/10.10.0.3/80/10.10.0.2/80 { ip saddr timeout 50s }\n");
}

TEST_CASE("nat rules: with nobody usable a packet goes to the own real server, else onwards") {
  ForwardedVirtualServer service = pair();
  for (auto& real_server : service.real_servers)
    real_server.forwardable = Forwardable::no;
  CHECK(rules(balanced(service), "balance/tcp/10.10.0.3/80") ==
        "counter name unserved/tcp/10.10.0.3/80\nip protocol tcp dnat to 10.10.0.1:80\n");
  service.real_servers.erase(service.real_servers.begin());
  CHECK(rules(balanced(service), "balance/tcp/10.10.0.3/80") ==
        "counter name unserved/tcp/10.10.0.3/80\n");
}

TEST_CASE("nat rules: with the VIP on the loopback interface nothing is translated to this host") {
  NatState state;
  state.balanced = ForwardingTable{{pair()}};
  state.vips_on_loopback = true;
  const NatRuleset ruleset = render(state);
  CHECK(rules(ruleset, "arriving/tcp/10.10.0.3/80") ==
        "ether saddr { 02:00:00:00:00:02 } accept\ngoto balance/tcp/10.10.0.3/80\n");
  CHECK(rules(ruleset, "server/tcp/10.10.0.3/80/10.10.0.1/80") ==
        "counter name connections/tcp/10.10.0.3/80/10.10.0.1/80 accept\n");
  CHECK(rules(ruleset, "received")
            .find("10.10.0.3 . tcp . 10.10.0.3 . 80 : goto "
                  "count/tcp/10.10.0.3/80/10.10.0.1/80") != std::string::npos);
}

}  // namespace
}  // namespace xlb
