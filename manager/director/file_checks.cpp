#include "director/file_checks.h"

#include <set>
#include <utility>

#include "base/log.h"
#include "core/tracking.h"

namespace xlb {

FileChecks::FileChecks(EventLoop& loop, OnNumber on_number)
    : loop_(loop), on_number_(std::move(on_number)) {}

void FileChecks::follow(const std::vector<FileCheck>& checks) {
  if (checks.empty() && !watch_) return;
  if (!watch_) {
    auto created = FileWatch::create(
        loop_, [this](const std::string& path, const FileWatch::Content& content) {
          read(path, content);
        });
    if (!created) return log::error("FILE_CHECK: {}", created.error().text);
    watch_ = std::move(created).value();
  }
  std::map<std::string, std::optional<int64_t>> before = std::exchange(numbers_, {});
  std::set<std::string> paths;
  for (const FileCheck& check : checks) {
    if (!paths.insert(check.path).second) continue;
    const auto known = before.find(check.path);
    numbers_[check.path] = known == before.end() ? std::nullopt : known->second;
    if (known != before.end() || !check.init_value) continue;
    watch_->write_first(check.path, fmt::format("{}\n", *check.init_value), check.init_overwrites);
  }
  watch_->follow(paths);
}

std::optional<int64_t> FileChecks::number_in(const std::string& path) const {
  const auto found = numbers_.find(path);
  return found == numbers_.end() ? std::nullopt : found->second;
}

// A file that is not there says 0; one with something else in it goes on to say what it said.
void FileChecks::read(const std::string& path, const FileWatch::Content& content) {
  const auto found = numbers_.find(path);
  if (found == numbers_.end()) return;
  const auto value = tracking::file_value(content.text);
  if (!value && found->second) {
    return log::warning("FILE_CHECK: {} holds no 32 bit number: {} goes on to count", path,
                        *found->second);
  }
  const int64_t number = value.value_or(0);
  if (std::exchange(found->second, number) != number) on_number_(path, number);
}

}  // namespace xlb
