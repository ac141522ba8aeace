#include "io/network_namespace.h"

#include <fcntl.h>
#include <sched.h>

#include <cerrno>

#include "base/unique_fd.h"

namespace xlb {

Result<void> enter_network_namespace(const std::string& name) {
  const std::string path = "/run/netns/" + name;
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return fail_errno(errno, "cannot enter the network namespace {}", path);
  if (::setns(file.get(), CLONE_NEWNET) != 0) {
    return fail_errno(errno, "cannot enter the network namespace {}", path);
  }
  return {};
}

}  // namespace xlb
