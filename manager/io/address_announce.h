// Tells a link that addresses have moved here: gratuitous ARP as keepalived sends it, or an
// unsolicited neighbour advertisement, so that neighbours and switches follow a new master at once.
// It must not know why. Needs CAP_NET_RAW.
#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "core/types.h"

namespace xlb {

class Announcer {
 public:
  static Result<Announcer> open();

  // One frame out of the interface. Never blocks.
  Result<void> announce(int ifindex, const MacAddress& mac, const IpAddress& address);

 private:
  explicit Announcer(UniqueFd fd) : fd_(std::move(fd)) {}

  UniqueFd fd_;
};

}  // namespace xlb
