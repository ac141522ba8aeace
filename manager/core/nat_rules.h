// What the nftables tables `ip xlb` and `ip6 xlb` should hold: delivery to this host's own real
// servers, and the balancing of the virtual servers that take translation (lvs_method NAT, a
// firewall mark), or of all where XDP does not run. Pure: desired state in, rules out; every rule
// is limited to those tables.
//
// The way of a new connection (nat chains see its first packet alone, connection tracking
// translates the rest):
//
//   prerouting -> arriving/S    sent by a peer director: own real server, or dropped
//              -> balance/S     client known in clients/S/R -> server/S/R
//                               else the next slot          -> server/S/R
//                               nobody usable: own real server, else onwards untranslated
//   output     -> balance/S     this host's own processes
//   server/S/R                  remembers the client, counts the connection, translates to R
//   postrouting                 to another host: with this host's address, so that replies return;
//                               not with lvs_method NAT, where the real servers' routes lead here
//
// and of each packet of a client, after that: received or sent -> count/S/R.
//
// Beside them, where an address is closed (RFC 9568 6.1, Accept_Mode false): input.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/forwarding.h"
#include "core/nat_ruleset.h"
#include "core/types.h"

namespace xlb {

// A virtual server that has a real server on this host.
struct LocalService {
  ServiceKey service;
  Endpoint own;  // the real server: one of this host's own addresses

  auto operator<=>(const LocalService&) const = default;
};

// A virtual address whose router does not accept packets to it (no_accept): only what its virtual
// servers are for gets in, and what neighbours and errors say.
struct ClosedAddress {
  IpAddress address;
  std::vector<ServiceKey> open;

  auto operator<=>(const ClosedAddress&) const = default;
};

struct NatState {
  std::vector<LocalService> local;
  std::vector<ClosedAddress> closed;
  std::optional<ForwardingTable> balanced;  // absent: somebody else balances
  // This host holds the VIPs on its loopback interface: its real servers get packets as they are.
  bool vips_on_loopback = false;

  bool operator==(const NatState&) const = default;
};

// The part of one family: IPv4's in table `ip xlb`, IPv6's in `ip6 xlb`. Equal services in any
// order give equal rules. Without anything to do there is no chain: a table would have every packet
// tracked.
NatRuleset render(const NatState& state, AddressFamily family = AddressFamily::ipv4);

// What a balanced table does otherwise than configured, in words for the user: of all virtual
// servers without XDP, else of those that need translation.
std::vector<std::string> limits_of_nat(const ForwardingTable& balanced, bool without_xdp);

// Where a client's packet is addressed to after translation. A loopback address means: to whatever
// address of this host it came in by.
Endpoint target_of(const ServiceKey& service, const ForwardedRealServer& server,
                   bool vips_on_loopback);
[[nodiscard]] bool is_loopback(const IpAddress& address);

// The objects that carry what is told about a real server, and about connections nobody took.
std::string connection_counter(const ServiceKey& service, const Endpoint& real_server);
std::string packet_counter(const ServiceKey& service, const Endpoint& real_server);
std::string client_set(const ServiceKey& service, const Endpoint& real_server);
std::string unserved_counter(const ServiceKey& service);

}  // namespace xlb
