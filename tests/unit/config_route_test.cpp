// Routes and rules as keepalived.conf writes them: what they mean, and that their canonical line
// means the same.
#include <doctest/doctest.h>

#include "config_source.h"
#include "core/route.h"

using namespace xlb;
using namespace xlb::test;

namespace {

ParseOutcome outcome_of(const std::string& block, const std::string& line) {
  MemoryReader reader;
  reader.files["/etc/iproute2/rt_tables"] = "# comment\n200\tdsl\n0x12c  fibre # another\n";
  reader.files["x.conf"] = block + " {\n " + line + "\n}\n";
  return parse_config("x.conf", reader, ParseOptions{true});
}

RouteConfig route_of(const std::string& line) {
  const auto outcome = outcome_of("static_routes", line);
  INFO(line, "\n", report(outcome));
  REQUIRE(outcome.config);
  REQUIRE(outcome.config->network.routes.size() == 1);
  const RouteConfig& route = outcome.config->network.routes.front();
  INFO(to_string(route));
  CHECK(parse_route(to_string(route)) == route);
  return route;
}

RuleConfig rule_of(const std::string& line) {
  const auto outcome = outcome_of("static_rules", line);
  INFO(line, "\n", report(outcome));
  REQUIRE(outcome.config);
  REQUIRE(outcome.config->network.rules.size() == 1);
  const RuleConfig& rule = outcome.config->network.rules.front();
  INFO(to_string(rule));
  CHECK(parse_rule(to_string(rule)) == rule);
  return rule;
}

std::string complaint(const std::string& block, const std::string& line) {
  return report(outcome_of(block, line));
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("routes: the samples of keepalived's documentation") {
  const RouteConfig plain =
      route_of("src 192.168.100.1 to 192.168.109.0/24 via 192.168.200.254 dev eth1");
  CHECK(plain.destination.to_string() == "192.168.109.0/24");
  CHECK(plain.source == IpAddress::parse("192.168.100.1"));
  CHECK(plain.next_hop.via == IpAddress::parse("192.168.200.254"));
  CHECK(plain.next_hop.device == "eth1");
  CHECK(plain.table == kMainTable);
  CHECK(plain.protocol == 18);

  CHECK(route_of("192.168.212.0/24 dev eth3 scope site").scope == Scope::site);
  CHECK(route_of("blackhole 192.168.113.1/32").type == RouteType::blackhole);
  CHECK(route_of("0.0.0.0/0 gw 192.168.0.1 table 100").table == 100);
  CHECK(route_of("default via 10.0.0.1 dev eth0").destination.prefix_length == 0);

  const RouteConfig two = route_of("192.168.113.0/24 via 192.168.100.252 or 192.168.100.253");
  REQUIRE(two.next_hops.size() == 2);
  CHECK(two.next_hops[1].via == IpAddress::parse("192.168.100.253"));
  CHECK_FALSE(two.next_hop.via);

  const RouteConfig many = route_of(
      "192.168.100.0/24 table 6909 nexthop via 192.168.101.1 dev wlan0 onlink weight 1 "
      "nexthop via 192.168.101.2 dev wlan0 onlink weight 2");
  REQUIRE(many.next_hops.size() == 2);
  CHECK(many.next_hops[1].weight == 2);
  CHECK(many.next_hops[1].onlink);

  const RouteConfig full = route_of(
      "192.168.200.0/24 dev p33p1.2 table 6909 tos 0x04 protocol bird scope link priority 12 "
      "mtu 1000 hoplimit 100 advmss 101 rtt 102 rttvar 103 reordering 104 window 105 cwnd 106 "
      "ssthresh lock 107 realms 3/0x14 rto_min 108 initcwnd 109 initrwnd 110 features ecn "
      "no_track");
  CHECK(full.protocol == 12);
  CHECK(full.tos == 4);
  CHECK(full.metric == 12);
  CHECK(full.next_hop.realms == ((3U << 16) | 0x14));
  CHECK(full.metrics.size() == 13);
  CHECK_FALSE(full.tracked);

  const RouteConfig six = route_of(
      "2001:470:69e9:1:2::4 dev p33p1.2 table 6909 tos 0x04 metric 12 hoplimit 100 append "
      "pref low expires 300 fastopen_no_cookie 1");
  CHECK(six.family == AddressFamily::ipv6);
  CHECK(six.destination.prefix_length == 128);
  CHECK(six.append);
  CHECK(six.preference == 3);
  CHECK(six.expires == 300);
}

TEST_CASE("routes: IPv4 over an IPv6 neighbour, and an IPv6 default route") {
  const RouteConfig route = route_of("10.1.0.0/16 via inet6 fe80::1 dev eth0");
  CHECK(route.family == AddressFamily::ipv4);
  CHECK(route.next_hop.via == IpAddress::parse("fe80::1"));
  const RouteConfig six = route_of("inet6 default via fe80::1 dev eth0");
  CHECK(six.family == AddressFamily::ipv6);
  CHECK(six.destination.to_string() == "::/0");
}

TEST_CASE("routes: tables have names in iproute2's files") {
  CHECK(route_of("10.1.0.0/16 dev eth0 table dsl").table == 200);
  CHECK(route_of("10.1.0.0/16 dev eth0 table fibre").table == 300);
  CHECK(route_of("10.1.0.0/16 dev eth0 table local").table == 255);
  CHECK(has(complaint("static_routes", "10.1.0.0/16 dev eth0 table nowhere"),
            "table `nowhere` is not known"));
}

TEST_CASE("routes: what cannot be is refused, and what is ignored is said") {
  CHECK(has(complaint("static_routes", "via 10.0.0.1"), "has no destination"));
  CHECK(has(complaint("static_routes", "10.1.0.0/16 via fe80::1"), "mixed"));
  CHECK(has(complaint("static_routes", "10.1.0.0/16 vai 10.0.0.1"), "did you mean `via`?"));
  CHECK(has(complaint("static_routes", "10.1.0.0/33 dev eth0"), "from 0 to 32"));
  CHECK(has(complaint("static_routes", "10.1.0.0/16 dev"), "`dev` needs a value"));
  CHECK(has(complaint("static_routes", "10.1.0.0/16 10.2.0.0/16"), "a second destination"));
  CHECK(has(complaint("static_routes", "10.1.0.0/16 nexthop via 10.0.0.1 wait 3"),
            "no word of a nexthop"));
  CHECK(has(complaint("static_routes", "10.1.0.0/16 dev eth0 encap mpls 3"), "not supported"));
  CHECK(has(complaint("static_routes", "10.1.0.1/16 dev eth0"), "beyond its prefix"));
  CHECK(has(complaint("static_routes", "10.1.0.0/16 dev eth0 protocol bird"), "is 18"));
}

TEST_CASE("rules: the samples of keepalived's documentation") {
  const RuleConfig from = rule_of("from 192.168.2.0/24 table 1 preference 100");
  CHECK(from.from->to_string() == "192.168.2.0/24");
  CHECK(from.table == 1);
  CHECK(from.priority == 100);
  CHECK(from.protocol == 18);

  const RuleConfig full = rule_of(
      "from 192.168.28.0/24 to 192.168.29.0/26 iif p33p1 oif wlan0 tos 22 fwmark 24/12 "
      "preference 39 goto 40");
  CHECK(full.action == RuleAction::jump);
  CHECK(full.target == 40);
  CHECK(full.tos == 0x22);
  CHECK(full.mark == 24);
  CHECK(full.mark_mask == 12);

  const RuleConfig six = rule_of(
      "to 1:2:3:4:5:6:7:0/112 from 7:6:5:4:3:2::/96 table 6908 uidrange 10000-19999 pref 7");
  CHECK(six.family == AddressFamily::ipv6);
  CHECK(six.users == NumberSpan{10000, 19999});

  const RuleConfig ports = rule_of(
      "to 1:2:3:4:6:6:7:0/112 l3mdev protocol 12 ip_proto UDP sport 10-20 dport 25 no_track "
      "order 3");
  CHECK(ports.ip_protocol == 17);
  CHECK(ports.source_ports == NumberSpan{10, 20});
  CHECK(ports.destination_ports == NumberSpan{25, 25});
  CHECK(ports.protocol == 12);
  CHECK(ports.l3mdev);

  const RuleConfig others = rule_of(
      "not from all fwmark 0x10 lookup dsl realms 3/4 suppress_prefixlength 0 tunnel-id 7 "
      "priority 5");
  CHECK(others.inverted);
  CHECK_FALSE(others.from);
  CHECK(others.table == 200);
  CHECK(others.realms == ((3U << 16) | 4));
  CHECK(rule_of("from 10.0.0.0/8 table 1 priority 5 no_track").protocol == 0);
  CHECK(rule_of("from 10.0.0.0/8 type blackhole priority 5").action == RuleAction::blackhole);
  CHECK(rule_of("inet6 nop priority 5").action == RuleAction::nop);
}

TEST_CASE("rules without a preference are numbered down from 16384, each IP version by itself") {
  const auto outcome = outcome_of("static_rules",
                                  "from 10.0.0.0/8 table 1\n from 11.0.0.0/8 table 1\n"
                                  " from 2001:db8::/32 table 1");
  REQUIRE(outcome.config);
  const auto& rules = outcome.config->network.rules;
  REQUIRE(rules.size() == 3);
  CHECK(rules[0].priority == 16384);
  CHECK(rules[1].priority == 16383);
  CHECK(rules[2].priority == 16384);
}

TEST_CASE("rules: what cannot be is refused") {
  CHECK(has(complaint("static_rules", "from 10.0.0.0/8"), "has no action"));
  CHECK(has(complaint("static_rules", "from 10.0.0.0/8 table 1 nop"), "does one thing"));
  CHECK(has(complaint("static_rules", "from 10.0.0.0/8 to ::1 table 1"), "mixed"));
  CHECK(has(complaint("static_rules", "from 10.0.0.0/8 goto 5"), "needs a preference"));
  CHECK(has(complaint("static_rules", "from nobody table 1"), "is no network"));
  CHECK(has(complaint("static_rules", "from 10.0.0.0/8 tabel 1"), "did you mean `table`?"));
  CHECK(has(complaint("static_rules", "fwmark x/1 table 1"), "MARK/MASK"));
  CHECK(has(complaint("static_rules", "from 10.0.0.0/8 table 0"), "table 0"));
  CHECK(has(complaint("static_rules", "sport 20-10 table 1"), "range"));
}
