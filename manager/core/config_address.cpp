#include "core/config_address.h"

#include "core/route_names.h"

namespace xlb {

PrefixedAddress listed_address(const VirtualAddress& address) {
  PrefixedAddress result = address.address;
  if (address.peer) result.prefix_length = address.peer->prefix_length;
  return result;
}

MacAddress virtual_router_mac(AddressFamily family, uint8_t virtual_router_id) {
  const uint8_t of_family = family == AddressFamily::ipv4 ? 1 : 2;
  return MacAddress{{0x00, 0x00, 0x5e, 0x00, of_family, virtual_router_id}};
}

std::string to_string(const VirtualAddress& address) {
  std::string text = address.address.to_string();
  const auto word = [&](bool present, std::string_view name) {
    if (present) text.append(" ").append(name);
  };
  if (address.peer) text += fmt::format(" peer {}", *address.peer);
  if (address.broadcast) text += fmt::format(" brd {}", *address.broadcast);
  if (!address.device.empty()) text += " dev " + address.device;
  if (address.scope != Scope::global) {
    text += fmt::format(" scope {}", name_of(address.scope));
  }
  if (!address.label.empty()) text += " label " + address.label;
  if (address.preferred_lifetime) {
    text += fmt::format(" preferred_lft {}", *address.preferred_lifetime);
  }
  word(address.home, "home");
  word(address.temporary_prefix, "mngtmpaddr");
  word(address.no_prefix_route, "noprefixroute");
  word(address.autojoin, "autojoin");
  word(!address.tracked, "no_track");
  return text;
}

}  // namespace xlb
