#include "io/sysctl.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <fstream>
#include <sstream>
#include <utility>

#include "base/unique_fd.h"
#include "io/record_file.h"

namespace xlb {

SysctlRecord::SysctlRecord(std::string path, std::string root)
    : path_(std::move(path)), root_(std::move(root)) {
  std::ifstream file(path_);
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string name;
    Change change;
    if (words >> name >> change.before >> change.ours) changes_[name] = change;
  }
}

Result<int> SysctlRecord::read(const std::string& name) const {
  const UniqueFd file(::open((root_ + "/" + name).c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return fail_errno(errno, "cannot read {}", name);
  char text[32];
  const ssize_t length = ::read(file.get(), text, sizeof text);
  if (length < 0) return fail_errno(errno, "cannot read {}", name);
  int value = 0;
  if (std::from_chars(text, text + length, value).ec != std::errc()) {
    return fail("cannot read {}: not a number", name);
  }
  return value;
}

Result<void> SysctlRecord::write(const std::string& name, int value) const {
  const UniqueFd file(::open((root_ + "/" + name).c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.valid()) return fail_errno(errno, "cannot set {}", name);
  const std::string text = fmt::format("{}\n", value);
  if (::write(file.get(), text.data(), text.size()) < 0) {
    return fail_errno(errno, "cannot set {} to {}", name, value);
  }
  return {};
}

Result<void> SysctlRecord::set(const std::string& name, int value) {
  const auto present = read(name);
  if (!present) return present.error();
  const auto [change, added] = changes_.try_emplace(name, Change{*present, value});
  if (added || change->second.ours != value) {
    change->second.ours = value;
    if (auto saved = save(); !saved) return saved;
  }
  return *present == value ? Result<void>() : write(name, value);
}

Result<void> SysctlRecord::restore(const std::string& name) {
  const auto change = changes_.find(name);
  if (change == changes_.end()) return {};
  const auto present = read(name);
  if (!present && present.error().code != ENOENT) return present.error();
  if (present && *present == change->second.ours) {
    if (auto written = write(name, change->second.before); !written) return written;
  }
  changes_.erase(change);
  return save();
}

Result<void> SysctlRecord::save() const {
  std::string text;
  for (const auto& [name, change] : changes_) {
    text += fmt::format("{} {} {}\n", name, change.before, change.ours);
  }
  return save_record(path_, text);
}

}  // namespace xlb
