// The kernel's links, addresses and neighbours of both families, followed over rtnetlink, and the
// few requests the director makes of it. It keeps the kernel's present picture and nothing else:
// what to remember of a neighbour that went away is the director's decision. Only the kernel is
// believed: a message of any other sender is ignored.
//
// Two sockets: one is subscribed and never blocks; the other carries requests, which the kernel
// answers while they are sent (a receive timeout bounds the case that it does not).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "core/config_address.h"
#include "core/route.h"
#include "core/types.h"

namespace xlb {

struct Link {
  unsigned index = 0;
  std::string name;
  bool up = false;  // IFF_UP and IFF_RUNNING: set up by the administrator, and has its carrier
  bool loopback = false;
  MacAddress mac;  // zero when the interface has no Ethernet address
  unsigned mtu = 0;
  unsigned lower = 0;    // the interface it stands on; 0: none, or in another namespace
  bool macvlan = false;  // one that stands on another under a MAC address of its own

  auto operator<=>(const Link&) const = default;
};

struct InterfaceAddress {
  unsigned interface_index = 0;
  PrefixedAddress address;
  bool secondary = false;  // another of its subnet came first; IPv6: temporary or deprecated
  bool global = true;      // scope global; 127.0.0.1 is not
  bool has_peer = false;   // of a point-to-point link

  auto operator<=>(const InterfaceAddress&) const = default;
};

struct Neighbour {
  enum class State : uint8_t {
    usable,      // has a MAC: reachable, stale, delay, probe, permanent, noarp
    failed,      // asked for and did not answer
    incomplete,  // being asked for
  };

  unsigned interface_index = 0;
  IpAddress address;
  MacAddress mac;  // zero unless usable
  State state = State::incomplete;
  bool fixed = false;  // permanent or noarp: the administrator's, never probed

  auto operator<=>(const Neighbour&) const = default;
};

struct Route {
  unsigned interface_index = 0;
  std::optional<IpAddress> gateway;  // absent: on the link itself
  IpAddress source;                  // the kernel's preferred source address
  unsigned mtu = 0;                  // of the route; 0: the link's

  auto operator<=>(const Route&) const = default;
};

// What one process() found changed.
struct NetlinkChanges {
  bool links_or_addresses = false;
  bool routes = false;                                     // or rules
  std::vector<std::pair<unsigned, IpAddress>> neighbours;  // interface and address
  bool everything = false;                                 // events were lost

  [[nodiscard]] bool any() const {
    return links_or_addresses || routes || everything || !neighbours.empty();
  }
};

class Netlink {
 public:
  // Subscribes, then reads the whole picture.
  static Result<std::unique_ptr<Netlink>> open();
  ~Netlink();
  Netlink(const Netlink&) = delete;
  Netlink& operator=(const Netlink&) = delete;

  // Readable when process() has something to do.
  [[nodiscard]] int fd() const;
  // Reads what is pending (a bounded part of it: call again when readable) and calls the on_change
  // handler once if the picture changed. After lost events the whole picture is read anew.
  Result<void> process();
  void on_change(std::function<void()> handler);
  // Of the last process(): routes are no part of the picture, that some changed is all that is
  // told.
  [[nodiscard]] const NetlinkChanges& changes() const;

  // Another number after each change of routes, rules, links or addresses.
  [[nodiscard]] uint64_t route_generation() const;

  // --- the picture as of the last process() ---
  [[nodiscard]] std::optional<Link> link(std::string_view name) const;
  [[nodiscard]] std::optional<Link> link(unsigned index) const;
  [[nodiscard]] std::vector<Link> links() const;
  [[nodiscard]] const std::vector<InterfaceAddress>& addresses() const;  // the kernel's order
  // The interface's first address that is neither secondary nor of a narrower scope.
  [[nodiscard]] std::optional<IpAddress> primary_address(
      unsigned index, AddressFamily family = AddressFamily::ipv4) const;
  // Whether the kernel takes packets to `address` for its own (a loopback prefix counts whole).
  [[nodiscard]] bool is_local(const IpAddress& address) const;
  // The interface that has an address in the longest prefix `address` belongs to.
  [[nodiscard]] std::optional<unsigned> link_towards(const IpAddress& address) const;
  [[nodiscard]] std::optional<Neighbour> neighbour(unsigned index, const IpAddress& address) const;

  // --- requests, answered at once; what they change is in the picture after the next process() ---
  // A local address's route is on the loopback interface.
  Result<Route> route_to(const IpAddress& address);
  // Each says whether it was absent until now. The address's own device is not looked at.
  Result<bool> put_address(unsigned index, const VirtualAddress& address);
  Result<bool> put_route(const RouteConfig& route);
  Result<bool> put_rule(const RuleConfig& rule);
  // Absent is success.
  Result<void> remove_route(const RouteConfig& route);
  Result<void> remove_rule(const RuleConfig& rule);
  // A macvlan in private mode, without an IPv6 address of its own making, silent and up. Its index,
  // which the picture knows after the next process().
  Result<unsigned> add_macvlan(const std::string& name, unsigned lower, const MacAddress& mac);
  // What would leave by the interface is dropped there, whoever sends it.
  Result<void> set_silent(unsigned index, bool silent);
  Result<void> remove_link(unsigned index);                                  // absent: ok
  Result<void> add_address(unsigned index, const PrefixedAddress& address);  // there: ok
  // In the scope of this host: never chosen as the source of packets to elsewhere. True: it was not
  // there.
  Result<bool> put_host_address(unsigned index, const PrefixedAddress& address);
  Result<void> remove_address(unsigned index, const PrefixedAddress& address);  // absent: ok

 private:
  Netlink();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace xlb
