// The validated model of a configuration file: its virtual routers. See config.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/config_address.h"
#include "core/config_place.h"
#include "core/config_track.h"
#include "core/config_vrrp_protocol.h"
#include "core/route.h"
#include "core/types.h"

namespace xlb {

enum class VrrpVersion : uint8_t { v2 = 2, v3 = 3 };
enum class VrrpInitialState : uint8_t { backup, master };

struct VrrpInstanceConfig {
  std::string name;
  Origin place;
  std::string interface;
  Origin interface_place;
  uint8_t virtual_router_id = 0;  // 1..255
  uint8_t priority = 100;         // 1..255; 255 = address owner
  VrrpVersion version = VrrpVersion::v2;
  VrrpInitialState initial_state = VrrpInitialState::backup;
  std::chrono::milliseconds advert_interval{
      1000};                  // v2: whole seconds; v3: 10 ms steps, <= 40.95 s
  std::string auth_password;  // PASS, v2 only, <= 8 bytes; empty: no authentication
  std::vector<VirtualAddress> virtual_addresses;   // advertised; all of one IP version
  std::vector<VirtualAddress> excluded_addresses;  // of either, not advertised
  std::vector<RouteConfig> routes;                 // virtual_routes
  std::vector<RuleConfig> rules;                   // virtual_rules
  std::optional<VirtualMac> virtual_mac;
  AnnounceSettings announce;
  bool accept = true;  // packets to the addresses that no virtual server is for
  bool promote_secondaries = false;
  bool preempt = true;
  std::optional<ScriptCommand> notify_master;
  std::optional<ScriptCommand> notify_backup;
  std::optional<ScriptCommand> notify_fault;
  std::optional<ScriptCommand> notify_stop;
  std::optional<ScriptCommand> notify;  // run with "INSTANCE" name STATE priority appended
  std::optional<bool> smtp_alert;       // set once the file is read
  VrrpTracking tracking;

  AddressFamily family = AddressFamily::ipv4;  // of its virtual addresses
  VrrpProtocol protocol;

  bool operator==(const VrrpInstanceConfig&) const = default;
};

}  // namespace xlb
