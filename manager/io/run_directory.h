// The run directory (default /run/xlb): one xlbd per directory, held by a lock; it also carries the
// control socket and DIR/bpf. Several daemons share a host, each with its own directory.
#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace xlb {

class RunDirectory {
 public:
  // Creates the directory (0755) and takes its lock; an error names the process that holds it. The
  // lock is released when the object or the process ends, however it ends.
  static Result<RunDirectory> open(const std::string& path);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string control_socket() const { return path_ + "/control"; }
  [[nodiscard]] std::string bpf_directory() const { return path_ + "/bpf"; }
  // Removes the lock file and, if it is empty then, the directory.
  void remove();

 private:
  RunDirectory(std::string path, UniqueFd lock) : path_(std::move(path)), lock_(std::move(lock)) {}

  std::string path_;
  UniqueFd lock_;
};

}  // namespace xlb
