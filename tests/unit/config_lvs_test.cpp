#include <doctest/doctest.h>

#include <chrono>
#include <string>

#include "config_source.h"
#include "core/config_diff.h"

using namespace xlb;
using namespace std::chrono_literals;
using test::parse_text;
using test::report;

namespace {

std::string service(const std::string& words, const std::string& vip = "10.0.0.1 80",
                    const std::string& real_server = "10.0.0.2 80",
                    const std::string& in_real_server = "") {
  return "virtual_server " + vip + " {\n lb_kind DR\n protocol TCP\n" + words + "\n real_server " +
         real_server + " {\n" + in_real_server + "\n }\n}\n";
}

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

}  // namespace

TEST_CASE("every scheduler is called by its name") {
  for (const auto scheduler :
       {Scheduler::rr, Scheduler::wrr, Scheduler::lc, Scheduler::wlc, Scheduler::sh, Scheduler::mh,
        Scheduler::dh, Scheduler::sed, Scheduler::nq}) {
    const std::string text = service("lvs_sched " + std::string(name_of(scheduler)));
    CHECK(only(text).scheduler == scheduler);
    CHECK(parse_text(text).diagnostics.empty());
  }
  CHECK(only(service("")).scheduler == Scheduler::wlc);  // as keepalived
  CHECK(mentions(service(""), "no lvs_sched: wlc is used"));
}

TEST_CASE("the flags of a hash scheduler belong to that scheduler") {
  CHECK(only(service("lb_algo sh\n sh-port")).hash_port);
  CHECK(only(service("mh-port\n mh-fallback\n lb_algo mh")).hash_port);
  CHECK(only(service("lb_algo sh\n flag-2")).hash_port);
  CHECK_FALSE(only(service("lb_algo sh\n sh-fallback\n flag-1")).hash_port);
  CHECK(parse_text(service("lb_algo sh\n sh-fallback\n sh-port")).diagnostics.empty());
  CHECK_FALSE(only(service("lb_algo mh\n sh-port")).hash_port);
  CHECK(mentions(service("lb_algo mh\n sh-port"), "`sh-port` has no effect with scheduler mh"));
  CHECK(mentions(service("lb_algo rr\n flag-2"), "`flag-2` has no effect with scheduler rr"));
}

TEST_CASE("ops is for UDP") {
  CHECK(only(service("ops\n protocol UDP")).one_packet);
  CHECK_FALSE(only(service("ops")).one_packet);
  CHECK(mentions(service("ops"), "it is for protocol UDP"));
}

TEST_CASE("persistence_granularity is a netmask, or the length of a prefix") {
  const std::string timeout = "persistence_timeout 60\n persistence_granularity ";
  CHECK(only(service("persistence_timeout 60")).persistence_prefix == 128);
  CHECK(only(service(timeout + "255.255.255.0")).persistence_prefix == 24);
  CHECK(only(service(timeout + "255.255.255.255")).persistence_prefix == 32);
  CHECK(only(service(timeout + "16")).persistence_prefix == 16);
  CHECK(only(service(timeout + "64", "2001:db8::1 80", "2001:db8::2 80")).persistence_prefix == 64);
  CHECK(mentions(service("persistence_granularity 255.255.255.0"), "without persistence_timeout"));
}

TEST_CASE("lvs_timeouts changes what it names and leaves the rest") {
  const auto timeouts = [](const std::string& words) {
    return config_of("global_defs {\n" + words + "\n}\n" + service("")).global.lvs_timeouts;
  };
  CHECK(timeouts("") == FlowTimeouts{900s, 120s, 300s});
  CHECK(timeouts("lvs_timeouts tcp 60 tcpfin 10 udp 20") == FlowTimeouts{60s, 10s, 20s});
  CHECK(timeouts("lvs_timeouts udp 20") == FlowTimeouts{900s, 120s, 20s});
}

TEST_CASE("IPv6 virtual servers and real servers are read with and without brackets") {
  const auto six = only(service("lb_algo rr\n sorry_server 2001:db8::9", "2001:DB8:0::1 80",
                                "[2001:db8::2] 80", "TCP_CHECK { }"));
  CHECK(six.key.to_string() == "TCP [2001:db8::1]:80");
  CHECK(six.real_servers.at(0).endpoint.to_string() == "[2001:db8::2]:80");
  CHECK(six.real_servers.at(0).checks.at(0).target.to_string() == "[2001:db8::2]:80");
  CHECK(six.sorry_server->to_string() == "[2001:db8::9]:80");
  for (const char* wrong : {"::", "ff02::1", "::ffff:10.0.0.1"}) {
    CHECK(mentions(service("", std::string(wrong) + " 80"), "cannot be a host's address"));
  }
}

TEST_CASE("a virtual server on port 0 takes real servers of any port") {
  const auto any = only(
      service("persistence_timeout 50", "10.0.0.1 0", "10.0.0.2", "TCP_CHECK { connect_port 22 }"));
  CHECK(any.key.port == 0);
  CHECK(any.real_servers.at(0).endpoint.port == 0);
  CHECK(any.real_servers.at(0).checks.at(0).target.port == 22);
  CHECK(mentions(service("", "10.0.0.1 0", "10.0.0.2 80"), "leaves ports as they are"));
  CHECK(mentions(service("", "10.0.0.1 0", "10.0.0.2"), "clients stay where they are for 360"));
  CHECK(mentions(service("persistence_timeout", "10.0.0.1", "10.0.0.2"), "has no port"));
}

TEST_CASE("lvs_method TUN says what packets are wrapped in") {
  const auto tunnel_of = [](const std::string& method) {
    return only(service("lvs_method " + method)).real_servers.at(0).tunnel;
  };
  CHECK(tunnel_of("DR") == std::nullopt);
  CHECK(tunnel_of("TUN") == TunnelConfig{TunnelType::ipip, 0});
  CHECK(tunnel_of("TUN type ipip") == TunnelConfig{TunnelType::ipip, 0});
  CHECK(tunnel_of("TUN type gue port 5555") == TunnelConfig{TunnelType::gue, 5555});
  CHECK(tunnel_of("TUN type gue port 5555 nocsum") == TunnelConfig{TunnelType::gue, 5555});
  CHECK(only(service("lvs_method TUN")).method == ForwardingMethod::tunnel);
}

TEST_CASE("a real server's own lvs_method comes before the virtual server's") {
  const auto mixed =
      only(service("lvs_method TUN\n sorry_server 10.0.0.9\n"
                   " sorry_server_lvs_method DR\n real_server 10.0.0.3 80 { }",
                   "10.0.0.1 80", "10.0.0.2 80", "lvs_method DR"));
  CHECK(mixed.real_servers.at(0).tunnel.has_value());
  CHECK_FALSE(mixed.real_servers.at(1).tunnel.has_value());
  CHECK_FALSE(mixed.sorry_tunnel.has_value());
  const auto sorry = only(service("sorry_server 10.0.0.9\n sorry_server_lvs_method TUN"));
  CHECK(sorry.sorry_tunnel == TunnelConfig{});
}

TEST_CASE("a tunnel leads from one address family to the other") {
  const auto mixed = only(service("lvs_method TUN", "10.0.0.1 80", "2001:db8::2 80"));
  CHECK(mixed.real_servers.at(0).endpoint.to_string() == "[2001:db8::2]:80");
}

TEST_CASE("more real servers than real_servers_max are refused") {
  std::string text = "xlb { real_servers_max 16 }\nvirtual_server 10.0.0.1 80 {\n";
  for (int i = 0; i < 17; ++i)
    text += fmt::format(" real_server 10.0.1.{} 80 {{ }}\n", i);
  CHECK(mentions(text + "}\n", "17 real servers and sorry servers are more"));
  CHECK(config_of("xlb { real_servers_max 20 }\n" + service("")).xlb.real_servers_max == 20);
  const Config from = config_of(service(""));
  const Config to = config_of("xlb { real_servers_max 20 }\n" + service(""));
  CHECK(needs_restart(from, to).at(0) == "real_servers_max takes effect at the next start");
}
