#include "io/network_record.h"

#include <fstream>
#include <utility>

#include "io/record_file.h"

namespace xlb {

NetworkRecord::NetworkRecord(std::string path) : path_(std::move(path)) {
  std::ifstream file(path_);
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) lines_.insert(line);
  }
}

Result<void> NetworkRecord::add(const std::string& line) {
  if (!lines_.insert(line).second) return {};
  return save();
}

Result<void> NetworkRecord::remove(const std::string& line) {
  if (lines_.erase(line) == 0) return {};
  return save();
}

Result<void> NetworkRecord::save() const {
  std::string text;
  for (const std::string& line : lines_)
    text += line + '\n';
  return save_record(path_, text);
}

}  // namespace xlb
