// The small world of the random tables and packets.
#pragma once

#include <string>

#include "frame.h"
#include "random.h"

namespace xlb::oracle {

inline constexpr Mac kOwnMac{0x02, 0, 0, 0, 0, 0x01};
inline constexpr uint8_t kVrid = 51;
inline constexpr Mac kRouterMac{0x02, 0, 0, 0, 0, 0x02};
inline constexpr std::array<Mac, 4> kPeerMacs{
    Mac{0x02, 0, 0, 0, 0x02, 0x01}, Mac{0x02, 0, 0, 0, 0x02, 0x02}, Mac{0x02, 0, 0, 0, 0x12, 0x02},
    Mac{0x12, 0, 0, 0, 0x02, 0x01}};

inline Address virtual_address(uint8_t family, uint32_t number) {
  return address_of((family == XLB_IPV4 ? "10.10.0." : "2001:db8:10::") +
                    std::to_string(number + 1));
}

// Three networks of four clients.
inline Address client_address(uint8_t family, uint32_t number) {
  const std::string network = std::to_string(number / 4 % 3);
  const std::string host = std::to_string(number % 4 + 1);
  return address_of(family == XLB_IPV4 ? "198.51." + network + "." + host
                                       : "2001:db8:c0:" + network + "::" + host);
}

inline constexpr std::array<uint16_t, 4> kServerPorts{80, 443, 53, 8080};
inline constexpr uint32_t kVirtualAddresses = 3;
inline constexpr uint32_t kClients = 12;

inline uint16_t random_client_port(Random& random) {
  static constexpr std::array<uint16_t, 4> kEdges{0, 1, 1024, 65535};
  return random.percent(5) ? random.pick(kEdges) : static_cast<uint16_t>(40000 + random.below(4));
}

}  // namespace xlb::oracle
