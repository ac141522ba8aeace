// Network namespaces for the root tests: made by unshare, reached by their descriptor, gone with
// it. Nothing of the host's own namespace is touched.
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/unique_fd.h"

namespace xlb::test {

inline bool have_root() {
  if (::geteuid() == 0) return true;
  MESSAGE("skipped: needs root");
  return false;
}

inline UniqueFd current_namespace() {
  return UniqueFd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
}

class NetworkNamespace {
 public:
  NetworkNamespace() {
    const UniqueFd before = current_namespace();
    REQUIRE(::unshare(CLONE_NEWNET) == 0);
    fd_ = current_namespace();
    REQUIRE(::setns(before.get(), CLONE_NEWNET) == 0);
  }
  [[nodiscard]] int fd() const { return fd_.get(); }
  // As `ip link ... netns` takes it.
  [[nodiscard]] std::string path() const {
    return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(fd_.get());
  }

 private:
  UniqueFd fd_;
};

// The calling thread is inside `space` until destroyed.
class Inside {
 public:
  explicit Inside(const NetworkNamespace& space) : before_(current_namespace()) {
    REQUIRE(::setns(space.fd(), CLONE_NEWNET) == 0);
  }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
  ~Inside() { (void)::setns(before_.get(), CLONE_NEWNET); }

 private:
  UniqueFd before_;
};

inline void run(const std::string& command) {
  CAPTURE(command);
  REQUIRE(std::system(command.c_str()) == 0);
}

inline std::string output_of(const std::string& command) {
  CAPTURE(command);
  FILE* pipe = ::popen(command.c_str(), "re");
  REQUIRE(pipe != nullptr);
  std::string output;
  char part[4096];
  for (size_t length = 0; (length = std::fread(part, 1, sizeof part, pipe)) > 0;) {
    output.append(part, length);
  }
  CHECK(::pclose(pipe) == 0);
  return output;
}

// Waits for `condition` with a deadline; `step` makes progress and may block for a little while.
template <typename Condition, typename Step>
bool eventually(const Condition& condition, const Step& step) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    step();
  }
  return true;
}

}  // namespace xlb::test
