// Hears who else says on a link that an address is at its MAC: ARP frames from others whose sender
// is one of the watched addresses. Which frames are handed up is decided in the kernel, so that
// other ARP costs nothing. IPv4. Needs CAP_NET_RAW.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "core/types.h"
#include "io/event_loop.h"

namespace xlb {

class ClaimWatch {
 public:
  using Claimed = std::function<void(const IpAddress&, const MacAddress&)>;
  // At most kMostAddresses of them are watched.
  static constexpr size_t kMostAddresses = 240;

  static Result<std::unique_ptr<ClaimWatch>> open(EventLoop& loop, int ifindex,
                                                  const std::vector<IpAddress>& addresses,
                                                  Claimed claimed);
  ClaimWatch(const ClaimWatch&) = delete;
  ClaimWatch& operator=(const ClaimWatch&) = delete;

 private:
  ClaimWatch(UniqueFd fd, Claimed claimed) : fd_(std::move(fd)), claimed_(std::move(claimed)) {}
  void receive();

  UniqueFd fd_;
  Claimed claimed_;
  EventLoop::Watch watch_;
};

}  // namespace xlb
