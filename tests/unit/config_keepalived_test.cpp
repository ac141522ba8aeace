// Where `xlbd -t` and keepalived's own check of a configuration must agree: snippets as they are
// found in the wild, with what keepalived 2.2.7 says of them.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "config_source.h"

using namespace xlb;

namespace {

enum class Verdict : uint8_t { silent, warned, refused };

struct Snippet {
  std::string_view text;
  Verdict verdict = Verdict::warned;
  int line = 0;             // of the first diagnostic
  std::string_view says{};  // part of it
};

std::string instance(std::string_view words) {
  return fmt::format(
      "vrrp_instance VI_1 {{\n interface eth0\n virtual_router_id 51\n virtual_ipaddress {{\n"
      " 10.1.0.254/24\n }}\n{}\n}}\n",
      words);
}

std::string service(std::string_view words, std::string_view check = "") {
  return fmt::format(
      "virtual_server 10.0.0.1 80 {{\n lvs_sched rr\n lvs_method NAT\n protocol TCP\n{}\n"
      " real_server 10.0.0.2 80 {{\n{}\n }}\n}}\n",
      words, check);
}

void check(const Snippet& snippet, const std::string& text) {
  const ParseOutcome outcome = test::parse_text(text);
  CAPTURE(text);
  CAPTURE(test::report(outcome));
  CHECK(outcome.config.has_value() == (snippet.verdict != Verdict::refused));
  CHECK(outcome.diagnostics.empty() == (snippet.verdict == Verdict::silent));
  if (snippet.verdict == Verdict::silent) return;
  const bool said =
      std::any_of(outcome.diagnostics.begin(), outcome.diagnostics.end(), [&](const auto& one) {
        const bool is_error = one.severity == Diagnostic::Severity::error;
        return is_error == (snippet.verdict == Verdict::refused) &&
               one.place.line == snippet.line && one.text.find(snippet.says) != std::string::npos;
      });
  CHECK(said);
}

}  // namespace

TEST_CASE("an instance that keepalived takes is taken, with a warning where it goes on from more") {
  using enum Verdict;
  const Snippet snippets[] = {
      {"state BACKUP\n priority 100\n nopreempt", silent},
      {"mcast_src_ip 10.1.0.1/24", warned, 7, "`/24` is ignored"},
      {"unicast_src_ip 10.1.0.1/24\n unicast_peer {\n10.1.0.2/24\n}", warned, 9,
       "`/24` is ignored"},
      {"notify_master \"\"", warned, 7, "nothing is run"},
      {"authentication {\n auth_type AH\n auth_pass 1234\n}", warned, 8, "carry no authentication"},
      {"strict_mode\n unicast_peer {\n 10.1.0.2\n}", warned, 8, "it is used all the same"},
      {"unicast_src_ip 10.1.0.1", warned, 7, "there is no unicast_peer"},
      {"unicast_peer {\n}", warned, 7, "there is no unicast_peer"},
      {"unicast_fault_no_peer\n unicast_src_ip 10.1.0.1", silent},
      {"nopreempt\n preempt_delay 300", warned, 8, "preempt_delay is ignored"},
      {"track_interface {\n eth0\n}", warned, 8, "own interface"},
      {"dont_track_primary\n track_interface {\n eth0\n}", warned, 9, "would not watch it"},
      {"track_interface {\n eth1\n}", silent},
      {"virtual_ipaddress_excluded {\n 2001:db8::1/64 scope link\n}", warned, 8,
       "scope is ignored"},
      {"garp_master_repeat 0", warned, 7, "taken for 1"},
      {"garp_lower_prio_repeat 0", silent},
      {"interface eth0:1", warned, 7, "an address' label"},
      {"track_interface {\n eth1:0\n}", warned, 8, "an address' label"},
      {"virtual_ipaddress_excluded {\n 10.2.0.1 dev eth1:0\n}", warned, 8, "an address' label"},
      {"notify_master /bin/sh /etc/a.sh 3", warned, 7, "is not a user: nothing is run"},
      {"notify_master /bin/a\n notify_master /bin/b", warned, 8, "the first counts"},
      {"mcast_src_ip 224.0.0.118", warned, 7, "it is ignored"},
      {"virtual_ipaddress_excluded {\n 0.0.0.0\n}", warned, 8, "cannot be a host's address"},
      {"virtual_ipaddress_excluded {\n 224.1.1.1\n}", warned, 8, "it is left out"},
      {"virtual_ipaddress_excluded {\n dev eth0 10.2.0.1\n}", warned, 8, "the first word"},
      {"virtual_ipaddress_excluded {\n [2001:db8::1]\n}", warned, 8, "takes no brackets"},
      {"use_vmac\n unicast_peer {\n 10.1.0.2\n}", warned, 7, "needs vmac_xmit_base"},
      {"use_vmac\n vmac_xmit_base\n unicast_peer {\n 10.1.0.2\n}", silent},
      {"use_vmac a b", warned, 7, "the interface is called `a` already"},
      {"virtual_routes {\n 10.2.0.0/16 via 10.1.0.1\n}", warned, 8, "names no dev"},
      {"virtual_routes {\n 10.2.0.0/16 via 10.1.0.1 no_track\n}", silent},
      {"virtual_routes {\n 10.2.0.0/16 dev eth0 ttl-propagate enabled\n}", warned, 8, "MPLS"},
      {"track_bfd {\n nothing\n}", warned, 8, "there is no bfd_instance `nothing`"},
      {"use_vmac vrrp:1", refused, 7, "cannot be an interface's name"},
      {"track_script {\n nothing\n}", refused, 8, "there is no vrrp_script"},
  };
  for (const Snippet& snippet : snippets)
    check(snippet, instance(snippet.text));
}

TEST_CASE("a tracker that is defined below its use is found, and keepalived's order recommended") {
  const std::string use = instance("track_script {\n chk\n}");
  const std::string script = "vrrp_script chk {\n script \"/bin/true\"\n}\n";
  check({"", Verdict::silent}, script + use);
  check({"", Verdict::warned, 8, "is defined below"}, use + script);
  check({"", Verdict::warned, 3, "whole seconds"},
        "vrrp_script chk {\n script \"/bin/true\"\n interval 0.5\n}\n" + use);
}

TEST_CASE("a virtual server that keepalived takes is taken") {
  using enum Verdict;
  const Snippet words[] = {
      {"alpha\n omega\n inhibit_on_failure", silent},
      {"alpha 1", warned, 5, "`alpha` alone means on"},
      {"omega 1", warned, 5, "`omega` alone means on"},
      {"inhibit_on_failure 1", warned, 5, "alone means on"},
      {"quorum_up \"\"", warned, 5, "nothing is run"},
      {"sorry_server 10.0.0.9/32 80", warned, 5, "`/32` is ignored"},
      {"persistence_engine", refused, 5, "needs a value"},
      {"weight 0", warned, 5, "at least 1"},
      {"quorum 0", refused, 5, "is taken for 1"},
      {"retry 0", warned, 5, "keepalived ignores it"},
      {"protocol SCTP", warned, 5, "is left out"},
      {"quorum_up /bin/a\n quorum_up /bin/b", warned, 6, "the first counts"},
  };
  for (const Snippet& snippet : words)
    check(snippet, service(snippet.text));
  const Snippet checks[] = {
      {"MISC_CHECK {\n misc_path \"/bin/true\"\n misc_timeout 0\n}", silent},
      {"notify_up \"\"", warned, 7, "nothing is run"},
      {"TCP_CHECK {\n connect_ip 10.0.0.3/24\n}", warned, 8, "`/24` is ignored"},
      {"TCP_CHECK {\n retry 0\n}", silent},
      {"retry 0", warned, 7, "keepalived ignores it"},
      {"weight 65536", refused, 7, "out of range"},
      {"MISC_CHECK {\n misc_path /bin/true 10.0.0.2\n}", warned, 8, "is ignored"},
      {"lvs_method TUN type gre", warned, 7, "is left out"},
      {"lvs_method TUN type gue port 6080 csum", warned, 7, "as with nocsum"},
      {"BFD_CHECK {\n name b\n}", warned, 8, "there is no bfd_instance"},
  };
  for (const Snippet& snippet : checks)
    check(snippet, service("", snippet.text));
}

TEST_CASE("a url that keepalived goes on from is gone on from, with a warning") {
  using enum Verdict;
  const Snippet urls[] = {
      {"path /", silent},
      {"path \"/a b\"", warned, 9, "is requested as `/a%20b`"},
      {"path \"/a\\r\\nHost: b\"", refused, 9, "cannot be requested"},
      {"path /\nstatus_code", warned, 10, "it has no value"},
      {"path /\nregex", warned, 10, "it has no value"},
      {"path /\nregex \"\"", warned, 10, "matches any body"},
      {"path /\nregex a\nregex_options", warned, 11, "it has no value"},
      {"path /\nregex a\nregex_options caselessly", warned, 11, "it is ignored"},
      {"path /\nregex a\nregex_stack 5", warned, 11, "it takes two numbers"},
      {"path /\nregex a\nregex_min_offset", warned, 11, "it has no value"},
      {"path /\nregex a\nregex_min_offset 9\nregex_max_offset 3", warned, 8, "both are ignored"},
  };
  for (const Snippet& snippet : urls)
    check(snippet, service("", fmt::format("HTTP_GET {{\nurl {{\n{}\n}}\n}}", snippet.text)));
  check({"", warned, 8, "an old name of `retry`"},
        service("", "HTTP_GET {\nnb_get_retry 3\nurl {\npath /\n}\n}"));
}

TEST_CASE("a bfd_instance has no effect, but what is wrong in it is said") {
  using enum Verdict;
  const Snippet words[] = {
      {"neighbor_ip 10.0.0.2", warned, 1, "has no effect"},
      {"source_ip 10.0.0.1", warned, 1, "it has no neighbor_ip"},
      {"neighbor_ip 10.0.0", warned, 2, "is not an address"},
      {"neighbor_ip 10.0.0.2\nsource_ip 2001:db8::1", warned, 1, "different IP versions"},
      {"neighbor_ip 10.0.0.2\nmin_rx 0.5", warned, 3, "out of range"},
      {"neighbor_ip 10.0.0.2\nidle_tx 100", warned, 3, "out of range"},
      {"neighbor_ip 10.0.0.2\nmultiplier x", warned, 3, "out of range"},
      {"neighbor_ip 10.0.0.2\nweight 10 reversed", warned, 3, "unknown word"},
      {"neighbor_ip 2001:db8::2\nmax_hops 65", warned, 1, "more than its ttl"},
  };
  const std::string bfd = "bfd_instance b {\nneighbor_ip 10.0.0.2\n}\n";
  check({"", warned, 12, "the first one counts"}, bfd + instance("track_bfd {\n b\n b\n}"));
  check({"", warned, 11, "is no number"}, bfd + instance("track_bfd {\n b weight 254\n}"));
  for (const Snippet& snippet : words) {
    check(snippet, fmt::format("bfd_instance b {{\n{}\n}}\n{}", snippet.text,
                               instance("track_bfd {\n b\n}")));
  }
}

TEST_CASE(
    "virtual_server_group: of two the first counts, without one the virtual server is left out") {
  const std::string rest =
      " lvs_sched rr\n lvs_method NAT\n protocol TCP\n real_server 10.0.0.2 80 "
      "{\n }\n}\n";
  const std::string twice =
      "virtual_server_group g {\n 10.0.0.1 80\n}\nvirtual_server_group g {\n 10.0.0.3 80\n}\n"
      "virtual_server group g {\n" +
      rest;
  check({"", Verdict::warned, 4, "that one counts"}, twice);
  CHECK(fmt::to_string(test::parse_text(twice).config->virtual_servers.at(0).key.address) ==
        "10.0.0.1");
  const std::string missing = "virtual_server group g {\n" + rest + service("");
  check({"", Verdict::warned, 1, "there is no virtual_server_group `g`"}, missing);
  CHECK(test::parse_text(missing).config->virtual_servers.size() == 1);
}

TEST_CASE("a FIFO's path without a slash is below /, where a daemon is") {
  const std::string text = "global_defs {\n notify_fifo run/fifo\n}\n" + instance("");
  check({"", Verdict::warned, 2, "`/run/fifo` is used"}, text);
  CHECK(test::parse_text(text).config->global.scripts.all_fifo.path == "/run/fifo");
}

TEST_CASE("a comment that ends in a backslash is said") {
  check({"", Verdict::warned, 7, "ends in a backslash"}, instance(" # priority 50 \\"));
  check({"", Verdict::warned, 7, "ends in a backslash"}, instance(" preempt # as always \\"));
  check({"", Verdict::silent}, instance(" # C:\\\\"));
}

TEST_CASE("a byte order mark is said") {
  check({"", Verdict::warned, 1, "byte order mark"}, "\xef\xbb\xbf" + instance(""));
}

TEST_CASE("strict_mode implies no_accept, but for the owner and for version 3 with accept") {
  struct Row {
    std::string_view words;
    bool accept;
    Verdict verdict;
    std::string_view says;
  };
  using enum Verdict;
  const Row rows[] = {
      {"accept", true, silent, ""},
      {"no_accept", false, silent, ""},
      {"strict_mode", false, warned, "no_accept is implied"},
      {"strict_mode\n version 3", false, warned, "no_accept is implied"},
      {"strict_mode\n accept", false, warned, "version 2 has no accept"},
      {"strict_mode\n version 3\n accept", true, silent, ""},
      {"strict_mode\n no_accept", false, silent, ""},
      {"strict_mode\n priority 255", true, silent, ""},
      {"strict_mode\n no_accept\n down_timer_adverts 4", false, warned, "down_timer_adverts"},
      {"strict_mode\n no_accept\n garp_lower_prio_repeat 2", false, warned, "garp_lower_prio"},
  };
  for (const Row& row : rows) {
    const std::string text = instance(row.words);
    check({"", row.verdict, 1, row.says}, text);
    CHECK(test::parse_text(text).config->vrrp_instances.at(0).accept == row.accept);
  }
  const std::string global = "global_defs {\n vrrp_strict\n}\n" + instance("strict_mode off");
  CHECK(test::parse_text(global).config->vrrp_instances.at(0).accept);
}

TEST_CASE("a key for TLS without its certificate is only said to be of no use") {
  check({"", Verdict::warned, 1, "a key without its certificate"},
        "SSL {\n key /etc/ssl/k.pem\n}\n" + service(""));
}

TEST_CASE("what is balanced in a way that nobody chose is said") {
  const std::string real = " real_server 10.0.0.2 80 {\n }\n}\n";
  const std::string head = "virtual_server 10.0.0.1 80 {\n protocol TCP\n";
  check({"", Verdict::warned, 1, "no lvs_sched"}, head + " lvs_method NAT\n" + real);
  check({"", Verdict::warned, 1, "no lvs_method"}, head + " lvs_sched rr\n" + real);
  check({"", Verdict::silent}, head + " lvs_sched rr\n lvs_method NAT\n" + real);
}

TEST_CASE("a virtual server without a port takes any, unless its real servers have one") {
  const auto text = [](const std::string& method, const std::string& real) {
    return "virtual_server 10.0.0.1 {\n lvs_method " + method +
           "\n lvs_sched rr\n protocol TCP\n persistence_timeout 60\n real_server " + real +
           " {\n }\n}\n";
  };
  check({"", Verdict::warned, 1, "has no port: it takes any"}, text("NAT", "10.0.0.2 80"));
  check({"", Verdict::warned, 1, "has no port: it takes any"}, text("DR", "10.0.0.2"));
  check({"", Verdict::refused, 1, "has no port"}, text("DR", "10.0.0.2 80"));
}

TEST_CASE("port 0 of a real server or a sorry server is the virtual server's") {
  const std::string text =
      "virtual_server 10.0.0.1 80 {\n lvs_sched rr\n lvs_method DR\n protocol TCP\n"
      " sorry_server 10.0.0.9 0\n real_server 10.0.0.2 0 {\n TCP_CHECK {\n }\n }\n}\n";
  check({"", Verdict::silent}, text);
  const ParseOutcome outcome = test::parse_text(text);
  REQUIRE(outcome.config.has_value());
  const VirtualServerConfig& server = outcome.config->virtual_servers.at(0);
  CHECK(server.real_servers.at(0).endpoint.port == 80);
  CHECK(server.real_servers.at(0).checks.at(0).target.port == 80);
  CHECK(server.sorry_server->port == 80);
}

TEST_CASE("the second of two virtual servers for the same address is left out with a warning") {
  const ParseOutcome outcome = test::parse_text(service("") + service("weight 3"));
  REQUIRE(outcome.config.has_value());
  CHECK(outcome.config->virtual_servers.size() == 1);
  check({"", Verdict::warned, 10, "stands already at"}, service("") + service("weight 3"));
}

TEST_CASE("global_defs: what keepalived takes is taken, what stops it is refused") {
  using enum Verdict;
  const Snippet snippets[] = {
      {"vrrp_garp_interval 0\nvrrp_gna_interval 0", warned, 2, "what is done without it"},
      {"vrrp_skip_check_adv_addr 1", warned, 2, "alone means on"},
      {"enable_script_security 1", warned, 2, "alone means on"},
      {"enable_script_security no", silent},
      {"process_name", refused, 2, "needs a value"},
      {"nftables_priority", refused, 2, "needs a value"},
  };
  for (const Snippet& snippet : snippets)
    check(snippet, fmt::format("global_defs {{\n{}\n}}\n{}", snippet.text, instance("")));
  check({"", Verdict::silent},
        "garp_group {\n garp_interval 0\n interfaces {\n eth0\n }\n}\n" + instance(""));
  check({"", Verdict::refused, 3, "needs a value"},
        "bfd_instance b {\n neighbor_ip 10.0.0.1\n min_rx\n}\n" + instance(""));
}

TEST_CASE("a comment in a value of several lines goes on when a backslash ends it") {
  const std::string text =
      "$I= \\\nvrrp_instance A { \\\n interface eth0 # the usual one \\\n # priority 50 \\\n \\\n"
      " virtual_router_id 5 \\\n virtual_ipaddress { \\\n 10.1.0.1 \\\n } \\\n}\n\n$I\n";
  const ParseOutcome outcome = test::parse_text(text);
  CAPTURE(test::report(outcome));
  REQUIRE(outcome.config.has_value());
  CHECK(outcome.config->vrrp_instances.at(0).virtual_router_id == 5);
}

TEST_CASE("a variable in braces that nobody defines is refused, in quotes it is a script's own") {
  check({"", Verdict::refused, 7, "`$PRIORITY` is not defined"}, instance("priority ${PRIORITY}"));
  check({"", Verdict::silent}, instance("notify \"/bin/sh -c 'echo ${HOME}'\""));
}
