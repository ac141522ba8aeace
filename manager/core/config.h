// The validated model of a configuration file: what the daemon acts on. Produced by config_parse.h;
// nothing in here knows the text's syntax. Meanings, defaults and units are keepalived.conf(5)'s
// unless said otherwise.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "core/config_check.h"
#include "core/config_lvs.h"
#include "core/config_mail.h"
#include "core/config_network.h"
#include "core/config_place.h"
#include "core/config_track.h"
#include "core/config_vrrp.h"
#include "core/forwarding.h"
#include "core/types.h"

namespace xlb {

enum class AttachMode : uint8_t { automatic, native, generic, none };
enum class LocalDelivery : uint8_t { nat, loopback };

// The xlb { } block: what keepalived has no word for.
struct XlbSettings {
  AttachMode attach_mode = AttachMode::automatic;
  std::vector<std::string> interfaces;  // empty: the vrrp_instance interfaces
  Origin interfaces_place;
  uint32_t flow_table_size = 1048576;  // connections remembered
  uint32_t real_servers_max = 16384;   // of all virtual servers together, sorry servers included
  LocalDelivery local_delivery = LocalDelivery::nat;
  std::vector<IpAddress> peers;
  std::optional<Endpoint> status_listen =
      Endpoint{IpAddress::v4(127, 0, 0, 1), 9780};  // nullopt: none

  bool operator==(const XlbSettings&) const = default;
};

struct GlobalSettings {
  std::string router_id;
  std::string script_user;
  std::string script_group;
  ScriptPolicy scripts;
  std::chrono::milliseconds script_timeout{
      60'000};  // notify scripts are killed after it (xlb's own bound)
  FlowTimeouts lvs_timeouts;
  std::chrono::microseconds vrrp_startup_delay{};     // after the daemon's start
  std::chrono::microseconds vrrp_delay_after_boot{};  // after the host's; the later of both counts
  MailConfig mail;
  bool log_unknown_vrids = false;

  bool operator==(const GlobalSettings&) const = default;
};

struct Config {
  GlobalSettings global;
  std::vector<VrrpInstanceConfig> vrrp_instances;    // file order
  std::vector<VirtualServerConfig> virtual_servers;  // file order
  TrackConfig track;
  NetworkConfig network;
  XlbSettings xlb;
  bool has_xlb_block = false;
};

// Where client traffic arrives: as configured, else the interfaces of the vrrp_instances.
std::vector<std::string> traffic_interfaces(const Config& config);
// Whether XDP has anything to do: some virtual server is forwarded as it is.
[[nodiscard]] bool takes_interfaces(const Config& config);

}  // namespace xlb
