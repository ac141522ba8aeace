// The validated model of a configuration file: virtual servers and their real servers. See
// config.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/config_check.h"
#include "core/config_place.h"
#include "core/forwarding.h"
#include "core/types.h"

namespace xlb {

// Of all addresses of all groups together: as many as the XDP program's tables have room for.
inline constexpr size_t kMostVirtualServers = 8191;

// lvs_method TUN: what it wraps packets in.
struct TunnelConfig {
  TunnelType type = TunnelType::ipip;
  uint16_t port = 0;  // gue: the UDP destination

  bool operator==(const TunnelConfig&) const = default;
};

struct RealServerConfig {
  Endpoint endpoint;
  std::optional<TunnelConfig> tunnel;  // absent: direct routing, or translation
  bool translated = false;             // lvs_method NAT
  int weight = 1;                      // 0..65535
  // Connections, active and inactive: from `upper` on no new one, until there are fewer than
  // `lower`, or than three quarters of `upper` where that is 0. upper 0: any number.
  uint32_t upper_threshold = 0;
  uint32_t lower_threshold = 0;
  bool inhibit_on_failure = false;  // a failed check means weight 0, not removal
  std::optional<ScriptCommand> notify_up;
  std::optional<ScriptCommand> notify_down;
  std::optional<bool> smtp_alert;  // set once the file is read
  std::vector<CheckConfig> checks;
  Origin place;

  bool operator==(const RealServerConfig&) const = default;
};

struct VirtualServerConfig {
  ServiceKey key;
  // Of a virtual_server_group: its name, and its members after the first. They share real servers,
  // checks and quorum; each has its own connections, clients and counters.
  std::string group;
  std::vector<ServiceKey> more_keys;
  Scheduler scheduler = Scheduler::rr;
  ForwardingMethod method = ForwardingMethod::direct_routing;
  bool hash_port = false;   // sh-port, mh-port
  bool one_packet = false;  // ops; UDP only
  std::optional<std::chrono::seconds> persistence_timeout;
  uint8_t persistence_prefix = 128;  // persistence_granularity as a prefix; IPv4: at most 32 count
  std::vector<RealServerConfig> real_servers;
  uint32_t quorum = 1;      // weight of live real servers: gained at quorum + hysteresis,
  uint32_t hysteresis = 0;  // lost below quorum - hysteresis, and with the last one; < quorum
  std::optional<ScriptCommand> quorum_up;
  std::optional<ScriptCommand> quorum_down;
  std::optional<bool> smtp_alert;        // of the quorum; set once the file is read
  std::optional<Endpoint> sorry_server;  // takes new connections while the quorum is lost
  std::optional<TunnelConfig> sorry_tunnel;
  bool sorry_translated = false;
  bool omega = false;             // a stop runs notify_down and quorum_down
  bool ha_suspend = false;        // no checks while the address is not this host's
  bool rs_init_notifies = false;  // notify_up also for a server's first success
  Origin place;

  bool operator==(const VirtualServerConfig&) const = default;
};

// What it is called, and known by from one configuration to the next: "TCP 10.0.0.3:80",
// "TCP group web".
std::string name_of(const VirtualServerConfig& config);
// All of its members.
std::vector<ServiceKey> keys_of(const VirtualServerConfig& config);
// Whether the nat table balances it, as core/forwarding.h's `translated` says.
[[nodiscard]] bool needs_translation(const VirtualServerConfig& config);

}  // namespace xlb
