// The desired forwarding state: what the data plane should do, computed from configuration, health,
// neighbours and addresses. A value: compared, diffed, applied. It knows no map, no index, no
// packet.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "core/types.h"

namespace xlb {

// What may be sent to a real server.
enum class Forwardable : uint8_t {
  yes,       // new and existing flows
  existing,  // weight 0: existing flows only; new ones and persistent clients go elsewhere
  no,        // down, lost or without a MAC: nothing; its flows are scheduled anew
};

// The frame rewrite that reaches a real server by direct routing.
struct NextHop {
  MacAddress destination;        // the real server's
  MacAddress source;             // the leaving interface's own
  unsigned interface_index = 0;  // where it leaves

  auto operator<=>(const NextHop&) const = default;
};

// How packets are wrapped for a real server that is not on a common link.
struct Tunnel {
  TunnelType type = TunnelType::ipip;
  uint16_t port = 0;       // GUE: the UDP destination, host order
  IpAddress source;        // of the outer header: this director's address towards the real server
  unsigned mtu_bytes = 0;  // what the way there carries, outer headers included; 0: not known

  auto operator<=>(const Tunnel&) const = default;
};

struct ForwardedRealServer {
  Endpoint endpoint;
  bool local = false;  // an address of this host: handed to the stack
  int weight = 1;
  Forwardable forwardable = Forwardable::no;
  std::optional<NextHop> next_hop;  // absent when local or not forwardable
  std::optional<Tunnel> tunnel;     // absent: direct routing, or translation
  bool translated = false;  // lvs_method NAT: replies come back through this host by themselves

  auto operator<=>(const ForwardedRealServer&) const = default;
};

struct ForwardedVirtualServer {
  ServiceKey key;
  Scheduler scheduler = Scheduler::rr;
  // Hash schedulers look at the client's port too (sh-port, mh-port).
  bool hash_port = false;
  bool one_packet = false;  // UDP (ops): every packet is scheduled anew
  std::optional<std::chrono::seconds> persistence_timeout;
  uint8_t persistence_prefix = 128;  // bits of the client's address; IPv4: at most 32 count
  std::vector<ForwardedRealServer> real_servers;  // configuration order
  // Source MACs whose frames for this service were balanced already (other directors, and the other
  // real servers when this host is one itself): delivered to the local real server or dropped,
  // never balanced again. Sorted.
  std::vector<MacAddress> peers;
  // By the nat table: a real server of it takes translation, or a firewall mark tells what is its.
  // XDP translates nothing and sees no marks. One reason is enough: connections of one virtual
  // server stand in one table.
  bool translated = false;

  auto operator<=>(const ForwardedVirtualServer&) const = default;
};

// How long a flow is remembered after its last packet (IPVS's defaults).
struct FlowTimeouts {
  std::chrono::seconds tcp{900};
  std::chrono::seconds tcp_fin{120};
  std::chrono::seconds udp{300};

  auto operator<=>(const FlowTimeouts&) const = default;
};

struct ForwardingTable {
  std::vector<ForwardedVirtualServer> virtual_servers;  // configuration order, unique keys
  FlowTimeouts timeouts{};

  auto operator<=>(const ForwardingTable&) const = default;
};

// What leads from one table to another: whole virtual servers, in the order to apply.
struct ForwardingDiff {
  std::vector<ServiceKey> removed;
  std::vector<ForwardedVirtualServer> changed;  // new or different

  [[nodiscard]] bool empty() const { return removed.empty() && changed.empty(); }
};

ForwardingDiff diff(const ForwardingTable& from, const ForwardingTable& to);

}  // namespace xlb
