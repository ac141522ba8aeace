// log_unknown_vrids: which virtual routers are advertised on the links of ours without being
// configured here, for the log and nobody else. It reads twice a second and a bounded number of
// packets, so that a flood costs no more than a whisper.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "core/config_vrrp.h"
#include "io/event_loop.h"
#include "io/netlink.h"
#include "io/vrrp_socket.h"

namespace xlb {

class UnknownRouters {
 public:
  UnknownRouters(EventLoop& loop, const Netlink& netlink);
  UnknownRouters(const UnknownRouters&) = delete;
  UnknownRouters& operator=(const UnknownRouters&) = delete;

  // Listens where `routers` do; with none it does not.
  void configure(const std::vector<VrrpInstanceConfig>& routers);

 private:
  using Place = std::tuple<std::string, AddressFamily, IpAddress>;  // interface, and group if any
  using Heard = std::map<int, IpAddress>;                           // by VRID: who spoke last
  struct Link {
    std::unique_ptr<VrrpSocket> socket;
    std::set<int> ours;  // VRIDs
    Heard heard;
    TimePoint next_line{};
    std::string error;
  };

  void listen();
  void listen(const Place& place, Link& link);
  void open(const Place& place, Link& link) const;
  void say(const Place& place, Link& link) const;

  EventLoop& loop_;
  const Netlink& netlink_;
  EventLoop::Timer timer_;
  std::map<Place, Link> links_;
};

}  // namespace xlb
