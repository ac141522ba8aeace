#include "io/run_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>

namespace xlb {
namespace {

std::string holder_of(int lock) {
  char text[32] = {};
  const ssize_t length = ::pread(lock, text, sizeof text - 1, 0);
  const long pid = length > 0 ? std::strtol(text, nullptr, 10) : 0;
  return pid > 0 ? fmt::format("process {}", pid) : "another process";
}

}  // namespace

Result<RunDirectory> RunDirectory::open(const std::string& path) {
  std::error_code failure;
  std::filesystem::create_directories(path, failure);
  if (failure) return fail_errno(failure.value(), "cannot create run directory {}", path);

  // The path must not change its meaning when the daemon leaves its working directory.
  std::string absolute = std::filesystem::canonical(path, failure).string();
  if (failure) return fail_errno(failure.value(), "cannot find run directory {}", path);

  const std::string lock_path = absolute + "/lock";
  UniqueFd lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!lock.valid()) return fail_errno(errno, "cannot open {}", lock_path);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    const int code = errno;
    if (code != EWOULDBLOCK) return fail_errno(code, "cannot lock {}", lock_path);
    return fail("cannot use run directory {}: {} holds it already", absolute,
                holder_of(lock.get()));
  }
  const std::string pid = fmt::format("{}\n", ::getpid());
  if (::ftruncate(lock.get(), 0) != 0 ||
      ::pwrite(lock.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return fail_errno(errno, "cannot write {}", lock_path);
  }
  return RunDirectory(std::move(absolute), std::move(lock));
}

void RunDirectory::remove() {
  (void)::unlink((path_ + "/lock").c_str());
  (void)::rmdir(path_.c_str());  // not empty or a mount point of systemd's: it stays
}

}  // namespace xlb
