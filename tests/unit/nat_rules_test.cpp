#include "core/nat_rules.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

namespace xlb {
namespace {

const IpAddress kVip = IpAddress::v4(10, 10, 0, 3);
const IpAddress kOwn = IpAddress::v4(10, 10, 0, 1);

const std::string kEmptyTable =
    "add table ip xlb\n"
    "add chain ip xlb prerouting { type nat hook prerouting priority dstnat; policy accept; }\n"
    "add chain ip xlb output { type nat hook output priority -100; policy accept; }\n"
    "add chain ip xlb forward { type filter hook forward priority filter; policy accept; }\n"
    "flush chain ip xlb prerouting\n"
    "flush chain ip xlb output\n"
    "flush chain ip xlb forward\n";

TEST_CASE("nat rules: a local service is translated on arrival and for the host's own processes") {
  const std::vector<LocalService> services = {
      {{kVip, 80, Protocol::tcp}, {kOwn, 80}},
      {{kVip, 53, Protocol::udp}, {kOwn, 53}},
  };
  CHECK(render_local_delivery(services) ==
        kEmptyTable +
            "add rule ip xlb prerouting ip daddr 10.10.0.3 udp dport 53 counter dnat to "
            "10.10.0.1:53 comment \"UDP 10.10.0.3:53\"\n"
            "add rule ip xlb prerouting ip daddr 10.10.0.3 tcp dport 80 counter dnat to "
            "10.10.0.1:80 comment \"TCP 10.10.0.3:80\"\n"
            "add rule ip xlb output ip daddr 10.10.0.3 udp dport 53 counter dnat to "
            "10.10.0.1:53 comment \"UDP 10.10.0.3:53\"\n"
            "add rule ip xlb output ip daddr 10.10.0.3 tcp dport 80 counter dnat to "
            "10.10.0.1:80 comment \"TCP 10.10.0.3:80\"\n"
            "add rule ip xlb forward ip daddr 10.10.0.3 udp dport 53 counter drop "
            "comment \"UDP 10.10.0.3:53\"\n"
            "add rule ip xlb forward ip daddr 10.10.0.3 tcp dport 80 counter drop "
            "comment \"TCP 10.10.0.3:80\"\n");
}

TEST_CASE("nat rules: no services empty the table") {
  CHECK(render_local_delivery({}) == kEmptyTable);
}

TEST_CASE("nat rules: the order of the services does not change the text") {
  std::vector<LocalService> services = {
      {{kVip, 80, Protocol::tcp}, {kOwn, 80}},
      {{kVip, 443, Protocol::tcp}, {kOwn, 443}},
  };
  const std::string before = render_local_delivery(services);
  std::swap(services[0], services[1]);
  CHECK(render_local_delivery(services) == before);
}

TEST_CASE("nat rules: one delivery per virtual server, none onto itself, none for IPv6") {
  const std::vector<LocalService> services = {
      {{kVip, 80, Protocol::tcp}, {kOwn, 80}},
      {{kVip, 80, Protocol::tcp}, {IpAddress::v4(10, 10, 0, 9), 80}},
      {{kVip, 81, Protocol::tcp}, {kVip, 81}},
      {{*IpAddress::parse("2001:db8::3"), 80, Protocol::tcp}, {*IpAddress::parse("::1"), 80}},
  };
  CHECK(render_local_delivery(services) == render_local_delivery(std::span(services).first(1)));
}

TEST_CASE("nat rules: every command names the table ip xlb and no other") {
  const std::vector<LocalService> services = {{{kVip, 80, Protocol::tcp}, {kOwn, 80}}};
  const std::string text = render_local_delivery(services);
  for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
    const std::string line = text.substr(at, text.find('\n', at) - at);
    CAPTURE(line);
    CHECK(line.find(" ip xlb") != std::string::npos);
    CHECK(line.find("table inet") == std::string::npos);
  }
}

}  // namespace
}  // namespace xlb
