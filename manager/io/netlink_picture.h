// What the kernel's messages say, taken together: links, addresses, neighbours. Internal to
// io/netlink.h.
#pragma once

#include <functional>
#include <map>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "io/netlink.h"

struct nlmsghdr;

namespace xlb {

// Addresses as they are asked for: made anew when one has changed.
struct AddressIndex {
  std::unordered_set<IpAddress> own;
  std::vector<PrefixedAddress> whole;  // on the loopback interface: every address of the prefix
  // By length, the longest first: networks, and the first interface in each. IPv6's lengths are
  // counted from 256 on.
  std::map<unsigned, std::unordered_map<IpAddress, unsigned>, std::greater<>> networks;

  static unsigned length_key(const IpAddress& address, unsigned length) {
    return address.is_v4() ? length : 256 + length;
  }
};

struct Picture {
  std::map<unsigned, Link> links;
  std::vector<InterfaceAddress> addresses;
  std::map<std::pair<unsigned, IpAddress>, Neighbour> neighbours;

  bool operator==(const Picture&) const = default;

  // Takes over what `message` says and notes in `changes` what that changed.
  void take(const nlmsghdr& message, NetlinkChanges& changes);
  [[nodiscard]] AddressIndex index() const;

 private:
  bool take_link(const Link& link, bool removed);
  bool take_address(const InterfaceAddress& address, bool removed);
  bool take_neighbour(const Neighbour& neighbour, bool removed);
};

}  // namespace xlb
