#include "io/descriptors.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

namespace xlb {
namespace {

constexpr rlim_t kWanted = 65536;
constexpr rlim_t kRoom = 8192;  // 64 KiB of memory

rlimit read_limit() {
  rlimit limit{};
  (void)::getrlimit(RLIMIT_NOFILE, &limit);
  return limit;
}

}  // namespace

rlimit inherited_descriptor_limit() {
  static const rlimit inherited = read_limit();
  return inherited;
}

void make_room_for_descriptors() {
  rlimit limit = inherited_descriptor_limit();
  limit.rlim_cur = std::max(limit.rlim_cur, std::min(limit.rlim_max, kWanted));
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) limit = inherited_descriptor_limit();
  const auto highest = static_cast<int>(std::min(limit.rlim_cur, kRoom)) - 1;
  // The table keeps the size it once had.
  const int placed = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, highest);
  if (placed >= 0) (void)::close(placed);
}

}  // namespace xlb
