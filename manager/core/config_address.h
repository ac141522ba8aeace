// The validated model of a configuration file: addresses put on interfaces, and how the link is
// told about them. See config.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/types.h"

namespace xlb {

// rtnetlink's numbers.
enum class Scope : uint8_t { global = 0, site = 200, link = 253, host = 254, nowhere = 255 };

// One line of virtual_ipaddress, virtual_ipaddress_excluded or static_ipaddress.
struct VirtualAddress {
  PrefixedAddress address;  // of all bits when the file gives no prefix
  std::string device;       // empty: the instance's interface
  std::optional<IpAddress> broadcast{};
  Scope scope = Scope::global;
  std::string label{};
  std::optional<PrefixedAddress> peer{};
  // Seconds; 0: deprecated, never chosen as a source. nullopt: forever. IPv6 only.
  std::optional<uint32_t> preferred_lifetime{};
  bool home = false;
  bool temporary_prefix = false;  // mngtmpaddr
  bool no_prefix_route = false;
  bool autojoin = false;
  bool tracked = true;  // put back when somebody removes it
  std::string track_group{};

  auto operator<=>(const VirtualAddress&) const = default;
};

// Gratuitous ARP and unsolicited neighbour advertisements of a virtual router.
struct AnnounceSettings {
  std::chrono::seconds delay{5};    // from becoming master to the second block; 0: none
  unsigned repeat = 5;              // frames for each address in a block
  std::chrono::seconds refresh{0};  // between blocks while master; 0: none
  unsigned refresh_repeat = 1;
  // After an advertisement of lower priority was heard as master.
  std::chrono::seconds lower_priority_delay{5};
  unsigned lower_priority_repeat = 5;

  bool operator==(const AnnounceSettings&) const = default;
};

// The least time between announcements out of one interface, or out of several that share it.
struct AnnounceSpacing {
  std::chrono::microseconds arp{0};
  std::chrono::microseconds neighbour_advert{0};

  bool operator==(const AnnounceSpacing&) const = default;
};
struct AnnounceGroup {  // garp_group
  std::vector<std::string> interfaces;
  AnnounceSpacing spacing;

  bool operator==(const AnnounceGroup&) const = default;
};

// use_vmac: a macvlan with the virtual router's MAC address holds the addresses.
struct VirtualMac {
  std::string interface;           // its name; never empty
  std::optional<MacAddress> mac;   // nullopt: 00:00:5e:00:01:VRID, IPv6 00:00:5e:00:02:VRID
  bool advertise_on_base = false;  // vmac_xmit_base

  bool operator==(const VirtualMac&) const = default;
};

// As the interface lists it: under the peer's network if it has one.
PrefixedAddress listed_address(const VirtualAddress& address);

// The MAC address of a virtual router (RFC 9568 7.3).
MacAddress virtual_router_mac(AddressFamily family, uint8_t virtual_router_id);

// As iproute2 writes it: "10.0.0.3/24 brd 10.0.0.255 dev eth0 scope link".
std::string to_string(const VirtualAddress& address);

}  // namespace xlb
