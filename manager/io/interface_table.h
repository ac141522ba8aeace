// The interfaces that the program forwards for, in the memory of xlb_interfaces. Pure apart from
// that memory, which it shares with the running program.
#pragma once

#include <xlb/abi.h>

#include <optional>
#include <set>
#include <span>
#include <vector>

#include "base/result.h"
#include "core/types.h"

namespace xlb {

// What the program must know of an interface. Addresses are the sources of the ICMP errors it
// sends; without one of a family, none of that family are sent.
struct InterfaceIdentity {
  MacAddress mac;
  std::optional<IpAddress> address;     // IPv4
  std::optional<IpAddress> address6;    // IPv6
  std::set<MacAddress> virtual_macs{};  // of virtual routers, RFC 9568 7.3: frames to them are ours

  bool operator==(const InterfaceIdentity&) const = default;
};

class InterfaceTable {
 public:
  InterfaceTable() = default;
  // XLB_INTERFACE_SLOTS elements, which must outlive this.
  explicit InterfaceTable(std::span<xlb_interface> memory) : memory_(memory) {}

  // New or changed.
  Result<void> put(unsigned ifindex, const InterfaceIdentity& identity);
  void erase(unsigned ifindex);
  [[nodiscard]] std::vector<unsigned> interfaces() const;

 private:
  [[nodiscard]] xlb_interface* find(unsigned ifindex, unsigned stored) const;

  std::span<xlb_interface> memory_;
};

}  // namespace xlb
