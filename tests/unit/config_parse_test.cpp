#include "core/config_parse.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <string>

#include "config_source.h"
#include "core/keywords.h"
#include "io/config_file.h"

using namespace xlb;
using namespace std::chrono_literals;
using test::parse_text;
using test::report;

namespace {

Config parse_fixture(const std::string& name) {
  ConfigFileReader reader;
  auto outcome = parse_config(XLB_SOURCE_DIR "/tests/fixtures/" + name, reader, ParseOptions{true});
  CAPTURE(report(outcome));
  REQUIRE(outcome.config.has_value());
  return std::move(*outcome.config);
}

std::string vrrp(const std::string& words) {
  return "vrrp_instance A {\n interface eth0\n virtual_router_id 1\n" + words +
         "\n virtual_ipaddress { 10.0.0.1 }\n}\n";
}

std::string service(const std::string& words, const std::string& in_real_server) {
  return "virtual_server 10.0.0.1 80 {\n lb_algo rr\n lb_kind DR\n protocol TCP\n" + words +
         "\n real_server 10.0.0.2 80 {\n" + in_real_server + "\n }\n}\n";
}

VrrpInstanceConfig instance_of(const std::string& words) {
  auto outcome = parse_text(vrrp(words));
  CAPTURE(report(outcome));
  REQUIRE(outcome.config.has_value());
  return outcome.config->vrrp_instances.at(0);
}

CheckConfig check_of(const std::string& words, const std::string& in_real_server) {
  auto outcome = parse_text(service(words, in_real_server));
  CAPTURE(report(outcome));
  REQUIRE(outcome.config.has_value());
  return outcome.config->virtual_servers.at(0).real_servers.at(0).checks.at(0);
}

// The hints and texts of all diagnostics about `text`.
std::string complaints(const std::string& text, bool unknown_is_error = true) {
  return report(parse_text(text, unknown_is_error));
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("the tutorial's master configuration means what its author meant") {
  const Config config = parse_fixture("tutorial/master.conf");
  REQUIRE(config.vrrp_instances.size() == 1);
  const VrrpInstanceConfig& instance = config.vrrp_instances[0];
  CHECK(instance.name == "VI_1");
  CHECK(instance.interface == "eth0");
  CHECK(instance.virtual_router_id == 10);
  CHECK(instance.priority == 200);
  CHECK(instance.initial_state == VrrpInitialState::master);
  CHECK(instance.version == VrrpVersion::v2);
  CHECK(instance.advert_interval == 1s);
  CHECK(instance.preempt);
  CHECK(instance.announce.delay == 5s);
  REQUIRE(instance.virtual_addresses.size() == 1);
  CHECK(instance.virtual_addresses[0].address.to_string() == "10.10.0.3/24");
  REQUIRE(instance.notify_master.has_value());
  CHECK(instance.notify_master->argv ==
        std::vector<std::string>{"/etc/keepalived/notify.sh", "del", "10.10.0.3"});
  CHECK(instance.notify_backup->argv.at(1) == "add");
  CHECK(instance.notify_fault->argv.at(1) == "add");
  CHECK_FALSE(instance.notify_stop.has_value());

  REQUIRE(config.virtual_servers.size() == 1);
  const VirtualServerConfig& server = config.virtual_servers[0];
  CHECK(server.key.to_string() == "TCP 10.10.0.3:80");
  CHECK(server.scheduler == Scheduler::rr);
  CHECK(server.method == ForwardingMethod::direct_routing);
  CHECK(server.persistence_timeout == 50s);
  REQUIRE(server.real_servers.size() == 2);
  const RealServerConfig& real = server.real_servers[1];
  CHECK(real.endpoint.to_string() == "10.10.0.2:80");
  CHECK(real.weight == 100);
  REQUIRE(real.checks.size() == 1);
  const CheckConfig& check = real.checks[0];
  CHECK(check.kind == CheckKind::http_get);
  CHECK(check.target == real.endpoint);
  CHECK(check.timing.delay_loop == 30s);
  CHECK(check.timing.connect_timeout == 3s);
  CHECK(check.timing.retry == 3);
  CHECK(check.timing.delay_before_retry == 2s);
  REQUIRE(check.urls.size() == 1);
  CHECK(check.urls[0].path == "/index.php");
  CHECK(check.urls[0].md5_digest == "d41d8cd98f00b204e9800998ecf8427e");
  CHECK_FALSE(config.has_xlb_block);
}

TEST_CASE("the tutorial's files give two warnings: the digest of nothing, an old word") {
  for (const char* name : {"master.conf", "backup.conf"}) {
    ConfigFileReader reader;
    const auto outcome = parse_config(
        std::string(XLB_SOURCE_DIR "/tests/fixtures/tutorial/") + name, reader, ParseOptions{true});
    CAPTURE(report(outcome));
    REQUIRE(outcome.diagnostics.size() == 2);
    CHECK(outcome.config.has_value());
    CHECK(outcome.diagnostics[0].place.line == 25);
    CHECK(contains(outcome.diagnostics[1].text, "an old name of `retry`"));
    CHECK(contains(outcome.diagnostics[0].text, "any empty body"));
  }
}

TEST_CASE("every acted word of vrrp_instance reaches the model") {
  const Config config = parse_fixture("good/plain.conf");
  REQUIRE(config.vrrp_instances.size() == 2);
  const VrrpInstanceConfig& first = config.vrrp_instances[0];
  CHECK(first.name == "VI 1");
  CHECK(first.advert_interval == 2s);
  CHECK_FALSE(first.preempt);
  CHECK(first.auth_password == "a b#c");
  CHECK(first.announce.delay == 3s);  // global_defs
  REQUIRE(first.virtual_addresses.size() == 2);
  CHECK(first.virtual_addresses[1].address.prefix_length == 32);
  CHECK(first.virtual_addresses[1].device == "eth1");
  CHECK(first.notify_master->argv.at(2) == "10.10.0.3 10.10.0.4");
  CHECK(first.notify_backup->user == "nobody");
  CHECK(first.notify_backup->group == "nogroup");
  CHECK(first.notify->user == "daemon");
  CHECK(first.place.line == 9);
  CHECK(first.interface_place.column == 15);
  const VrrpInstanceConfig& second = config.vrrp_instances[1];
  CHECK(second.version == VrrpVersion::v3);
  CHECK(second.advert_interval == 250ms);
  CHECK(second.announce.delay == 0s);
  CHECK(config.global.router_id == "LVS_1");
  CHECK(config.global.script_user == "root");
}

TEST_CASE("every acted word of virtual_server and of the xlb block reaches the model") {
  const Config config = parse_fixture("good/plain.conf");
  REQUIRE(config.virtual_servers.size() == 2);
  const VirtualServerConfig& web = config.virtual_servers[0];
  CHECK(web.scheduler == Scheduler::wrr);
  CHECK(web.persistence_timeout == 360s);
  REQUIRE(web.real_servers.size() == 2);
  CHECK(web.real_servers[0].weight == 7);
  REQUIRE(web.real_servers[0].checks.size() == 2);
  const CheckConfig& http = web.real_servers[0].checks[0];
  CHECK(http.target.to_string() == "10.10.0.11:8080");
  CHECK(http.timing.retry == 5);
  CHECK(http.timing.delay_loop == 1500ms);
  CHECK(http.timing.connect_timeout == 2s);
  CHECK(http.timing.delay_before_retry == 3s);
  REQUIRE(http.urls.size() == 2);
  CHECK(http.urls[0].md5_digest == "d41d8cd98f00b204e9800998ecf8427f");
  CHECK(http.urls[1].status_codes.at(1).first == 300);
  CHECK(http.urls[1].status_codes.at(1).last == 304);
  const CheckConfig& tcp = web.real_servers[0].checks[1];
  CHECK(tcp.kind == CheckKind::tcp);
  CHECK(tcp.timing.connect_timeout == 500ms);
  CHECK(tcp.timing.retry == 4);
  CHECK(tcp.timing.delay_before_retry == 1s);
  CHECK(web.real_servers[1].endpoint.port == 80);
  CHECK(web.real_servers[1].weight == 0);
  CHECK(web.real_servers[1].checks.at(0).timing.delay_loop == 9s);
  CHECK(config.virtual_servers[1].key.protocol == Protocol::udp);

  CHECK(config.has_xlb_block);
  CHECK(config.xlb.attach_mode == AttachMode::generic);
  CHECK(config.xlb.interfaces == std::vector<std::string>{"eth0", "eth1", "eth2"});
  CHECK(config.xlb.flow_table_size == 131072);
  CHECK(config.xlb.peers.size() == 2);
  CHECK_FALSE(config.xlb.status_listen.has_value());
}

TEST_CASE("checks have keepalived's defaults and inherit the nearest value") {
  const CheckConfig tcp = check_of("", "TCP_CHECK { }");
  CHECK(tcp.timing.delay_loop == 60s);
  CHECK(tcp.timing.connect_timeout == 5s);
  CHECK(tcp.timing.retry == 1);
  CHECK(tcp.timing.delay_before_retry == 1s);
  CHECK(check_of("", "HTTP_GET { url { path / } }").timing.delay_before_retry == 3s);
  // Words of the virtual server count also when they follow the real server.
  auto outcome = parse_text(
      "virtual_server 10.0.0.1 80 {\n real_server 10.0.0.2 80 {\n TCP_CHECK { }\n retry 7\n }\n"
      " delay_loop 0.5\n retry 3\n lb_algo rr\n lb_kind DR\n protocol TCP\n}\n");
  REQUIRE(outcome.config.has_value());
  const CheckConfig& late = outcome.config->virtual_servers[0].real_servers[0].checks[0];
  CHECK(late.timing.delay_loop == 500ms);
  CHECK(late.timing.retry == 7);
}

TEST_CASE("global_defs counts wherever it stands") {
  const auto outcome = parse_text(vrrp("advert_int 0.1") + "global_defs {\n vrrp_version 3\n}\n");
  CAPTURE(report(outcome));
  REQUIRE(outcome.config.has_value());
  CHECK(outcome.config->vrrp_instances[0].version == VrrpVersion::v3);
  CHECK(outcome.config->vrrp_instances[0].advert_interval == 100ms);
}

TEST_CASE("a master without a priority is the address owner, as in keepalived") {
  CHECK(instance_of("state MASTER").priority == 255);
  CHECK(instance_of("").priority == 100);
  CHECK(instance_of("priority 255").initial_state == VrrpInitialState::master);
}

TEST_CASE("nopreempt needs state BACKUP") {
  CHECK_FALSE(instance_of("state BACKUP\n nopreempt").preempt);
  CHECK(instance_of("state MASTER\n priority 50\n nopreempt").preempt);
  CHECK(contains(complaints(vrrp("state MASTER\n priority 50\n nopreempt")),
                 "x.conf:6:2: warning: nopreempt is ignored: it needs state BACKUP"));
}

TEST_CASE("passwords are cut at eight bytes and unused in version 3") {
  CHECK(instance_of("authentication {\n auth_type PASS\n auth_pass 1234567890\n}").auth_password ==
        "12345678");
  CHECK(instance_of("version 3\n authentication {\n auth_type PASS\n auth_pass 1234\n}")
            .auth_password.empty());
}

TEST_CASE("states that keepalived does not know are BACKUP with a warning") {
  for (const char* state : {"SLAVE", "master", "Backup"}) {
    CHECK(instance_of(std::string("state ") + state).initial_state == VrrpInitialState::backup);
    CHECK(contains(complaints(vrrp(std::string("state ") + state)), "BACKUP is used"));
  }
}

TEST_CASE("an unknown word is an error when checking and skipped with its block when running") {
  const std::string text = vrrp("nosuch 1 2 {\n a {\n b\n }\n interface eth9\n }\n priority 7");
  CHECK(contains(complaints(text), "x.conf:4:1: error: unknown word `nosuch` in vrrp_instance"));
  const auto outcome = parse_text(text, false);
  CAPTURE(report(outcome));
  REQUIRE(outcome.config.has_value());
  CHECK(outcome.config->vrrp_instances[0].interface == "eth0");
  CHECK(outcome.config->vrrp_instances[0].priority == 7);
  REQUIRE(outcome.diagnostics.size() == 1);
  CHECK(outcome.diagnostics[0].severity == Diagnostic::Severity::warning);
}

TEST_CASE("a hint names the near word and where a misplaced word belongs") {
  CHECK(contains(complaints(vrrp("prioritty 7")), "did you mean `priority`?"));
  CHECK(
      contains(complaints("Virtual_Server 10.0.0.1 80 {\n}\n"), "did you mean `virtual_server`?"));
  CHECK(contains(complaints(service("", "delay_lop 7")), "did you mean `delay_loop`?"));
  CHECK(contains(complaints(service("", "virtual_router_id 7")),
                 "`virtual_router_id` belongs in vrrp_instance"));
  CHECK(contains(complaints("xlb {\n attach_mode ntive\n}\n"), "did you mean `native`?"));
}

TEST_CASE("a word that is not acted on is one warning however often it stands") {
  const std::string text = "bfd_instance a {\n neighbor_ip 10.0.0.2\n}\n" +
                           vrrp("track_bfd {\n a\n }") +
                           "vrrp_instance B {\n interface eth1\n virtual_router_id 2\n"
                           " track_bfd {\n a\n }\n virtual_ipaddress { 10.0.0.2 }\n}\n";
  const auto outcome = parse_text(text);
  REQUIRE(outcome.diagnostics.size() == 1);
  CHECK(to_string(outcome.diagnostics[0]) ==
        "x.conf:1:1: warning: `bfd_instance` has no effect: xlbd has no BFD");
}

TEST_CASE("every keyword that has no effect says what follows") {
  size_t words = 0;
  for (int i = static_cast<int>(BlockKind::root); i <= static_cast<int>(BlockKind::tcp_check);
       ++i) {
    const auto kind = static_cast<BlockKind>(i);
    std::set<std::string_view> names;
    for (const Keyword& keyword : keywords_of(kind)) {
      CAPTURE(keyword.name);
      CHECK(names.insert(keyword.name).second);
      CHECK((keyword.standing == Standing::acted) == describe(keyword).empty());
      if (kind != BlockKind::auth_hmac) {
        CHECK((keyword.standing == Standing::acted) == keyword.consequence.empty());
      }
      ++words;
    }
  }
  CHECK(words > 250);
}

TEST_CASE("a virtual router id may be used again on another interface") {
  const auto outcome = parse_text(vrrp("") +
                                  "vrrp_instance B {\n interface eth1\n virtual_router_id 1\n"
                                  " virtual_ipaddress { 10.0.0.2 }\n}\n");
  CHECK(outcome.diagnostics.empty());
}

TEST_CASE("diagnostics come in reading order across included files") {
  test::MemoryReader reader;
  reader.files["main"] = "x1\ninclude sub\nx4\n";
  reader.files["sub"] = "x2\nx3\n";
  const auto outcome = parse_config("main", reader, ParseOptions{true});
  std::string places;
  for (const auto& diagnostic : outcome.diagnostics)
    places += to_string(diagnostic.place) + " ";
  CHECK(places == "main:1:1 sub:1:1 sub:2:1 main:3:1 ");
}

TEST_CASE("a block may be spread over included files") {
  test::MemoryReader reader;
  reader.files["main"] = "vrrp_instance A {\n include common\n virtual_router_id 1\n}\n";
  reader.files["common"] = "interface eth0\nvirtual_ipaddress { 10.0.0.1 }\n";
  const auto outcome = parse_config("main", reader, ParseOptions{true});
  CAPTURE(report(outcome));
  REQUIRE(outcome.config.has_value());
  CHECK(outcome.config->vrrp_instances[0].interface_place.file == "common");
}

TEST_CASE("includes that run in circles or multiply are refused") {
  test::MemoryReader circle;
  circle.files["a"] = "include b\n";
  circle.files["b"] = "\n include a\n";
  CHECK(contains(report(parse_config("a", circle, ParseOptions{})),
                 "b:2:10: error: `a` includes itself"));

  test::MemoryReader chain;
  test::MemoryReader doubling;
  for (int i = 0; i < 40; ++i) {
    const std::string next = std::to_string(i + 1);
    chain.files[std::to_string(i)] = "include " + next + "\n";
    doubling.files[std::to_string(i)] =
        i < 14 ? fmt::format("include {0}\ninclude {0}\n", next) : "# end\n";
  }
  CHECK(contains(report(parse_config("0", chain, ParseOptions{})), "files deep"));
  CHECK(contains(report(parse_config("0", doubling, ParseOptions{})), "too large"));
}

TEST_CASE("hostile texts end in a bounded report") {
  std::string nested;
  for (int i = 0; i < 100'000; ++i)
    nested += "a {\n";
  const auto deep = parse_text(nested);
  CHECK_FALSE(deep.config.has_value());
  CHECK(deep.diagnostics.size() < 100);
  CHECK(contains(report(deep), "blocks inside each other"));

  const auto closes = parse_text(std::string(1'000'000, '}'));
  CHECK_FALSE(closes.config.has_value());
  CHECK(closes.diagnostics.size() <= 1000);

  std::string junk;
  uint32_t state = 1;
  for (int i = 0; i < 1'000'000; ++i) {
    state = state * 1664525 + 1013904223;
    junk += static_cast<char>(state >> 24);
  }
  const auto noise = parse_text(junk);
  CHECK_FALSE(noise.config.has_value());
  CHECK(noise.diagnostics.size() <= 1001);

  CHECK_FALSE(parse_text("a " + std::string(3'000'000, 'x')).config.has_value());
}

TEST_CASE("ten thousand real servers are read, and a duplicate among them is found") {
  std::string text = "virtual_server 10.0.0.1 80 {\n lb_algo rr\n lb_kind DR\n protocol TCP\n";
  for (int i = 0; i < 10'000; ++i) {
    text += fmt::format(" real_server 10.1.{}.{} 80 {{\n  weight {}\n  TCP_CHECK {{\n  }}\n }}\n",
                        i / 250, i % 250 + 1, i);
  }
  text += " real_server 10.1.0.1 80 {\n }\n}\n";
  const auto outcome = parse_text(text);
  REQUIRE(outcome.config.has_value());
  CHECK(outcome.config->virtual_servers[0].real_servers.size() == 10'000);
  CHECK(outcome.config->virtual_servers[0].real_servers[9'999].weight == 9'999);
  CHECK(outcome.diagnostics.size() == 1);
}

TEST_CASE("an empty file is accepted with a warning that nothing is configured") {
  const auto outcome = parse_text("# nothing\n");
  CHECK(outcome.config.has_value());
  REQUIRE(outcome.diagnostics.size() == 1);
  CHECK(contains(outcome.diagnostics[0].text, "no vrrp_instance and no virtual_server"));
}
