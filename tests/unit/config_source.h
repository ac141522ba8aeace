// Configuration texts for tests: files in memory instead of on disk, and the fixtures on disk.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/config_parse.h"

namespace xlb::test {

class MemoryReader : public SourceReader {
 public:
  MemoryReader() = default;
  explicit MemoryReader(std::map<std::string, std::string> texts) : files(std::move(texts)) {}

  Result<std::string> read(const std::string& path) override {
    const auto found = files.find(path);
    if (found == files.end()) return fail("cannot read {}: no such file", path);
    return found->second;
  }
  // "*" stands for every file but the including one.
  std::vector<std::string> glob(const std::string& pattern,
                                const std::string& relative_to) override {
    if (pattern != "*") {
      return files.contains(pattern) ? std::vector{pattern} : std::vector<std::string>{};
    }
    std::vector<std::string> result;
    for (const auto& [path, text] : files) {
      if (path != relative_to) result.push_back(path);
    }
    return result;
  }

  std::map<std::string, std::string> files;
};

// The outcome for one text, called "x.conf".
inline ParseOutcome parse_text(std::string text, bool unknown_is_error = true) {
  MemoryReader reader;
  reader.files["x.conf"] = std::move(text);
  return parse_config("x.conf", reader, ParseOptions{unknown_is_error});
}

// All diagnostics, one a line: what a failing test prints.
inline std::string report(const ParseOutcome& outcome) {
  std::string result;
  for (const Diagnostic& diagnostic : outcome.diagnostics)
    result += to_string(diagnostic) + '\n';
  return result;
}

}  // namespace xlb::test
