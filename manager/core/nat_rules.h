// What the nftables table `ip xlb` should hold: delivery to this host's own real servers, and,
// where XDP does not run, the balancing of whole virtual servers. Pure: desired state in, rules
// out; every rule is limited to that one table.
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

// Equal services in any order give equal rules; services that are not IPv4 are left out. Without
// anything to do there is no chain: a table would have every packet tracked.
NatRuleset render(const NatState& state);

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
