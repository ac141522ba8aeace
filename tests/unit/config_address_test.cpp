// The words after an address, announcements, virtual MACs and the static blocks.
#include <doctest/doctest.h>

#include <algorithm>

#include "config_source.h"
#include "core/config_diff.h"

using namespace std::chrono_literals;
using namespace xlb;
using namespace xlb::test;

namespace {

std::string instance(const std::string& words) {
  return "vrrp_instance A {\n interface eth0\n virtual_router_id 51\n" + words + "\n}\n";
}

std::string with_address(const std::string& address) {
  return instance(" virtual_ipaddress {\n  " + address + "\n }");
}

VirtualAddress address_of(const std::string& line) {
  const auto outcome = parse_text(with_address(line));
  INFO(report(outcome));
  REQUIRE(outcome.config);
  REQUIRE(outcome.config->vrrp_instances.front().virtual_addresses.size() == 1);
  return outcome.config->vrrp_instances.front().virtual_addresses.front();
}

bool says(const ParseOutcome& outcome, std::string_view text) {
  return report(outcome).find(text) != std::string::npos;
}

}  // namespace

TEST_CASE("an address of virtual_ipaddress takes iproute2's words") {
  const auto vip =
      address_of("10.0.0.3/24 brd 10.0.0.255 dev eth1 scope link label eth1:vip no_track");
  CHECK(vip.address.to_string() == "10.0.0.3/24");
  CHECK(vip.broadcast == IpAddress::parse("10.0.0.255"));
  CHECK(vip.device == "eth1");
  CHECK(vip.scope == Scope::link);
  CHECK(vip.label == "eth1:vip");
  CHECK_FALSE(vip.tracked);
  CHECK(to_string(vip) == "10.0.0.3/24 brd 10.0.0.255 dev eth1 scope link label eth1:vip no_track");
}

TEST_CASE("an address without a prefix is one of all bits") {
  CHECK(address_of("10.0.0.3").address.prefix_length == 32);
  CHECK(address_of("2001:db8::3").address.prefix_length == 128);
}

TEST_CASE("the words may stand before the address") {
  CHECK(address_of("dev eth1 10.0.0.3/24").device == "eth1");
}

TEST_CASE("brd + is the network's last address") {
  CHECK(address_of("10.1.2.3/23 brd +").broadcast == IpAddress::parse("10.1.3.255"));
  CHECK(address_of("10.1.2.3/23 brd -").broadcast == std::nullopt);
}

TEST_CASE("a peer's network is the one the interface lists") {
  const auto vip = address_of("10.0.0.3 peer 10.9.0.1/30");
  REQUIRE(vip.peer);
  CHECK(listed_address(vip).to_string() == "10.0.0.3/30");
}

TEST_CASE("an IPv6 address of all bits is deprecated, unless preferred_lft says otherwise") {
  CHECK(address_of("2001:db8::3").preferred_lifetime == 0);
  CHECK(address_of("2001:db8::3/64").preferred_lifetime == std::nullopt);
  CHECK(address_of("2001:db8::3 preferred_lft forever").preferred_lifetime == std::nullopt);
  CHECK(address_of("2001:db8::3/64 preferred_lft 0").preferred_lifetime == 0);
  const auto flags = address_of("2001:db8::3/64 home mngtmpaddr noprefixroute autojoin -nodad");
  CHECK(flags.home);
  CHECK(flags.temporary_prefix);
  CHECK(flags.no_prefix_route);
  CHECK(flags.autojoin);
}

TEST_CASE("addresses: what is wrong is said at its place") {
  CHECK(says(parse_text(with_address("10.0.0.3 scope planet")), "scope `planet` is not known"));
  CHECK(says(parse_text(with_address("10.0.0.3/33")), "x.conf:5:12: error: `33` is out of range"));
  CHECK(says(parse_text(with_address("10.0.0.3 dev")), "`dev` needs a value"));
  CHECK(says(parse_text(with_address("10.0.0.3 peer 2001:db8::1")), "other IP version"));
  CHECK(says(parse_text(with_address("dev eth1")), "has no address"));
  CHECK(says(parse_text(with_address("10.0.0.3 10.0.0.4")), "a second address on one line"));
  CHECK(says(parse_text(with_address("10.0.0.3 brod 10.0.0.255")), "did you mean `brd`?"));
}

TEST_CASE("virtual_ipaddress_excluded may be of the other IP version, virtual_ipaddress not") {
  const auto outcome =
      parse_text(instance(" virtual_ipaddress {\n 10.0.0.3\n 2001:db8::4\n }\n"
                          " virtual_ipaddress_excluded {\n 10.0.0.5\n 2001:db8::5/64\n }"));
  REQUIRE(outcome.config);
  const auto& router = outcome.config->vrrp_instances.front();
  CHECK(router.virtual_addresses.size() == 1);
  CHECK(router.excluded_addresses.size() == 2);
  CHECK(says(outcome, "an advertisement carries addresses of one IP version"));
}

TEST_CASE("VRRP 108: announcements have keepalived's defaults") {
  const auto outcome = parse_text(with_address("10.0.0.3"));
  REQUIRE(outcome.config);
  const AnnounceSettings& settings = outcome.config->vrrp_instances.front().announce;
  CHECK(settings == AnnounceSettings{5s, 5, 0s, 1, 5s, 5});
}

TEST_CASE("announcements: an instance's words go before global_defs', lower_prio follows master") {
  const auto outcome = parse_text(
      "global_defs {\n vrrp_garp_master_repeat 7\n vrrp_garp_master_refresh 60\n"
      " vrrp_garp_interval 0.001\n vrrp_gna_interval 0.000001\n}\n" +
      instance(" garp_master_delay 2\n garp_lower_prio_repeat 1\n garp_master_refresh_repeat 3\n"
               " virtual_ipaddress {\n 10.0.0.3\n }"));
  INFO(report(outcome));
  REQUIRE(outcome.config);
  const AnnounceSettings& settings = outcome.config->vrrp_instances.front().announce;
  CHECK(settings == AnnounceSettings{2s, 7, 60s, 3, 2s, 1});
  CHECK(outcome.config->network.announce_spacing == AnnounceSpacing{1000us, 1us});
}

TEST_CASE("vrrp_min_garp: one announcement and no second block") {
  const auto outcome = parse_text("global_defs {\n vrrp_min_garp\n}\n" + with_address("10.0.0.3"));
  REQUIRE(outcome.config);
  const AnnounceSettings& settings = outcome.config->vrrp_instances.front().announce;
  CHECK(settings == AnnounceSettings{0s, 1, 0s, 1, 0s, 1});
}

TEST_CASE("garp_group: interfaces that share a spacing") {
  const auto outcome =
      parse_text("garp_group {\n garp_interval 0.5\n interfaces {\n eth0\n eth1\n }\n}\n" +
                 with_address("10.0.0.3"));
  INFO(report(outcome));
  REQUIRE(outcome.config);
  REQUIRE(outcome.config->network.announce_groups.size() == 1);
  const AnnounceGroup& group = outcome.config->network.announce_groups.front();
  CHECK(group.interfaces == std::vector<std::string>{"eth0", "eth1"});
  CHECK(group.spacing.arp == 500ms);
}

TEST_CASE("static_ipaddress without dev is on default_interface") {
  const auto outcome = parse_text(
      "static_ipaddress {\n 10.9.0.1/24\n 10.9.1.1/24 dev eth2\n}\n"
      "global_defs {\n default_interface eth7\n}\n" +
      with_address("10.0.0.3"));
  INFO(report(outcome));
  REQUIRE(outcome.config);
  const auto& addresses = outcome.config->network.addresses;
  REQUIRE(addresses.size() == 2);
  CHECK(addresses[0].device == "eth7");
  CHECK(addresses[1].device == "eth2");
}

TEST_CASE("use_vmac: names that are not given are the VRID's, and no two are the same") {
  const auto outcome = parse_text(
      "vrrp_instance A {\n interface eth0\n virtual_router_id 51\n use_vmac\n"
      " virtual_ipaddress {\n 10.0.0.3\n }\n}\n"
      "vrrp_instance B {\n interface eth1\n virtual_router_id 51\n use_vmac\n vmac_xmit_base\n"
      " virtual_ipaddress {\n 10.0.1.3\n }\n}\n"
      "vrrp_instance C {\n interface eth2\n virtual_router_id 52\n use_vmac vip7 02:00:5e:00:01\n"
      " virtual_ipaddress {\n 10.0.2.3\n }\n}\n");
  INFO(report(outcome));
  REQUIRE(outcome.config);
  const auto& routers = outcome.config->vrrp_instances;
  CHECK(routers[0].virtual_mac == VirtualMac{"vrrp.51", std::nullopt, false});
  CHECK(routers[1].virtual_mac == VirtualMac{"vrrp4.51", std::nullopt, true});
  CHECK(routers[2].virtual_mac ==
        VirtualMac{"vip7", MacAddress::parse("02:00:5e:00:01:34"), false});
}

TEST_CASE("VRRP 104: the virtual MAC address has the VRID at its end, and says the IP version") {
  CHECK(virtual_router_mac(AddressFamily::ipv4, 51).to_string() == "00:00:5e:00:01:33");
  CHECK(virtual_router_mac(AddressFamily::ipv6, 255).to_string() == "00:00:5e:00:02:ff");
}

TEST_CASE("what a reload would change of addresses, routes and rules is named line by line") {
  const auto config = [](const std::string& words) {
    auto outcome = parse_text(instance(" virtual_ipaddress {\n 10.0.0.3\n }\n" + words) +
                              "static_routes {\n 10.8.0.0/16 dev eth0\n}\n");
    INFO(report(outcome));
    REQUIRE(outcome.config);
    return *outcome.config;
  };
  const auto lines =
      differences(config(" virtual_routes {\n 10.1.0.0/16 via 10.0.0.1 dev eth0\n }"),
                  config(" virtual_rules {\n from 10.1.0.0/16 table 5 preference 9\n }\n"
                         " virtual_ipaddress_excluded {\n 10.0.0.4 dev eth1\n }"));
  CHECK(lines == std::vector<std::string>{
                     "+ vrrp_instance A: excluded address 10.0.0.4/32 dev eth1",
                     "- vrrp_instance A: route 10.1.0.0/16 via 10.0.0.1 dev eth0",
                     "+ vrrp_instance A: rule inet from 10.1.0.0/16 preference 9 table 5"});
}
