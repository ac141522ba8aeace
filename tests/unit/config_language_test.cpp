// The language as a whole: every word of keepalived's is known in its block; what `xlbctl config`
// prints of a file; and hard inputs.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <string_view>

#include "config_source.h"
#include "core/config_diff.h"
#include "core/config_report.h"
#include "core/config_statements.h"
#include "io/config_file.h"

using namespace xlb;

namespace {

const std::filesystem::path kFixtures = XLB_SOURCE_DIR "/tests/fixtures";

BlockKind kind_called(std::string_view name) {
  if (name == "root") return BlockKind::root;
  for (int i = 0; i < 256; ++i) {
    const auto kind = static_cast<BlockKind>(i);
    const std::string_view known = name_of(kind);
    if (known == name) return kind;
    if (kind == BlockKind::file_check) break;
  }
  return BlockKind::none;
}

ParseOutcome parse_keeping(SourceReader& reader, const std::string& path) {
  ParseOptions options;
  options.unknown_is_error = true;
  options.config_id = "main";
  options.keep_text = true;
  options.keep_statements = true;
  return parse_config(path, reader, options);
}

std::string effective(std::string_view text) {
  Statement root = read_statements(text);
  fill_in_defaults(root);
  return statements_text(root);
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

ParseOutcome parse_kept(std::string text) {
  test::MemoryReader reader;
  reader.files["x.conf"] = std::move(text);
  return parse_keeping(reader, "x.conf");
}

}  // namespace

TEST_CASE("every word of keepalived.conf is known in its block") {
  std::ifstream words(kFixtures / "keywords.txt");
  size_t count = 0;
  for (std::string block, word; words >> block;) {
    if (block.starts_with('#')) {
      std::getline(words, word);
      continue;
    }
    words >> word;
    CAPTURE(block);
    CAPTURE(word);
    const BlockKind kind = kind_called(block);
    REQUIRE(kind != BlockKind::none);
    const Keyword* const keyword = find_keyword(kind, word);
    CHECK(keyword != nullptr);
    ++count;
  }
  CHECK(count > 480);
}

TEST_CASE("a word that is not acted on outside a skipped block says what follows from it") {
  for (const BlockKind kind : {BlockKind::root, BlockKind::global_defs, BlockKind::vrrp_instance,
                               BlockKind::virtual_server, BlockKind::real_server}) {
    for (const Keyword& keyword : keywords_of(kind)) {
      CAPTURE(keyword.name);
      CHECK((keyword.standing == Standing::acted) == keyword.consequence.empty());
    }
  }
}

TEST_CASE("what is missing for one reason is warned about once") {
  const auto outcome = test::parse_text("global_defs {\n enable_traps\n enable_snmp_vrrp\n}\n");
  size_t snmp = 0;
  for (const Diagnostic& diagnostic : outcome.diagnostics) {
    if (contains(diagnostic.text, "SNMP")) ++snmp;
  }
  CHECK(snmp == 1);
}

TEST_CASE("the effective configuration says whether other packets are accepted") {
  const auto shown = [](const std::string& global, const std::string& words) {
    const std::string text =
        effective(parse_kept(global + "vrrp_instance A {\n interface eth0\n virtual_router_id 1\n" +
                             words + "\n virtual_ipaddress {\n 10.0.0.1\n }\n}\n")
                      .text);
    return contains(text, "  no_accept\n") ? "no" : contains(text, "  accept\n") ? "yes" : "-";
  };
  CHECK(std::string(shown("", "")) == "yes");
  CHECK(std::string(shown("", "no_accept")) == "no");
  CHECK(std::string(shown("", "strict_mode")) == "no");
  CHECK(std::string(shown("", "strict_mode\n accept")) == "no");
  CHECK(std::string(shown("", "strict_mode\n accept\n version 3")) == "yes");
  CHECK(std::string(shown("", "strict_mode\n priority 255")) == "yes");
  CHECK(std::string(shown("", "strict_mode\n state MASTER")) == "yes");
  const std::string strict = "global_defs {\n vrrp_strict\n}\n";
  CHECK(std::string(shown(strict, "")) == "no");
  CHECK(std::string(shown(strict, "strict_mode off")) == "yes");
}

TEST_CASE("the effective configuration is one that means the same") {
  for (const auto& directory : {"good", "tutorial"}) {
    for (const auto& entry : std::filesystem::directory_iterator(kFixtures / directory)) {
      if (entry.path().extension() == ".sh") continue;
      CAPTURE(entry.path().string());
      ConfigFileReader files;
      const ParseOutcome original = parse_keeping(files, entry.path());
      CAPTURE(test::report(original));
      REQUIRE(original.config.has_value());
      const std::string text = effective(original.text);
      CAPTURE(text);
      const ParseOutcome again = parse_kept(text);
      CAPTURE(test::report(again));
      REQUIRE(again.config.has_value());
      CHECK(differences(*original.config, *again.config).empty());
      CHECK(original.config->global == again.config->global);
      CHECK(original.config->vrrp_instances == again.config->vrrp_instances);
      CHECK(original.config->virtual_servers == again.config->virtual_servers);
      CHECK(original.config->xlb == again.config->xlb);
      CHECK(effective(again.text) == text);
      CHECK_FALSE(nlohmann::json::parse(statements_json(read_statements(text)), nullptr, false)
                      .is_discarded());
    }
  }
}

TEST_CASE("defaults are filled in, from the blocks around where keepalived inherits them") {
  const auto outcome = parse_kept(
      "virtual_server 10.0.0.1 80 {\n delay_loop 7\n weight 3\n real_server 10.0.0.2 80 {\n"
      "  connect_timeout 2\n  TCP_CHECK {\n  }\n }\n}\n");
  REQUIRE(outcome.config.has_value());
  const std::string text = effective(outcome.text);
  CAPTURE(text);
  CHECK(contains(text, "  real_server 10.0.0.2 80 {\n    connect_timeout 2\n    weight 3\n"));
  CHECK(contains(text,
                 "    TCP_CHECK {\n      delay_loop 7\n      connect_timeout 2\n"
                 "      retry 1\n      delay_before_retry 1\n"));
  CHECK(contains(text, "status_listen 127.0.0.1:9780"));
  const auto json = nlohmann::json::parse(statements_json(read_statements(text)));
  CHECK(json.at("virtual_server").at(0).at("name") == "10.0.0.1 80");
  CHECK(json.at("virtual_server").at(0).at("real_server").at(0).at("weight") == "3");
}

TEST_CASE("a word said twice is shown once, with the value that counts") {
  const auto outcome = parse_kept(
      "vrrp_instance A {\n interface eth0\n virtual_router_id 1\n priority 5\n priority 6\n"
      " virtual_ipaddress { 10.0.0.1 }\n virtual_ipaddress { 10.0.0.2 }\n}\n");
  const std::string text = effective(outcome.text);
  CAPTURE(text);
  CHECK_FALSE(contains(text, "priority 5"));
  CHECK(contains(text, "priority 6"));
  CHECK(contains(text, "10.0.0.1"));
  CHECK(contains(text, "10.0.0.2"));
}

TEST_CASE("the report says of each statement what becomes of it") {
  const auto outcome = parse_kept(
      "global_defs {\n router_id A\n enable_traps\n}\n"
      "vrrp_instance A {\n state slave\n interface eth0\n virtual_router_id 1\n"
      " virtual_ipaddress { 10.0.0.1 }\n wieght 1\n}\n"
      "bfd_instance B {\n neighbor_ip 10.0.0.9\n}\n");
  const ConfigReport report = report_on(outcome);
  CHECK(report.count(Outcome::error) == 1);
  CHECK(report.count(Outcome::differently) == 1);
  CHECK(report.count(Outcome::ignored) == 3);  // traps, BFD and what stands in it
  CHECK(report.count(Outcome::honoured) == 7);
  const std::string text = report_text(report, "x.conf");
  CAPTURE(text);
  CHECK(contains(text, "x.conf:10:2: `wieght 1`: unknown word"));
  CHECK(contains(text, "x.conf:6:8") != contains(text, "x.conf:6:2: `state slave`"));
  CHECK(contains(text, "x.conf:3:2: `enable_traps`: xlbd has no SNMP agent"));
  const auto json = nlohmann::json::parse(report_json(report, "x.conf"));
  CHECK(json.at("counts").at("error") == 1);
  CHECK(json.at("statements").size() == report.lines.size());
}

TEST_CASE("hard inputs end in errors or a configuration") {
  SUBCASE("ten megabytes of junk") {
    std::string junk(10 << 20, '\0');
    for (size_t i = 0; i < junk.size(); ++i)
      junk[i] = static_cast<char>((i * 2654435761U) >> 13);
    CHECK_FALSE(test::parse_text(std::move(junk)).config.has_value());
  }
  SUBCASE("one word of ten megabytes") {
    CHECK_FALSE(test::parse_text(std::string(10 << 20, 'a')).config.has_value());
  }
  SUBCASE("millions of braces") {
    CHECK_FALSE(test::parse_text(std::string(2 << 20, '{')).config.has_value());
    CHECK_FALSE(test::parse_text(std::string(2 << 20, '}')).config.has_value());
  }
  SUBCASE("a dollar on every line") {
    std::string text = "$A=1\n";
    for (int i = 0; i < 200'000; ++i)
      text += "$A $A ${B}\n";
    CHECK_FALSE(test::parse_text(std::move(text)).config.has_value());
  }
  SUBCASE("a hundred thousand real servers") {
    std::string text = "xlb { real_servers_max 1048576 }\n";
    for (int v = 0; v < 100; ++v) {
      text += fmt::format("virtual_server 10.1.0.{} 80 {{\n lb_kind DR\n protocol TCP\n", v + 1);
      for (int r = 0; r < 1000; ++r)
        text +=
            fmt::format(" real_server 10.2.{}.{} 80 {{\n weight 1\n }}\n", r / 250, r % 250 + 1);
      text += "}\n";
    }
    const auto outcome = test::parse_text(std::move(text));
    CAPTURE(test::report(outcome));
    REQUIRE(outcome.config.has_value());
    CHECK(outcome.config->virtual_servers.size() == 100);
  }
  SUBCASE("many real servers from few lines") {
    const auto outcome = test::parse_text(
        "xlb { real_servers_max 1048576 }\n$RS= \\\nreal_server 10.${A}.${B}.1 80 { \\\nweight 2 "
        "\\\n}\nvirtual_server 10.0.0.1 80 {\nprotocol TCP\n~SEQ(A,1,100) ~SEQ(B,1,100) $RS\n}\n");
    CAPTURE(test::report(outcome));
    REQUIRE(outcome.config.has_value());
    CHECK(outcome.config->virtual_servers.at(0).real_servers.size() == 10'000);
  }
}

TEST_CASE("include_check and the words of include say what must be there") {
  const std::string rest =
      "vrrp_instance A {\n interface eth0\n virtual_router_id 1\n virtual_ipaddress { 10.0.0.1 }\n"
      "}\n";
  const auto refused = [&](const std::string& text) {
    test::MemoryReader reader;
    reader.files["x.conf"] = text + rest;
    reader.files["there"] = "";
    return !parse_keeping(reader, "x.conf").config.has_value();
  };
  CHECK_FALSE(refused("include absent\n"));
  CHECK_FALSE(refused("include absent*\n"));
  CHECK_FALSE(refused("includea there\n"));
  CHECK(refused("includem absent\n"));
  CHECK_FALSE(refused("includem absent*\n"));
  CHECK(refused("includew absent*\n"));
  CHECK(refused("includeb {there,absent}\n"));
  CHECK(refused("global_defs { include_check }\ninclude absent\n"));
  CHECK(refused("global_defs {\n include_check wildcard_match\n}\ninclude absent*\n"));
  CHECK_FALSE(
      refused("global_defs {\n include_check\n include_check -match -wildcard_match\n}\n"
              "include absent\n"));
}
