// The names that *.cases use: addresses by family, MACs, methods of forwarding.
#pragma once

#include <span>
#include <string>

#include "frame.h"
#include "tables.h"

namespace xlb::cases {

inline constexpr oracle::Mac kDirector{0x02, 0, 0, 0, 0, 0x01};
inline constexpr oracle::Mac kRouter{0x02, 0, 0, 0, 0, 0x02};
inline constexpr oracle::Mac kPeer{0x02, 0, 0, 0, 0, 0x03};
inline constexpr oracle::Mac kOther{0x02, 0, 0, 0, 0, 0x04};

oracle::Mac mac_named(const std::string& name);
oracle::Address address_named(const std::string& name, uint8_t family);
// "dr", "elsewhere", "nowhere", "local", "ipip4", "ipip6", "gue4", "gue6".
xlb_real_server real_server_with(const std::string& method, uint32_t index, uint8_t family,
                                 std::span<const uint32_t> ports);
xlb_interface director_interface();

}  // namespace xlb::cases
