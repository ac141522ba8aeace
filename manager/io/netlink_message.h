// rtnetlink messages as values: what a kernel message says about a link, an address, a neighbour or
// a route. No socket, no state. Layouts: rtnetlink(7), <linux/rtnetlink.h>, <linux/neighbour.h>.
#pragma once

#include <optional>

#include "io/netlink.h"

struct nlmsghdr;

namespace xlb::rtnl {

// Each returns nullopt for a message that is too short, malformed, or about something not followed
// (another address family, a bridge's view of its port).
std::optional<Link> parse_link(const nlmsghdr& message);
std::optional<InterfaceAddress> parse_address(const nlmsghdr& message);
std::optional<Neighbour> parse_neighbour(const nlmsghdr& message);
std::optional<Route> parse_route(const nlmsghdr& message);

}  // namespace xlb::rtnl
