// interface_up_down_delays and log_unknown_vrids as they are read.
#include <doctest/doctest.h>

#include "config_source.h"
#include "core/config_diff.h"

using namespace xlb;
using namespace xlb::test;
using std::chrono::microseconds;

namespace {

std::string with_delays(const std::string& lines, const std::string& words = "") {
  return "interface_up_down_delays {\n" + lines +
         "\n}\nvrrp_instance VI_1 {\n interface eth0\n virtual_router_id 10\n" + words +
         "\n virtual_ipaddress {\n 10.0.0.3/24\n }\n}\n";
}

std::vector<LinkDelay> delays(const ParseOutcome& outcome) {
  REQUIRE_MESSAGE(outcome.config, report(outcome));
  return outcome.config->network.link_delays;
}

}  // namespace

TEST_CASE("interface_up_down_delays: down and up of each interface; without up none") {
  const auto outcome = parse_text(with_delays("eth0 1.5 0.25\neth1 0.000001"));
  CHECK(report(outcome).empty());
  const std::vector<LinkDelay> expected = {{"eth0", microseconds(1'500'000), microseconds(250'000)},
                                           {"eth1", microseconds(1), microseconds(0)}};
  CHECK(delays(outcome) == expected);
}

TEST_CASE("interface_up_down_delays are shorter than a backup's patience") {
  const auto outcome = parse_text(with_delays("eth0 3 1"));
  CHECK(report(outcome).find("eth0: the backup VI_1 would become master") != std::string::npos);
  const std::vector<LinkDelay> expected = {
      {"eth0", microseconds(2'000'000 - 3906), microseconds(1'000'000)}};
  CHECK(delays(outcome) == expected);
  CHECK(report(parse_text(with_delays("eth0 3", "down_timer_adverts 5"))).empty());
  CHECK(report(parse_text(with_delays("eth1 3"))).empty());
  const auto none = parse_text(with_delays("eth0 0.1", "down_timer_adverts 1"));
  CHECK(report(none).find("down_timer_adverts of 2 or more") != std::string::npos);
  CHECK(delays(none).front().down == microseconds(0));
}

TEST_CASE("interface_up_down_delays: what cannot be read is said at its place") {
  CHECK(report(parse_text(with_delays("eth0"))).find("number of seconds") != std::string::npos);
  CHECK(report(parse_text(with_delays("eth0 256"))).find("x.conf:2:6: error") != std::string::npos);
  CHECK(report(parse_text(with_delays("eth0 1 x"))).find("x.conf:2:8: error") != std::string::npos);
  const auto twice = parse_text(with_delays("eth0 1\neth0 0.5"));
  CHECK(report(twice).find("eth0 stands here a second time") != std::string::npos);
  CHECK(delays(twice).front().down == microseconds(500'000));
}

TEST_CASE("interface_up_down_delays: a change is told") {
  const auto before = parse_text(with_delays("eth0 1"));
  const auto after = parse_text(with_delays("eth0 1 1"));
  REQUIRE((before.config && after.config));
  CHECK(differences(*before.config, *after.config) ==
        std::vector<std::string>{"~ interface_up_down_delays"});
}

TEST_CASE("log_unknown_vrids takes no value") {
  const auto outcome = parse_text("global_defs {\n log_unknown_vrids\n}\n" + with_delays(""));
  REQUIRE(outcome.config);
  CHECK(report(outcome).empty());
  CHECK(outcome.config->global.log_unknown_vrids);
  CHECK_FALSE(parse_text(with_delays("")).config->global.log_unknown_vrids);
}
