// The words of vrrp_instance and global_defs about the protocol.
#include <doctest/doctest.h>

#include <string>

#include "config_source.h"
#include "core/config_parse.h"

using namespace xlb;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

const std::string kAddress = "virtual_ipaddress {\n 10.0.0.3\n }\n";

std::string instance(const std::string& words) {
  return "vrrp_instance V {\n interface eth0\n virtual_router_id 5\n" + words + "\n}\n";
}

VrrpInstanceConfig read(const std::string& words, const std::string& before = "") {
  const auto outcome = test::parse_text(before + instance(words + "\n" + kAddress));
  CAPTURE(test::report(outcome));
  REQUIRE(outcome.config.has_value());
  CHECK(test::report(outcome).empty());
  return outcome.config->vrrp_instances.at(0);
}

std::string complaints(const std::string& words, const std::string& before = "") {
  return test::report(test::parse_text(before + instance(words)));
}

bool says(const std::string& text, const std::string& part) {
  CAPTURE(text);
  CAPTURE(part);
  return text.find(part) != std::string::npos;
}

const std::string kKey = "key 1 hex:" + std::string(64, 'a');

}  // namespace

TEST_CASE("unicast words mean what they say") {
  const VrrpInstanceConfig config = read(
      "unicast_src_ip 10.0.0.1\n unicast_ttl 64\n check_unicast_src\n unicast_fault_no_peer\n"
      " track_src_ip\n unicast_peer {\n 10.0.0.2\n 10.0.1.2 min_ttl 60 max_ttl 254\n }");
  REQUIRE(config.protocol.peers.size() == 2);
  CHECK(config.protocol.peers[0] == UnicastPeer{IpAddress::v4(10, 0, 0, 2), {}, {}});
  CHECK(config.protocol.peers[1] == UnicastPeer{IpAddress::v4(10, 0, 1, 2), 60, 254});
  CHECK(config.protocol.source == IpAddress::v4(10, 0, 0, 1));
  CHECK(config.protocol.unicast_ttl == 64);
  CHECK(config.protocol.fault_without_peers);
  CHECK(config.protocol.track_source);
}

TEST_CASE("what global_defs says holds where an instance says nothing") {
  const std::string global =
      "global_defs {\n vrrp_mcast_group4 224.0.0.88\n vrrp_down_timer_adverts 5\n"
      " vrrp_lower_prio_no_advert\n vrrp_higher_prio_send_advert on\n v3_checksum_as_v2\n"
      " vrrp_skip_check_adv_addr\n vrrp_owner_ignore_adverts\n vrrp_check_unicast_src\n}\n";
  const VrrpProtocol global_only = read("", global).protocol;
  CHECK(global_only.group == IpAddress::v4(224, 0, 0, 88));
  CHECK(global_only.down_timer_adverts == 5);
  CHECK_FALSE(global_only.answer_lower_priority);
  CHECK(global_only.advertise_before_yielding);
  CHECK(global_only.plain_checksum);
  CHECK_FALSE(global_only.compare_addresses);
  CHECK(global_only.owner_ignores_adverts);
  const VrrpProtocol own =
      read(
          "mcast_dst_ip 224.0.0.99\n mcast_src_ip 10.0.0.9\n down_timer_adverts 4\n"
          " lower_prio_no_advert off\n higher_prio_send_advert off\n v3_checksum_as_v2 off\n"
          " skip_check_adv_addr off\n owner_ignore_adverts no\n preempt_delay 1.5",
          global)
          .protocol;
  CHECK(own.group == IpAddress::v4(224, 0, 0, 99));
  CHECK(own.source == IpAddress::v4(10, 0, 0, 9));
  CHECK(own.down_timer_adverts == 4);
  CHECK(own.answer_lower_priority);
  CHECK_FALSE(own.advertise_before_yielding);
  CHECK_FALSE(own.plain_checksum);
  CHECK(own.compare_addresses);
  CHECK_FALSE(own.owner_ignores_adverts);
  CHECK(own.preempt_delay == milliseconds(1500));
  CHECK(read("").protocol == VrrpProtocol{});
}

TEST_CASE("auth_hmac: keys, the active one, the window that follows the interval") {
  const VrrpHmac hmac =
      *read("auth_hmac {\n " + kKey + "\n key 2 file:/etc/xlb/vrrp.key\n key 3 " +
            std::string(32, 'k') + "\n active_key 2\n anti_replay monotonic\n mode receive-only\n}")
           .protocol.hmac;
  REQUIRE(hmac.keys.size() == 3);
  CHECK(hmac.keys[0].secret == std::string(32, '\xaa'));
  CHECK(hmac.keys[1].file == "/etc/xlb/vrrp.key");
  CHECK(hmac.keys[2].secret == std::string(32, 'k'));
  CHECK(hmac.active_key == 2);
  CHECK_FALSE(hmac.by_time);
  CHECK(hmac.mode == VrrpHmac::Mode::receive_only);
  CHECK(hmac.time_window == seconds(5));
  CHECK(read("advert_int 4\n auth_hmac {\n " + kKey + "\n}").protocol.hmac->time_window ==
        seconds(12));
  CHECK(read("auth_hmac {\n time_window 9\n " + kKey + "\n}").protocol.hmac->time_window ==
        seconds(9));
}

TEST_CASE("auth_hmac: what is wrong is said, and never the secret") {
  const auto hmac = [](const std::string& words) {
    return complaints("auth_hmac {\n" + words + "\n}\n" + kAddress);
  };
  CHECK(says(hmac(""), "auth_hmac has no key"));
  CHECK(says(hmac("key 1 hex:zz"), "not hexadecimal"));
  CHECK(says(hmac("key 1 secret"), "the key has 6 bytes, not 32 to 64"));
  CHECK_FALSE(says(hmac("key 1 secret"), "secret"));
  CHECK(says(hmac("key 1 file:key"), "whole path"));
  CHECK(says(hmac(kKey + "\n active_key 2"), "active_key 2 is none of the keys"));
  CHECK(says(hmac(kKey + "\n " + kKey), "key 1 stands here already"));
  CHECK(says(hmac(kKey + "\n mode strict"), "mode"));
}

TEST_CASE("VRRP 9: an advertisement must fit one frame") {
  std::string many = "virtual_ipaddress {\n";
  for (int i = 0; i < 255; ++i)
    many += "10.0.0." + std::to_string(i) + "\n";
  CHECK_FALSE(says(complaints(many + "}"), "one frame"));
}

TEST_CASE("VRRP 14: a virtual_router_id is 1 to 255") {
  const auto with = [](const std::string& id) {
    return test::report(test::parse_text("vrrp_instance V {\n interface eth0\n virtual_router_id " +
                                         id + "\n" + kAddress + "}\n"));
  };
  CHECK(with("1").empty());
  CHECK(with("255").empty());
  CHECK(says(with("0"), "virtual_router_id"));
  CHECK(says(with("256"), "virtual_router_id"));
}

TEST_CASE("VRRP 17: priority 0 cannot be configured, VRRP 16: 1 to 255 can, 100 when left out") {
  CHECK(says(complaints("priority 0\n" + kAddress), "priority"));
  CHECK(says(complaints("priority 256\n" + kAddress), "priority"));
  CHECK(read("priority 1").priority == 1);
  CHECK(read("").priority == 100);
}

TEST_CASE(
    "VRRP 23: version 2 refuses an interval of less than a second, VRRP 22: version 3 one of 41") {
  CHECK(says(complaints("advert_int 0.5\n" + kAddress), "whole seconds only"));
  CHECK(says(complaints("version 3\n advert_int 41\n" + kAddress), "out of range"));
  CHECK(read("version 3\n advert_int 40.95").advert_interval == milliseconds(40950));
}

TEST_CASE("VRRP 83: preempt_delay needs state BACKUP, and an owner preempts always") {
  CHECK(says(complaints("state MASTER\n priority 100\n preempt_delay 5\n" + kAddress),
             "preempt_delay is ignored"));
  CHECK(says(complaints("priority 255\n nopreempt\n" + kAddress), "nopreempt is ignored"));
  CHECK(says(complaints("preempt_delay 1001\n" + kAddress), "preempt_delay"));
  CHECK(read("preempt_delay 1000").protocol.preempt_delay == seconds(1000));
}

TEST_CASE("what cannot be a peer, a source or a group is refused") {
  CHECK(says(complaints("unicast_peer {\n 224.0.0.1\n}\n" + kAddress), "cannot be a director"));
  CHECK(says(complaints("unicast_peer {\n 2001:db8::2\n}\n" + kAddress), "not an IPv4 address"));
  CHECK(says(complaints("unicast_peer {\n 10.0.0.2 min_ttl 9 max_ttl 8\n}\n" + kAddress),
             "min_ttl is greater"));
  CHECK(says(complaints("unicast_peer {\n 10.0.0.2 max_tll 8\n}\n" + kAddress), "unknown word"));
  CHECK(says(complaints("unicast_peer {\n 10.0.0.2\n 10.0.0.2\n}\n" + kAddress), "second time"));
  CHECK(says(complaints("mcast_dst_ip 10.0.0.9\n" + kAddress), "not a multicast address"));
  CHECK(says(complaints("mcast_src_ip 224.0.0.9\n" + kAddress), "cannot be a director"));
  CHECK(says(complaints(kAddress, "global_defs {\n vrrp_mcast_group4 ff02::12\n}\n"),
             "not an IPv4 address"));
}

TEST_CASE("strict_mode refuses what keepalived refuses and ignores what it ignores") {
  CHECK(says(complaints("strict_mode"), "there is no virtual_ipaddress"));
  CHECK(says(complaints("strict_mode\n unicast_peer {\n 10.0.0.2\n}\n" + kAddress),
             "unicast_peer is no VRRP"));
  const std::string strict = "global_defs {\n vrrp_strict\n}\n";
  const auto outcome = test::parse_text(
      strict + instance("state MASTER\n priority 100\n preempt_delay 3\n authentication {\n"
                        " auth_type PASS\n auth_pass x\n}\n" +
                        kAddress));
  REQUIRE(outcome.config.has_value());
  const VrrpInstanceConfig& config = outcome.config->vrrp_instances.at(0);
  CHECK(config.auth_password.empty());
  CHECK(config.initial_state == VrrpInitialState::backup);
  CHECK(config.protocol.preempt_delay == milliseconds(0));
  CHECK_FALSE(config.protocol.answer_lower_priority);
  CHECK(says(test::report(outcome), "authentication is ignored"));
}

TEST_CASE("one VRID serves two groups of peers or two multicast groups on one interface") {
  const auto two = [](const std::string& first, const std::string& second) {
    return test::report(test::parse_text(
        "vrrp_instance A {\n interface eth0\n virtual_router_id 5\n" + first + kAddress +
        "}\nvrrp_instance B {\n interface eth0\n virtual_router_id 5\n" + second +
        "virtual_ipaddress {\n 10.0.0.4\n}\n}\n"));
  };
  CHECK(says(two("", ""), "is used on eth0 already"));
  CHECK(two("", "mcast_dst_ip 224.0.0.99\n").empty());
  CHECK(two("unicast_peer {\n 10.0.0.8\n}\n", "unicast_peer {\n 10.0.0.9\n}\n").empty());
}
