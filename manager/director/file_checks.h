// The files of FILE_CHECKs: follows those that are configured and tells their numbers as they
// change. One file serves any number of checks.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/config_check.h"
#include "io/event_loop.h"
#include "io/file_watch.h"

namespace xlb {

class FileChecks {
 public:
  // Called from the loop for each file's first number and each that differs from the last.
  using OnNumber = std::function<void(const std::string& path, int64_t number)>;

  FileChecks(EventLoop& loop, OnNumber on_number);

  // These and no others from now on.
  void follow(const std::vector<FileCheck>& checks);
  // The last one told.
  [[nodiscard]] std::optional<int64_t> number_in(const std::string& path) const;

 private:
  void read(const std::string& path, const FileWatch::Content& content);

  EventLoop& loop_;
  OnNumber on_number_;
  std::map<std::string, std::optional<int64_t>> numbers_;  // by path, of those followed
  std::unique_ptr<FileWatch> watch_;                       // once there is a file
};

}  // namespace xlb
