// What the nftables tables `ip xlb` and `ip6 xlb` should hold: delivery to this host's own real
// servers, and, where XDP does not run, the balancing of whole virtual servers of IPv4. Pure:
// desired state in, rules out; every rule is limited to those tables.
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
//   postrouting                 to another host: with this host's address, so that replies return
//
// and of each packet of a client, after that: received or sent -> count/S/R.
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

struct NatState {
  std::vector<LocalService> local;
  std::optional<ForwardingTable> balanced;  // absent: somebody else balances
  // This host holds the VIPs on its loopback interface: its real servers get packets as they are.
  bool vips_on_loopback = false;

  bool operator==(const NatState&) const = default;
};

// The part of one family: IPv4's in table `ip xlb`, IPv6's in `ip6 xlb`. Equal services in any
// order give equal rules. Without anything to do there is no chain: a table would have every packet
// tracked.
NatRuleset render(const NatState& state, AddressFamily family = AddressFamily::ipv4);

// Balanced here: IPv4 on one port. A host that forwards IPv6 heeds no router's advertisements any
// more, so IPv6 would cost its own routes.
[[nodiscard]] bool is_balanced_by_nat(const ServiceKey& service);
// What a balanced table does otherwise than configured, in words for the user.
std::vector<std::string> limits_of_nat(const ForwardingTable& balanced);

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
