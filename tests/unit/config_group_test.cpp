// virtual_server_group, fwmark services and lvs_method NAT.
#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <vector>

#include "config_source.h"
#include "core/config_diff.h"
#include "core/virtual_server.h"

using namespace xlb;
using namespace std::chrono_literals;
using test::parse_text;
using test::report;

namespace {

const std::string kServers =
    " real_server 10.0.1.1 8080 { TCP_CHECK { } }\n real_server 10.0.1.2 { }\n";

Config config_of(const std::string& text) {
  auto outcome = parse_text(text);
  CAPTURE(report(outcome));
  REQUIRE(outcome.config.has_value());
  return std::move(*outcome.config);
}

VirtualServerConfig only(const std::string& text) {
  return config_of(text).virtual_servers.at(0);
}

bool mentions(const std::string& text, const std::string& part) {
  return report(parse_text(text)).find(part) != std::string::npos;
}

std::string group(const std::string& lines, const std::string& words = "") {
  return "virtual_server_group web {\n" + lines +
         "\n}\nvirtual_server group web {\n protocol TCP\n" + words + "\n" + kServers + "}\n";
}

std::vector<std::string> names_of(const VirtualServerConfig& config) {
  std::vector<std::string> result;
  for (const ServiceKey& key : keys_of(config))
    result.push_back(key.to_string());
  return result;
}

}  // namespace

TEST_CASE("lvs_method is NAT where nothing is said, and ports may differ") {
  const std::string text = "virtual_server 10.0.0.1 80 {\n protocol TCP\n" + kServers;
  const auto nat = only(text + "}\n");
  CHECK(nat.method == ForwardingMethod::translation);
  CHECK(needs_translation(nat));
  CHECK(nat.real_servers.at(0).endpoint.to_string() == "10.0.1.1:8080");
  CHECK(nat.real_servers.at(1).endpoint.to_string() == "10.0.1.2:80");
  CHECK(nat.real_servers.at(0).checks.at(0).target.port == 8080);
  CHECK(mentions(text + "}\n", "no lvs_method: NAT is used"));
  const std::string same_ports =
      "virtual_server 10.0.0.1 80 {\n protocol TCP\n real_server 10.0.1.1 80 { }\n";
  CHECK_FALSE(needs_translation(only(same_ports + " lvs_method DR\n}\n")));
  const auto mixed = only(same_ports +
                          " lvs_method DR\n sorry_server 10.0.0.9 81\n"
                          " sorry_server_lvs_method NAT\n}\n");
  CHECK(mixed.sorry_translated);
  CHECK(mixed.sorry_server->port == 81);
  CHECK(needs_translation(mixed));
}

TEST_CASE("without a protocol it is UDP, as keepalived has it") {
  const std::string text = "virtual_server 10.0.0.1 53 {\n" + kServers + "}\n";
  CHECK(only(text).key.protocol == Protocol::udp);
  CHECK(mentions(text, "no protocol: UDP is used"));
}

TEST_CASE("two real servers on one address are two only where ports are translated") {
  const std::string servers = " real_server 10.0.1.1 80 { }\n real_server 10.0.1.1 81 { }\n}\n";
  const std::string head = "virtual_server 10.0.0.1 80 {\n protocol TCP\n";
  CHECK(only(head + servers).real_servers.size() == 2);
  CHECK(mentions(head + " lvs_method DR\n" + servers, "leaves ports as they are"));
  CHECK(
      mentions("virtual_server_group web {\n 10.0.0.1 80\n}\nvirtual_server group web {\n"
               " protocol TCP\n lvs_method DR\n" +
                   servers,
               "stands already at"));
}

TEST_CASE("a group has every address of its lines, and marks") {
  const auto web = only(
      group(" 10.0.0.1 80\n 10.0.0.9-11 443\n 10.0.0.254-10.0.1.1 80\n 10.0.2.9/30 80\n fwmark 3"));
  CHECK(name_of(web) == "TCP group web");
  CHECK(names_of(web) == std::vector<std::string>{
                             "TCP 10.0.0.1:80", "TCP 10.0.0.9:443", "TCP 10.0.0.10:443",
                             "TCP 10.0.0.11:443", "TCP 10.0.0.254:80", "TCP 10.0.0.255:80",
                             "TCP 10.0.1.0:80", "TCP 10.0.1.1:80", "TCP 10.0.2.8:80",
                             "TCP 10.0.2.9:80", "TCP 10.0.2.10:80", "TCP 10.0.2.11:80", "FWM 3"});
  CHECK(names_of(only(group(" 2001:db8::fe-ff 80", "lvs_method TUN"))).size() == 2);
  CHECK(web.real_servers.at(1).endpoint.port == 0);  // each member's own
}

TEST_CASE("a group may stand behind the virtual servers that name it, and serve several") {
  const std::string servers = " protocol TCP\n" + kServers + "}\n";
  const std::string text = "virtual_server group web {\n" + servers +
                           "virtual_server group web {\n protocol UDP\n" + kServers +
                           "}\nvirtual_server_group web {\n 10.0.0.1 53\n}\n";
  const Config config = config_of(text);
  CHECK(name_of(config.virtual_servers.at(0)) == "TCP group web");
  CHECK(name_of(config.virtual_servers.at(1)) == "UDP group web");
}

TEST_CASE("what of a group cannot be is said where it stands") {
  CHECK(mentions(group(" 10.0.0.9-2 80"), "2:2: error: `10.0.0.9-2` is no address"));
  CHECK(mentions(group(" 10.0.0.300 80"), "is no address"));
  CHECK(mentions(group(" 10.0.0.0/8 80"), "more than 8191 addresses"));
  CHECK(mentions(group(" 2001:db8::/32 80"), "more than 8191 addresses"));
  CHECK(mentions(group(" fwmark x"), "is not a number"));
  CHECK(mentions(group(""), "has no members"));
  CHECK(mentions(group(" 10.0.0.1 80\n 2001:db8::1 80"), "only tunnels lead from one"));
  CHECK(mentions("virtual_server group wbe { protocol TCP\n" + kServers +
                     "}\n"
                     "virtual_server_group web { 10.0.0.1 80\n }\n",
                 "did you mean `web`?"));
  CHECK(mentions(
      group(" 10.0.0.1 80") + "virtual_server 10.0.0.1 80 { protocol TCP\n" + kServers + "}\n",
      "virtual_server TCP 10.0.0.1:80 stands already"));
  std::string many = " 10.0.0.0/20 80\n 10.1.0.0/20 80\n 10.2.0.0/20 80";
  CHECK(mentions(group(many), "are more than 8191"));
}

TEST_CASE("a service by mark is of its real servers' family, or of ip_family") {
  const std::string text =
      "virtual_server fwmark 7 {\n lvs_sched wlc\n lvs_method NAT\n persistence_timeout 50\n";
  const auto seven = only(text + kServers + "}\n");
  CHECK(seven.key.to_string() == "FWM 7");
  CHECK(seven.key.mark == 7);
  CHECK(needs_translation(seven));
  CHECK(seven.real_servers.at(1).endpoint.port == 0);
  CHECK(parse_text(text + kServers + "}\n").diagnostics.empty());
  CHECK(only(text + " real_server 2001:db8::1 80 { }\n}\n").key.to_string() == "FWM 7 IPv6");
  CHECK(mentions(text + " ip_family inet6\n" + kServers + "}\n", "of different families"));
  CHECK(mentions(text + " protocol TCP\n" + kServers + "}\n", "protocol has no effect"));
  CHECK(mentions("virtual_server fwmark 0 {\n}\n", "out of range"));
}

TEST_CASE("thresholds bound a real server's connections") {
  const auto limited = only(
      "virtual_server 10.0.0.1 80 {\n protocol TCP\n real_server 10.0.1.1 80 {\n uthreshold 10\n"
      " lthreshold 5\n }\n}\n");
  CHECK(limited.real_servers.at(0).upper_threshold == 10);
  CHECK(limited.real_servers.at(0).lower_threshold == 5);
}

TEST_CASE("a change of a group names the members that come and go") {
  const Config before = config_of(group(" 10.0.0.1-2 80"));
  CHECK(differences(before, config_of(group(" 10.0.0.2-3 80"))) ==
        std::vector<std::string>{"- TCP group web: member TCP 10.0.0.1:80",
                                 "+ TCP group web: member TCP 10.0.0.3:80"});
  CHECK(differences(before, config_of(group(" 10.0.0.1-2 80", "lvs_method DR"))) ==
        std::vector<std::string>{"~ TCP group web: lvs_method NAT -> DR",
                                 "~ TCP group web: real server 10.0.1.1:8080: lvs_method NAT -> DR",
                                 "~ TCP group web: real server 10.0.1.2:0: lvs_method NAT -> DR"});
}

TEST_CASE("a group's members share real servers; only translation changes a port") {
  ForwardedVirtualServer row;
  row.real_servers.resize(2);
  row.real_servers[0].endpoint = {IpAddress::v4(10, 0, 1, 1), 8080};
  row.real_servers[1].endpoint = {IpAddress::v4(10, 0, 1, 2), 8080};
  row.real_servers[1].translated = true;
  const ServiceKey key = {IpAddress::v4(10, 0, 0, 1), 443, Protocol::tcp};
  const ForwardedVirtualServer member = for_member(row, key);
  CHECK(member.key == key);
  CHECK(member.real_servers[0].endpoint.port == 443);
  CHECK(member.real_servers[1].endpoint.port == 8080);
}
