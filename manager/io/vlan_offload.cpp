#include "io/vlan_offload.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/unique_fd.h"

namespace xlb {
namespace {

// 0 or an errno. The kernel copies `value` in or out.
int ethtool(int socket, const std::string& interface, ethtool_value& value) {
  ifreq request{};
  interface.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_data = reinterpret_cast<char*>(&value);
  return ::ioctl(socket, SIOCETHTOOL, &request) == 0 ? 0 : errno;
}

}  // namespace

Result<void> keep_vlan_tags(const std::string& interface) {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return fail_errno(errno, "cannot ask {} for its offloads", interface);
  ethtool_value flags{.cmd = ETHTOOL_GFLAGS, .data = 0};
  if (ethtool(socket.get(), interface, flags) != 0) return {};  // it has no such things
  if ((flags.data & ETH_FLAG_RXVLAN) == 0) return {};
  flags.cmd = ETHTOOL_SFLAGS;
  flags.data &= ~static_cast<__u32>(ETH_FLAG_RXVLAN);
  const int failed = ethtool(socket.get(), interface, flags);
  flags.cmd = ETHTOOL_GFLAGS;
  if (failed == 0 && ethtool(socket.get(), interface, flags) == 0 &&
      (flags.data & ETH_FLAG_RXVLAN) == 0) {
    return {};
  }
  return fail_errno(failed != 0 ? failed : EOPNOTSUPP,
                    "cannot attach XDP to {0}: its receive-VLAN offload takes tags out of frames "
                    "and cannot be switched off (\"ethtool -K {0} rxvlan off\")",
                    interface);
}

}  // namespace xlb
