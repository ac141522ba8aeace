// docs/vrrp.md has every rule, and each rule has a test with its number or a reason why not.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <string>

namespace {

constexpr int kRules = 134;

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

void collect(const std::string& text, const std::regex& name, std::set<int>& numbers) {
  static const std::regex kNumber("[0-9]+");
  for (std::sregex_iterator match(text.begin(), text.end(), name), end; match != end; ++match) {
    const std::string list = match->str(1);
    for (std::sregex_iterator number(list.begin(), list.end(), kNumber); number != end; ++number)
      numbers.insert(std::stoi(number->str()));
  }
}

// In the names of doctest cases and of pytest's functions.
std::set<int> tested() {
  static const std::regex kCase("VRRP ([0-9]+)\\b");
  static const std::regex kFunction("_rules?_([0-9]+(?:_[0-9]+)*)_");
  std::set<int> result;
  for (const char* directory : {"/tests/unit", "/tests/netns", "/tests/bpf"}) {
    const std::filesystem::path path = std::string(XLB_SOURCE_DIR) + directory;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
      const auto kind = entry.path().extension();
      if (kind == ".cpp") collect(text_of(entry.path()), kCase, result);
      if (kind == ".py") collect(text_of(entry.path()), kFunction, result);
    }
  }
  return result;
}

// The last column of each row.
std::map<int, std::string> documented() {
  static const std::regex kRow(R"(\| ([0-9]+) \|[^|\n]*\| ([^|\n]*) \|)");
  const std::string text = text_of(XLB_SOURCE_DIR "/docs/vrrp.md");
  std::map<int, std::string> result;
  for (std::sregex_iterator row(text.begin(), text.end(), kRow), end; row != end; ++row)
    result[std::stoi(row->str(1))] = row->str(2);
  return result;
}

}  // namespace

TEST_CASE("every rule of VRRP has a test with its number, or a reason why it has none") {
  const std::set<int> numbers = tested();
  const auto rows = documented();
  for (int rule = 1; rule <= kRules; ++rule) {
    CAPTURE(rule);
    REQUIRE(rows.contains(rule));
    CHECK_FALSE(rows.at(rule).empty());
    if (rows.at(rule) == "test") CHECK(numbers.contains(rule));
  }
}
