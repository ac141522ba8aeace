// Runs the files of tests/fixtures/broken and good: what they expect stands in their first lines,
// as
//   # expect LINE:COLUMN: fragment of an error       # warns LINE:COLUMN: fragment of a warning
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "config_source.h"
#include "io/config_file.h"

using namespace xlb;

namespace {

const std::filesystem::path kFixtures = XLB_SOURCE_DIR "/tests/fixtures";

struct Expected {
  std::string place;  // "LINE:COLUMN"
  std::string text;
};

std::vector<Expected> expected_in(const std::string& text, const std::string& marker) {
  std::vector<Expected> result;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(marker)) continue;
    const std::string rest = line.substr(marker.size());
    const size_t end = rest.find(": ");
    result.push_back({rest.substr(0, end), rest.substr(end + 2)});
  }
  return result;
}

std::vector<std::filesystem::path> files_in(const std::string& directory) {
  std::vector<std::filesystem::path> result;
  for (const auto& entry : std::filesystem::directory_iterator(kFixtures / directory)) {
    result.push_back(entry.path());
  }
  std::sort(result.begin(), result.end());
  return result;
}

void check(const ParseOutcome& outcome, Diagnostic::Severity severity, const std::string& path,
           const std::vector<Expected>& expected) {
  size_t count = 0;
  for (const Diagnostic& diagnostic : outcome.diagnostics) {
    if (diagnostic.severity == severity) ++count;
  }
  CHECK(count == expected.size());
  for (const Expected& one : expected) {
    const bool found = std::any_of(outcome.diagnostics.begin(), outcome.diagnostics.end(),
                                   [&](const Diagnostic& diagnostic) {
                                     return diagnostic.severity == severity &&
                                            to_string(diagnostic.place) == path + ":" + one.place &&
                                            diagnostic.text.find(one.text) != std::string::npos;
                                   });
    CHECK_MESSAGE(found, one.place << ": " << one.text);
  }
}

}  // namespace

TEST_CASE("every broken configuration is refused with its errors at their places and no others") {
  const auto files = files_in("broken");
  CHECK(files.size() >= 45);
  for (const auto& path : files) {
    ConfigFileReader reader;
    const auto text = reader.read(path);
    REQUIRE(text.ok());
    const auto expected = expected_in(*text, "# expect ");
    REQUIRE(!expected.empty());
    const ParseOutcome outcome = parse_config(path, reader, ParseOptions{true});
    CAPTURE(path.filename().string());
    CAPTURE(test::report(outcome));
    CHECK_FALSE(outcome.config.has_value());
    check(outcome, Diagnostic::Severity::error, path, expected);
  }
}

TEST_CASE("configurations from the wild are accepted with the warnings they expect and no others") {
  for (const auto& path : files_in("good")) {
    ConfigFileReader reader;
    const auto text = reader.read(path);
    REQUIRE(text.ok());
    const ParseOutcome outcome = parse_config(path, reader, ParseOptions{true});
    CAPTURE(path.filename().string());
    CAPTURE(test::report(outcome));
    CHECK(outcome.config.has_value());
    check(outcome, Diagnostic::Severity::warning, path, expected_in(*text, "# warns "));
  }
}

// What keepalived says and goes on from starts here too, without what is said: `# starts`.
TEST_CASE("a broken configuration is never accepted at run time unless only a word is unknown") {
  for (const auto& path : files_in("broken")) {
    ConfigFileReader reader;
    const ParseOutcome checked = parse_config(path, reader, ParseOptions{true});
    const bool only_unknown = std::all_of(
        checked.diagnostics.begin(), checked.diagnostics.end(), [](const Diagnostic& d) {
          return d.severity == Diagnostic::Severity::warning || d.text.starts_with("unknown word");
        });
    const auto text = reader.read(path);
    REQUIRE(text.ok());
    const bool starts = only_unknown || text->find("# starts\n") != std::string::npos;
    const ParseOutcome started = parse_config(path, reader, ParseOptions{false});
    CAPTURE(path.filename().string());
    CAPTURE(test::report(started));
    CHECK(started.config.has_value() == starts);
  }
}

TEST_CASE(
    "included files are read relative to the including one, in order, a missing one warned of") {
  const std::string path = kFixtures / "include" / "main.conf";
  ConfigFileReader reader;
  const ParseOutcome outcome = parse_config(path, reader, ParseOptions{true});
  CAPTURE(test::report(outcome));
  REQUIRE(outcome.config.has_value());
  CHECK(outcome.config->vrrp_instances.size() == 1);
  CHECK(outcome.config->virtual_servers.size() == 1);
  CHECK(outcome.config->xlb.flow_table_size == 4096);
  CHECK(outcome.config->virtual_servers.at(0).place.file ==
        (kFixtures / "include" / "conf.d" / "20-lvs.conf").string());
  check(outcome, Diagnostic::Severity::warning, path, {{"2:9", "no file matches"}});
}

TEST_CASE("a file that cannot be read is one error that names it") {
  ConfigFileReader reader;
  const ParseOutcome outcome = parse_config("/nonexistent/xlb.conf", reader, ParseOptions{});
  CHECK_FALSE(outcome.config.has_value());
  REQUIRE(outcome.diagnostics.size() == 1);
  CHECK(to_string(outcome.diagnostics[0]) ==
        "/nonexistent/xlb.conf:1:1: error: cannot read `/nonexistent/xlb.conf`: No such file or "
        "directory");
}
