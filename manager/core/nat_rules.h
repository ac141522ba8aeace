// The text of the nat table `ip xlb`: what nftables is told so that this host's own real servers
// receive packets addressed to a VIP. Pure: services in, nft commands out; every command is limited
// to that one table.
#pragma once

#include <span>
#include <string>

#include "core/types.h"

namespace xlb {

// A virtual server that has a real server on this host.
struct LocalService {
  ServiceKey service;
  Endpoint own;  // the real server: one of this host's own addresses

  auto operator<=>(const LocalService&) const = default;
};

// nft commands that, run as one transaction, make the table deliver exactly `services`, whatever it
// held before. Equal services in any order give equal text; services that are not IPv4 are left
// out.
std::string render_local_delivery(std::span<const LocalService> services);

}  // namespace xlb
