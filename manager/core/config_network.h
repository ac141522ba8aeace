// The validated model of a configuration file: what stays on the host as long as the daemon runs,
// and what holds for the addresses of all virtual routers. See config.h.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "core/config_address.h"
#include "core/route.h"

namespace xlb {

// interface_up_down_delays: how long an interface must stay down, or up, before that counts.
struct LinkDelay {
  std::string interface;
  std::chrono::microseconds down{};
  std::chrono::microseconds up{};

  bool operator==(const LinkDelay&) const = default;
};

struct NetworkConfig {
  std::vector<VirtualAddress> addresses;  // static_ipaddress; each names its device
  std::vector<RouteConfig> routes;        // static_routes
  std::vector<RuleConfig> rules;          // static_rules
  std::string default_interface = "eth0";
  std::string virtual_mac_prefix = "vrrp";  // vmac_prefix
  AnnounceSpacing announce_spacing;
  std::vector<AnnounceGroup> announce_groups;
  std::vector<LinkDelay> link_delays;  // each of another interface

  bool operator==(const NetworkConfig&) const = default;
};

}  // namespace xlb
