// ARP frames (RFC 826) as bytes: what announcing an address and probing a neighbour put on the wire
// and read from it. No socket in here.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "core/types.h"

namespace xlb::arp {

inline constexpr size_t kFrameSize = 42;  // Ethernet header included, padding not
using Frame = std::array<uint8_t, kFrameSize>;

// "`address` is at `mac`": a broadcast request whose sender and target are the address itself. The
// target hardware address is broadcast too, as keepalived sends it.
Frame gratuitous(const MacAddress& mac, const IpAddress& address);

// "Who has `target`? Tell `own_address`", to everybody.
Frame request(const MacAddress& own_mac, const IpAddress& own_address, const IpAddress& target);

// Who sent an ARP frame, in its own words; request or reply, both tell.
struct Sender {
  MacAddress mac;
  IpAddress address;
};
// nullopt: not an ARP frame for IPv4 over Ethernet, or one without a usable sender.
std::optional<Sender> sender_of(std::span<const uint8_t> frame);

}  // namespace xlb::arp
