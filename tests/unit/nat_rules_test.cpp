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

TEST_CASE(
    "VRRP 91, 92: a closed address takes its virtual servers' packets, discovery and errors") {
  NatState state;
  const IpAddress six = *IpAddress::parse("2001:db8::3");
  state.closed = {{kVip, {{kVip, 80, Protocol::tcp}, {kVip, 0, Protocol::udp}}}, {six, {}}};
  const NatRuleset four = render(state);
  CHECK(four.chains.size() == 1);  // nothing is translated, so no packet need be tracked
  CHECK(four.chains.at("input").hook ==
        "{ type filter hook input priority filter; policy accept; }");
  CHECK(rules(four, "input") ==
        "iifname \"lo\" accept\n"
        "icmp type { destination-unreachable, time-exceeded, parameter-problem } accept\n"
        "ip daddr . meta l4proto . th dport { 10.10.0.3 . tcp . 80 } accept\n"
        "ip daddr . meta l4proto { 10.10.0.3 . udp } accept\n"
        "ip daddr { 10.10.0.3 } counter drop\n");
  CHECK(rules(render(state, AddressFamily::ipv6), "input") ==
        "iifname \"lo\" accept\n"
        "icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem, "
        "nd-neighbor-solicit, nd-neighbor-advert } accept\n"
        "ip6 daddr { 2001:db8::3 } counter drop\n");
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
        "ether saddr { 02:00:00:00:00:02 } meta l4proto tcp dnat to 10.10.0.1:80\n"
        "goto balance/tcp/10.10.0.3/80\n");
  CHECK(rules(ruleset, "balance/tcp/10.10.0.3/80") ==
        "numgen inc mod 2 vmap { 0 : goto server/tcp/10.10.0.3/80/10.10.0.1/80, 1 : goto "
        "server/tcp/10.10.0.3/80/10.10.0.2/80 }\n");
  CHECK(rules(ruleset, "server/tcp/10.10.0.3/80/10.10.0.2/80") ==
        "counter name connections/tcp/10.10.0.3/80/10.10.0.2/80 meta l4proto tcp dnat to "
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
        "counter name connections/tcp/10.10.0.3/80/10.10.0.2/80 meta l4proto tcp dnat to "
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
        "counter name unserved/tcp/10.10.0.3/80\nmeta l4proto tcp dnat to 10.10.0.1:80\n");
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

TEST_CASE("nat rules: schedulers that count are balanced in turns, those that hash by the client") {
  const auto chosen_by = [](Scheduler scheduler, bool hash_port = false) {
    ForwardedVirtualServer service = pair();
    service.real_servers[0].weight = 2;
    service.scheduler = scheduler;
    service.hash_port = hash_port;
    const std::string text = rules(balanced(service), "balance/tcp/10.10.0.3/80");
    return text.substr(0, text.find(" vmap"));
  };
  for (const auto scheduler : {Scheduler::rr, Scheduler::lc})
    CHECK(chosen_by(scheduler) == "numgen inc mod 2");
  for (const auto scheduler : {Scheduler::wrr, Scheduler::wlc, Scheduler::sed, Scheduler::nq})
    CHECK(chosen_by(scheduler) == "numgen inc mod 3");
  for (const auto scheduler : {Scheduler::sh, Scheduler::mh, Scheduler::dh})
    CHECK(chosen_by(scheduler) == "jhash ip saddr mod 3 seed 0x786c62");
  CHECK(chosen_by(Scheduler::sh, true) == "jhash ip saddr . th sport mod 3 seed 0x786c62");
}

TEST_CASE("nat rules: clients of one network are remembered together") {
  ForwardedVirtualServer service = pair();
  service.persistence_timeout = std::chrono::seconds(60);
  service.persistence_prefix = 20;
  const NatRuleset ruleset = balanced(service);
  CHECK(rules(ruleset, "balance/tcp/10.10.0.3/80")
            .starts_with("ip saddr & 255.255.240.0 @clients/tcp/10.10.0.3/80/10.10.0.1/80 goto "));
  CHECK(rules(ruleset, "server/tcp/10.10.0.3/80/10.10.0.1/80")
            .starts_with("update @clients/tcp/10.10.0.3/80/10.10.0.1/80 { ip saddr & 255.255.240.0 "
                         "timeout 60s }\n"));
}

TEST_CASE("nat rules: IPv6 has a table of its own") {
  const ServiceKey six = {*IpAddress::parse("2001:db8::3"), 80, Protocol::tcp};
  const Endpoint own = {*IpAddress::parse("2001:db8::1"), 80};
  const NatState local = with_local({{{kVip, 80, Protocol::tcp}, {kOwn, 80}}, {six, own}});
  const NatRuleset delivery = render(local, AddressFamily::ipv6);
  CHECK(delivery.family == "ip6");
  CHECK(delivery.chains.size() == 3);
  CHECK(rules(delivery, "prerouting") ==
        "ip6 daddr 2001:db8::3 tcp dport 80 counter dnat to [2001:db8::1]:80 comment \"TCP "
        "[2001:db8::3]:80\"\n");
  CHECK(rules(delivery, "forward") ==
        "ip6 daddr . meta l4proto . th dport { 2001:db8::3 . tcp . 80 } counter drop\n");
  CHECK(transaction({}, delivery).starts_with("add table ip6 xlb\nadd chain ip6 xlb forward "));
  CHECK(render(with_local({{{kVip, 80, Protocol::tcp}, {kOwn, 80}}}), AddressFamily::ipv6)
            .chains.empty());
}

TEST_CASE("nat rules: IPv6 is balanced as IPv4 is; nft's names have no colons") {
  ForwardedVirtualServer service = pair();
  service.key.address = *IpAddress::parse("2001:db8::3");
  service.peers.clear();
  service.persistence_timeout = std::chrono::seconds(60);
  service.persistence_prefix = 64;
  for (auto& server : service.real_servers)
    server.endpoint.address = *IpAddress::parse(server.local ? "2001:db8::1" : "2001:db8::2");
  NatState state;
  state.balanced = ForwardingTable{{service, pair()}};
  const NatRuleset ruleset = render(state, AddressFamily::ipv6);
  CHECK(rules(ruleset, "prerouting") ==
        "ip6 daddr . meta l4proto . th dport vmap { 2001:db8::3 . tcp . 80 : goto "
        "arriving/tcp/2001_db8__3/80 }\n");
  CHECK(rules(ruleset, "server/tcp/2001_db8__3/80/2001_db8__2/80") ==
        "update @clients/tcp/2001_db8__3/80/2001_db8__2/80 { ip6 saddr & ffff:ffff:ffff:ffff:: "
        "timeout 60s }\n"
        "counter name connections/tcp/2001_db8__3/80/2001_db8__2/80 meta l4proto tcp dnat to "
        "[2001:db8::2]:80\n");
  CHECK(rules(ruleset, "postrouting") ==
        "ct status dnat ct original ip6 daddr . meta l4proto . ip6 daddr . th dport { 2001:db8::3 "
        ". tcp . 2001:db8::2 . 80 } masquerade\n");
  CHECK(rules(ruleset, "balance/tcp/10.10.0.3/80") == "no chain balance/tcp/10.10.0.3/80");
}

TEST_CASE(
    "nat rules: what lvs_method NAT leads to answers with the client's own address in sight") {
  ForwardedVirtualServer service = pair();
  service.translated = true;
  service.peers.clear();
  service.real_servers[0].translated = true;
  service.real_servers[1].translated = true;
  service.real_servers[1].endpoint.port = 8080;
  NatState state;
  state.balanced = ForwardingTable{{service}};
  state.vips_on_loopback = true;
  const NatRuleset ruleset = render(state);
  CHECK(rules(ruleset, "postrouting").empty());
  // Also where the virtual addresses of others are on the loopback interface.
  CHECK(rules(ruleset, "server/tcp/10.10.0.3/80/10.10.0.1/80")
            .ends_with("meta l4proto tcp dnat to 10.10.0.1:80\n"));
  CHECK(rules(ruleset, "server/tcp/10.10.0.3/80/10.10.0.2/8080")
            .ends_with("meta l4proto tcp dnat to 10.10.0.2:8080\n"));
  service.real_servers[1].translated = false;
  state.balanced = ForwardingTable{{service}};
  CHECK(rules(render(state), "postrouting").find(". 10.10.0.2 . 8080 } masquerade") !=
        std::string::npos);
  CHECK(limits_of_nat(*state.balanced, false).size() == 1);
}

TEST_CASE("nat rules: a mark tells what is balanced before any address does") {
  ForwardedVirtualServer service = pair();
  service.key = {IpAddress(), 0, Protocol::tcp, 7};
  service.translated = true;
  service.peers.clear();
  service.real_servers[0].endpoint.port = 0;
  service.real_servers[1].endpoint.port = 8080;
  service.real_servers[1].translated = true;
  NatState state;
  state.balanced = ForwardingTable{{pair(), service}};
  const NatRuleset ruleset = render(state);
  CHECK(rules(ruleset, "prerouting")
            .starts_with("meta l4proto { tcp, udp } meta mark vmap { 7 : goto arriving/fwm/7 }\n"
                         "ip daddr . meta l4proto . th dport vmap {"));
  CHECK(rules(ruleset, "server/fwm/7/10.10.0.1/0")
            .ends_with("meta l4proto { tcp, udp } dnat to 10.10.0.1\n"));
  CHECK(rules(ruleset, "server/fwm/7/10.10.0.2/8080")
            .ends_with("meta l4proto { tcp, udp } dnat to 10.10.0.2:8080\n"));
  CHECK(rules(ruleset, "received")
            .find("ct direction original ct status dnat meta mark . ip daddr . th dport vmap { 7 . "
                  "10.10.0.2 . 8080 : goto count/fwm/7/10.10.0.2/8080 }\n"
                  "ct direction original ct status dnat meta mark . ip daddr vmap { 7 . 10.10.0.1 "
                  ": goto count/fwm/7/10.10.0.1/0 }\n") != std::string::npos);
  CHECK(rules(ruleset, "forward").find("0.0.0.0") == std::string::npos);
}

TEST_CASE(
    "nat rules: any port is balanced after the ports that have virtual servers of their own") {
  ForwardedVirtualServer service = pair();
  service.key.port = 0;
  service.peers.clear();
  for (auto& server : service.real_servers)
    server.endpoint.port = 0;
  NatState state;
  state.balanced = ForwardingTable{{service, pair()}};
  const NatRuleset ruleset = render(state);
  CHECK(rules(ruleset, "output") ==
        "ip daddr . meta l4proto . th dport vmap { 10.10.0.3 . tcp . 80 : goto "
        "balance/tcp/10.10.0.3/80 }\n"
        "ip daddr . meta l4proto vmap { 10.10.0.3 . tcp : goto balance/tcp/10.10.0.3/0 }\n");
  CHECK(rules(ruleset, "server/tcp/10.10.0.3/0/10.10.0.2/0")
            .ends_with("meta l4proto tcp dnat to 10.10.0.2\n"));
  CHECK(rules(ruleset, "postrouting")
            .ends_with("ct status dnat ct original ip daddr . meta l4proto . ip daddr { 10.10.0.3 "
                       ". tcp . 10.10.0.2 } masquerade\n"));
}

TEST_CASE("nat rules: any port is delivered after those that have rules of their own") {
  const NatRuleset ruleset = render(
      with_local({{{kVip, 0, Protocol::tcp}, {kOwn, 0}}, {{kVip, 80, Protocol::tcp}, {kOwn, 80}}}));
  CHECK(rules(ruleset, "prerouting") ==
        "ip daddr 10.10.0.3 tcp dport 80 counter dnat to 10.10.0.1:80 comment \"TCP "
        "10.10.0.3:80\"\n"
        "ip daddr 10.10.0.3 meta l4proto tcp counter dnat to 10.10.0.1 comment \"TCP "
        "10.10.0.3:0\"\n");
}

TEST_CASE("nat rules: what a balanced table does otherwise than configured is said once a kind") {
  ForwardingTable table;
  for (uint16_t port = 80; port <= 82; ++port) {
    ForwardedVirtualServer service = pair();
    service.key.port = port;
    service.scheduler = port == 82 ? Scheduler::rr : Scheduler::wlc;
    table.virtual_servers.push_back(service);
  }
  CHECK(limits_of_nat(table, true) ==
        std::vector<std::string>{
            "by translation scheduler wlc (2 virtual servers) is balanced as wrr"});
  table.virtual_servers.resize(1);
  table.virtual_servers[0].scheduler = Scheduler::rr;
  table.virtual_servers[0].real_servers[1].endpoint.address = *IpAddress::parse("2001:db8::2");
  CHECK(limits_of_nat(table, true) ==
        std::vector<std::string>{"TCP 10.10.0.3:80: real server [2001:db8::2]:80 gets nothing: no "
                                 "translation leads from one IP version to the other"});
  CHECK(limits_of_nat(table, false).empty());
}

}  // namespace
}  // namespace xlb
