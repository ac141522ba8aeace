#include "io/health_record.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <utility>

namespace xlb {
namespace {

// A line: "up" or "down", the check's name, the text; separated by tabs.
std::string on_one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
  return text;
}

}  // namespace

HealthRecord::HealthRecord(std::string path) : path_(std::move(path)) {
  std::ifstream file(path_);
  std::string line;
  while (std::getline(file, line)) {
    const size_t first = line.find('\t');
    const size_t second = first == std::string::npos ? first : line.find('\t', first + 1);
    if (second == std::string::npos) continue;
    const std::string verdict = line.substr(0, first);
    if (verdict != "up" && verdict != "down") continue;
    verdicts_[line.substr(first + 1, second - first - 1)] = {verdict == "up",
                                                             line.substr(second + 1)};
  }
}

Result<void> HealthRecord::save(const Verdicts& verdicts) {
  if (verdicts == verdicts_) return {};
  const std::string aside = path_ + ".new";
  {
    std::ofstream file(aside, std::ios::trunc);
    for (const auto& [check, verdict] : verdicts) {
      file << (verdict.up ? "up" : "down") << '\t' << on_one_line(check) << '\t'
           << on_one_line(verdict.text) << '\n';
    }
    if (!file.flush()) return fail("cannot write {}", aside);
  }
  if (std::rename(aside.c_str(), path_.c_str()) != 0) {
    return fail_errno(errno, "cannot rename {} to {}", aside, path_);
  }
  verdicts_ = verdicts;
  return {};
}

}  // namespace xlb
