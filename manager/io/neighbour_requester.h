// Makes the kernel ask for neighbours now, also for those it has a MAC for. It only asks: the
// answer, or that there is none, comes as a change of Netlink's picture. Each request may wait for
// the kernel's lock on the network configuration, so it belongs on a Worker.
#pragma once

#include <optional>

#include "base/result.h"
#include "io/netlink.h"
#include "io/netlink_socket.h"

namespace xlb {

class NeighbourRequester {
 public:
  static Result<NeighbourRequester> open();

  // `known` is the picture's entry, if there is one. The administrator's own are left alone.
  Result<void> resolve(unsigned index, const IpAddress& address,
                       const std::optional<Neighbour>& known);

 private:
  explicit NeighbourRequester(rtnl::Socket socket) : socket_(std::move(socket)) {}

  rtnl::Socket socket_;
};

}  // namespace xlb
