// Neighbour advertisements (RFC 4861 4.4) as bytes: how IPv6 addresses are announced. No socket in
// here.
#pragma once

#include <array>
#include <cstdint>

#include "core/types.h"

namespace xlb::neighbour_advert {

// Ethernet 14, IPv6 40, ICMPv6 24, target link-layer address option 8.
inline constexpr size_t kFrameSize = 86;
using Frame = std::array<uint8_t, kFrameSize>;

// "`address` is at `mac`, and this is a router", to all nodes, unasked, overriding what they know
// (RFC 9568 6.4.1: R set, S clear, O set).
Frame unsolicited(const MacAddress& mac, const IpAddress& address);

}  // namespace xlb::neighbour_advert
