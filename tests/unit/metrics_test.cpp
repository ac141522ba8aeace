// GET /metrics, held to the format's grammar by a parser of its own.
#include "core/metrics.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

using namespace xlb;

namespace {

using LabelSet = std::map<std::string, std::string>;

struct Family {
  std::string type;
  std::string unit;
  std::string help;
  std::vector<std::pair<LabelSet, double>> samples;
};

// A sample's labels from behind "{"; nullopt: against the grammar. `rest` is what follows "}".
std::optional<LabelSet> parse_labels(std::string_view text, std::string& rest) {
  LabelSet result;
  size_t at = 0;
  while (at < text.size() && text[at] != '}') {
    const size_t equals = text.find("=\"", at);
    if (equals == std::string_view::npos) return std::nullopt;
    const std::string name(text.substr(at, equals - at));
    if (name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") != std::string::npos)
      return std::nullopt;
    std::string value;
    for (at = equals + 2; at < text.size() && text[at] != '"'; ++at) {
      if (text[at] == '\\') {
        ++at;
        if (at == text.size() || std::string_view("\\\"n").find(text[at]) == std::string_view::npos)
          return std::nullopt;
        value += text[at] == 'n' ? '\n' : text[at];
      } else {
        value += text[at];
      }
    }
    if (!result.emplace(name, value).second) return std::nullopt;
    ++at;
    if (at < text.size() && text[at] == ',') ++at;
  }
  if (at >= text.size()) return std::nullopt;
  rest = text.substr(at + 1);
  return result;
}

const char* suffix_of(const std::string& type) {
  return type == "counter" ? "_total" : type == "info" ? "_info" : "";
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// Checks as it goes: metadata before samples, a family in one place, no series twice.
std::map<std::string, Family> parse(const std::string& text) {
  std::map<std::string, Family> result;
  REQUIRE(ends_with(text, "\n# EOF\n"));
  std::istringstream lines(text.substr(0, text.size() - 6));
  std::string name;
  std::set<LabelSet> seen;
  for (std::string line; std::getline(lines, line);) {
    CAPTURE(line);
    std::istringstream words(line);
    std::string hash;
    std::string keyword;
    if (line[0] == '#') {
      std::string about;
      words >> hash >> keyword >> about;
      std::string rest;
      std::getline(words >> std::ws, rest);
      if (keyword == "TYPE") {
        name = about;
        seen.clear();
        CHECK(name.compare(0, 4, "xlb_") == 0);
        CHECK(result.count(name) == 0);
        result[name].type = rest;
      }
      REQUIRE(about == name);
      CHECK(result[name].samples.empty());
      if (keyword == "UNIT") result[name].unit = rest;
      if (keyword == "HELP") result[name].help = rest;
      continue;
    }
    Family& family = result[name];
    const size_t end = line.find_first_of("{ ");
    REQUIRE(line.substr(0, end) == name + suffix_of(family.type));
    std::string value = line.substr(end);
    std::optional<LabelSet> labels = LabelSet();
    if (line[end] == '{') labels = parse_labels(line.substr(end + 1), value);
    REQUIRE(labels);
    CHECK(seen.insert(*labels).second);
    REQUIRE(value.size() > 1);
    char* after = nullptr;
    family.samples.emplace_back(*labels, std::strtod(value.c_str() + 1, &after));
    CHECK(*after == 0);
  }
  return result;
}

double value_of(const std::map<std::string, Family>& families, const std::string& name,
                const LabelSet& labels) {
  for (const auto& [own, value] : families.at(name).samples) {
    if (own == labels) return value;
  }
  FAIL("no such sample of " << name);
  return 0;
}

Status example() {
  Status status;
  status.version = "0.1.0";
  status.ready = true;
  status.warnings = {"one"};
  status.loop = {12, 0.1, 1.5};
  status.dataplane.push_back({"eth0", "generic", "the driver has no XDP"});
  status.drops = {{"drop_ttl", 2}, {"tx", 18'446'744'073'709'551'615U}};
  status.tables = {{"flows", 7, 1048576, 16777216}, {"scheduler_slots", {}, 4096, {}}};
  Status::Vrrp vrrp;
  vrrp.instance = "VI_1";
  vrrp.state = "BACKUP";
  vrrp.priority = 150;
  vrrp.effective_priority = 100;
  vrrp.since = WallTime{} + std::chrono::seconds(1'700'000'000) + std::chrono::milliseconds(250);
  vrrp.transitions = 3;
  vrrp.refused = {{"checksum", 4}};
  status.vrrp.push_back(vrrp);
  Status::RealServer real_server;
  real_server.endpoint = {IpAddress::v4(10, 10, 0, 2), 80};
  real_server.weight = 100;
  real_server.state = "draining";
  real_server.active_connections = 1;
  real_server.traffic = {30, 1800, 5};
  real_server.checks = {{"TCP_CHECK", "10.10.0.2:80", true, 0, "", {}},
                        {"TCP_CHECK", "10.10.0.2:80", false, 2, "", {}}};
  Status::VirtualServer virtual_server;
  virtual_server.key = {IpAddress::v4(10, 10, 0, 3), 80, Protocol::tcp};
  virtual_server.state = "sorry";
  virtual_server.traffic = {31, 1860, 5};
  virtual_server.quorum.weight = 100;
  virtual_server.real_servers.push_back(real_server);
  virtual_server.sorry_server = real_server;
  virtual_server.sorry_server->endpoint.address = *IpAddress::parse("2001:db8::9");
  status.virtual_servers.push_back(virtual_server);
  virtual_server.key.protocol = Protocol::udp;
  status.virtual_servers.push_back(virtual_server);
  return status;
}

const LabelSet kService{{"address", "10.10.0.3"}, {"port", "80"}, {"protocol", "TCP"}};

LabelSet with(LabelSet labels, const std::string& name, const std::string& value) {
  labels[name] = value;
  return labels;
}

}  // namespace

TEST_CASE("the metrics carry the status") {
  const auto families = parse(open_metrics(example()));
  CHECK(value_of(families, "xlb_build", {{"version", "0.1.0"}}) == 1);
  CHECK(value_of(families, "xlb_ready", {}) == 1);
  CHECK(value_of(families, "xlb_warnings", {}) == 1);
  CHECK(value_of(families, "xlb_loop_lag_seconds", {{"quantile", "1"}}) == doctest::Approx(0.012));
  CHECK(value_of(families, "xlb_packets", {{"reason", "drop_ttl"}}) == 2);
  CHECK(value_of(families, "xlb_map_memory_bytes", {{"map", "flows"}}) == 16777216);
  CHECK(families.at("xlb_map_entries").samples.size() == 1);
  CHECK(families.at("xlb_map_max_entries").samples.size() == 2);
  CHECK(value_of(families, "xlb_vrrp_state_since_timestamp_seconds", {{"instance", "VI_1"}}) ==
        1'700'000'000.25);
  CHECK(value_of(families, "xlb_vrrp_adverts_refused",
                 {{"instance", "VI_1"}, {"reason", "checksum"}}) == 4);
  CHECK(value_of(families, "xlb_virtual_server_bytes", kService) == 1860);
  const LabelSet server = with(kService, "real_server", "10.10.0.2:80");
  CHECK(value_of(families, "xlb_real_server_weight", server) == 100);
  CHECK(value_of(families, "xlb_real_server_packets", server) == 30);
  CHECK(value_of(families, "xlb_real_server_checks", server) == 2);
  CHECK(value_of(families, "xlb_real_server_checks_failing", server) == 1);
  CHECK(value_of(families, "xlb_real_server_connections",
                 with(kService, "real_server", "[2001:db8::9]:80")) == 5);
}

TEST_CASE("counters are written to the last digit") {
  CHECK(open_metrics(example()).find("\nxlb_packets_total{reason=\"tx\"} 18446744073709551615\n") !=
        std::string::npos);
}

TEST_CASE("of the states of a thing, one is 1") {
  const auto families = parse(open_metrics(example()));
  const std::pair<const char*, LabelSet> things[] = {
      {"xlb_interface_mode", with({{"interface", "eth0"}}, "xlb_interface_mode", "generic")},
      {"xlb_vrrp_state", with({{"instance", "VI_1"}}, "xlb_vrrp_state", "BACKUP")},
      {"xlb_virtual_server_state", with(kService, "xlb_virtual_server_state", "sorry")},
      {"xlb_real_server_state",
       with(with(kService, "real_server", "10.10.0.2:80"), "xlb_real_server_state", "draining")}};
  for (const auto& [name, present] : things) {
    CAPTURE(name);
    CHECK(value_of(families, name, present) == 1);
    LabelSet others = present;
    others.erase(name);
    double sum = 0;
    for (auto [labels, value] : families.at(name).samples) {
      labels.erase(name);
      if (labels == others) sum += value;
    }
    CHECK(sum == 1);
  }
}

TEST_CASE("every family has a type and a text, and its unit if its name ends in one") {
  for (const auto& [name, family] : parse(open_metrics(example()))) {
    CAPTURE(name);
    CHECK(std::set<std::string>{"gauge", "counter", "info", "stateset", "summary"}.count(
              family.type) == 1);
    CHECK(family.help.size() > 4);
    CHECK(family.unit == (ends_with(name, "_bytes")     ? "bytes"
                          : ends_with(name, "_seconds") ? "seconds"
                                                        : ""));
    CHECK_FALSE(ends_with(name, "_total"));
  }
}

TEST_CASE("names from outside cannot break the format") {
  Status status = example();
  status.vrrp[0].instance = "a\"} 1\nxlb_ready 0\\\r\xff";
  const auto families = parse(open_metrics(status));
  CHECK(value_of(families, "xlb_ready", {}) == 1);
  CHECK(value_of(families, "xlb_vrrp_priority",
                 {{"instance", "a\"} 1\nxlb_ready 0\\\xef\xbf\xbd\xef\xbf\xbd"}}) == 100);
}

TEST_CASE("an empty status is a valid exposition") {
  const auto families = parse(open_metrics({}));
  CHECK(value_of(families, "xlb_ready", {}) == 0);
  CHECK(families.at("xlb_real_server_packets").samples.empty());
}

TEST_CASE("every metric is documented, and nothing else is") {
  std::ifstream file(XLB_SOURCE_DIR "/docs/status.md");
  REQUIRE(file.good());
  std::set<std::string> documented;
  for (std::string line; std::getline(file, line);) {
    if (line.compare(0, 7, "| `xlb_") != 0) continue;
    std::istringstream cell(line.substr(0, line.find('|', 1)));
    for (std::string word; cell >> word;) {
      const size_t begin = word.find('`');
      if (begin != std::string::npos)
        documented.insert(word.substr(begin + 1, word.find('`', begin + 1) - begin - 1));
    }
  }
  std::set<std::string> written;
  for (const auto& [name, family] : parse(open_metrics(example())))
    written.insert(name + suffix_of(family.type));
  CHECK(documented == written);
}
