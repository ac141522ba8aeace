// The checks of a real server as the configuration gives them: words, defaults, inheritance.
#include <doctest/doctest.h>

#include <chrono>

#include "config_source.h"

using namespace xlb;
using namespace std::chrono_literals;

namespace {

// A virtual server of one real server with these lines; `before` stands at the top level.
ParseOutcome outcome_of(const std::string& checks, const std::string& before = "",
                        const std::string& service = "") {
  return test::parse_text(
      before + "virtual_server 10.0.0.100 80 {\nlvs_sched wlc\nlvs_method DR\nprotocol TCP\n" +
      service + "\nreal_server 10.0.0.1 80 {\n" + checks + "\n}\n}\n");
}

std::vector<CheckConfig> checks_of(const std::string& checks, const std::string& before = "",
                                   const std::string& service = "") {
  const ParseOutcome outcome = outcome_of(checks, before, service);
  INFO(test::report(outcome));
  REQUIRE(outcome.config.has_value());
  CHECK(outcome.diagnostics.empty());
  return outcome.config->virtual_servers.at(0).real_servers.at(0).checks;
}

CheckConfig check_of(const std::string& checks, const std::string& before = "",
                     const std::string& service = "") {
  const auto all = checks_of(checks, before, service);
  REQUIRE(all.size() == 1);
  return all[0];
}

}  // namespace

TEST_CASE("a check leaves from where it says") {
  const CheckConfig check = check_of(
      "TCP_CHECK {\nbindto 10.0.0.9\nbind_port 4000\nbind_if eth1\nfwmark 7\nlog_all_failures\n}");
  CHECK(check.source.address == IpAddress::v4(10, 0, 0, 9));
  CHECK(check.source.port == 4000);
  CHECK(check.source.interface == "eth1");
  CHECK(check.source.mark == 7);
  CHECK(check.log_all_failures);
}

TEST_CASE("each kind of check has keepalived's defaults") {
  const CheckConfig tcp = check_of("TCP_CHECK {\n}");
  CHECK(tcp.timing.retry == 1);
  CHECK(tcp.timing.delay_before_retry == 1s);
  CHECK(tcp.timing.connect_timeout == 5s);
  CHECK(check_of("HTTP_GET {\nurl {\npath /\n}\n}").timing.delay_before_retry == 3s);
  const CheckConfig dns = check_of("DNS_CHECK {\n}", "", "delay_loop 6");
  CHECK(dns.timing.retry == 3);
  CHECK(dns.timing.delay_before_retry == 6s);
  CHECK(std::get<DnsCheck>(dns.own) == DnsCheck{6, "."});
  CHECK(check_of("MISC_CHECK {\nmisc_path /bin/true\n}").timing.retry == 0);
  const UdpCheck udp = std::get<UdpCheck>(check_of("UDP_CHECK {\n}").own);
  CHECK(udp.payload.empty());
  CHECK_FALSE(udp.reply_needed);
  CHECK(udp.longest_reply == 255);
}

TEST_CASE("an outer retry outweighs a kind's own default") {
  CHECK(check_of("DNS_CHECK {\n}", "", "retry 5").timing.retry == 5);
  CHECK(check_of("MISC_CHECK {\nmisc_path /bin/true\n}", "", "retry 5").timing.retry == 5);
}

TEST_CASE("a url's regex has options, a window and a stack") {
  const CheckConfig check = check_of(
      "HTTP_GET {\nurl {\npath /\nregex \"It (works|runs)\"\nregex_no_match\n"
      "regex_options caseless dotall\nregex_min_offset 10\nregex_max_offset 400\n"
      "regex_stack 32768 65536\n}\n}");
  const BodyPattern& pattern = check.urls.at(0).pattern.value();
  CHECK(pattern.expression == "It (works|runs)");
  CHECK_FALSE(pattern.must_match);
  CHECK(pattern.options == std::vector<std::string>{"caseless", "dotall"});
  CHECK(pattern.first_offset == 10);
  CHECK(pattern.last_offset == 400U);
  CHECK(pattern.stack_start == 32768);
  CHECK(pattern.stack_most == 65536);
}

TEST_CASE("the SSL block is every SSL_GET's, wherever it stands") {
  const std::string ssl =
      "SSL {\nca /etc/ca.pem\ncertificate /etc/own.pem\nkey /etc/own.key\npassword secret\n}\n";
  const auto checks = checks_of(
      "SSL_GET {\ntls_compliant\nfast_recovery\nurl {\npath /\n}\n}\nHTTP_GET {\nurl {\npath "
      "/\n}\n}",
      ssl);
  CHECK(checks.at(0).tls.certificate == "/etc/own.pem");
  CHECK(checks.at(0).tls.key == "/etc/own.key");
  CHECK(checks.at(0).tls.ca == "/etc/ca.pem");
  CHECK(checks.at(0).tls.password == "secret");
  CHECK(checks.at(1).tls == TlsClient{});
}

TEST_CASE("SMTP_CHECK greets as it is told; each host block is a check of its own") {
  const CheckConfig plain = check_of("SMTP_CHECK {\nhelo_name lb.example.org\nconnect_port 25\n}");
  CHECK(std::get<SmtpCheck>(plain.own).helo_name == "lb.example.org");
  CHECK(plain.target.to_string() == "10.0.0.1:25");
  const auto hosts = checks_of(
      "SMTP_CHECK {\nhelo_name x\nconnect_port 25\nconnect_timeout 2\n"
      "host {\nconnect_ip 10.0.0.7\n}\nhost {\nconnect_port 587\nconnect_timeout 4\n}\n}");
  REQUIRE(hosts.size() == 2);
  CHECK(hosts[0].target.to_string() == "10.0.0.7:25");
  CHECK(hosts[0].timing.connect_timeout == 2s);
  CHECK(std::get<SmtpCheck>(hosts[0].own).helo_name == "x");
  CHECK(hosts[1].target.to_string() == "10.0.0.1:587");
  CHECK(hosts[1].timing.connect_timeout == 4s);
}

TEST_CASE("DNS_CHECK asks for a name and a type, letter case aside") {
  const CheckConfig check = check_of("DNS_CHECK {\ntype aaaa\nname www.example.org.\n}");
  CHECK(std::get<DnsCheck>(check.own) == DnsCheck{28, "www.example.org."});
}

TEST_CASE("UDP_CHECK's bytes are written as keepalived reads them") {
  const CheckConfig check = check_of(
      "UDP_CHECK {\npayload Ab12f 3 456 546443123\nrequire_reply 0aXX 1x X\n"
      "min_reply_length 2\nmax_reply_length 400\n}");
  const UdpCheck udp = std::get<UdpCheck>(check.own);
  CHECK(udp.payload ==
        std::vector<uint8_t>{0xab, 0x12, 0x0f, 0x03, 0x45, 0x06, 0x54, 0x64, 0x43, 0x12, 0x03});
  CHECK(udp.reply_needed);
  CHECK(udp.reply.bytes == std::vector<uint8_t>{0x0a, 0, 0x10, 0});
  CHECK(udp.reply.mask == std::vector<uint8_t>{0xff, 0, 0xf0, 0xf0});
  CHECK(udp.shortest_reply == 2);
  CHECK(udp.longest_reply == 400);
  CHECK(std::get<UdpCheck>(check_of("UDP_CHECK {\npayload \"0a 0b\"\n}").own).payload ==
        std::vector<uint8_t>{0x0a, 0x0b});
}

TEST_CASE("PING_CHECK's target has no port") {
  const CheckConfig check = check_of("PING_CHECK {\nconnect_timeout 2\n}");
  CHECK(check.kind == CheckKind::ping);
  CHECK(target_of(check) == "10.0.0.1");
}

TEST_CASE("MISC_CHECK runs its program as its user, else as script_user") {
  const CheckConfig check = check_of(
      "MISC_CHECK {\nmisc_path \"/usr/bin/check 10.0.0.1\"\nmisc_timeout 3\nmisc_dynamic\n"
      "user nobody nogroup\n}",
      "global_defs {\nscript_user daemon\n}\n");
  const auto& misc = std::get<MiscCheck>(check.own);
  CHECK(misc.script.argv == std::vector<std::string>{"/usr/bin/check", "10.0.0.1"});
  CHECK(misc.script.user == "nobody");
  CHECK(misc.script.group == "nogroup");
  CHECK(misc.timeout == 3s);
  CHECK(misc.dynamic);
  CHECK(target_of(check) == "/usr/bin/check 10.0.0.1");
  const CheckConfig other =
      check_of("MISC_CHECK {\nmisc_path /bin/true\n}", "global_defs {\nscript_user daemon\n}\n");
  CHECK(std::get<MiscCheck>(other.own).script.user == "daemon");
}

TEST_CASE("FILE_CHECK has its track_file's path, and its weight unless it gives one") {
  const std::string file =
      "track_file load {\nfile /run/load\nweight 3 reverse\ninit_file 7 overwrite\n}\n";
  const CheckConfig check = check_of("FILE_CHECK {\ntrack_file load\n}", file, "retry 5\nalpha");
  const auto& own = std::get<FileCheck>(check.own);
  CHECK(own.path == "/run/load");
  CHECK(own.weight == 3);
  CHECK(own.reverse);
  CHECK(own.init_value == 7);
  CHECK(own.init_overwrites);
  CHECK(target_of(check) == "load");
  CHECK(check.timing.retry == 0);
  CHECK_FALSE(check.timing.alpha);
  const CheckConfig other = check_of("FILE_CHECK {\ntrack_file load\nweight -5\n}", file);
  CHECK(std::get<FileCheck>(other.own).weight == -5);
  CHECK_FALSE(std::get<FileCheck>(other.own).reverse);
}

TEST_CASE("checker_log_all_failures and rs_init_notifies hold for all") {
  const ParseOutcome outcome =
      outcome_of("TCP_CHECK {\n}", "global_defs {\nchecker_log_all_failures\nrs_init_notifies\n}\n",
                 "ha_suspend");
  REQUIRE(outcome.config.has_value());
  const VirtualServerConfig& service = outcome.config->virtual_servers.at(0);
  CHECK(service.ha_suspend);
  CHECK(service.rs_init_notifies);
  CHECK(service.real_servers.at(0).checks.at(0).log_all_failures);
}

TEST_CASE("two checks that differ in a word are not the same check") {
  const CheckConfig one = check_of("DNS_CHECK {\nname a\n}");
  CHECK(one == check_of("\n\nDNS_CHECK {\nname a\n}"));
  CHECK_FALSE(one == check_of("DNS_CHECK {\nname b\n}"));
  CHECK_FALSE(check_of("TCP_CHECK {\n}") == check_of("TCP_CHECK {\nfwmark 1\n}"));
}
