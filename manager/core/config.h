// The validated model of a configuration file: what the daemon acts on. Produced by config_parse.h;
// nothing in here knows the text's syntax. Meanings, defaults and units are keepalived.conf(5)'s
// unless said otherwise.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/forwarding.h"
#include "core/types.h"

namespace xlb {

// Where in the configuration something was said; line and column count from 1. `file` is as the
// user wrote it (or as `include` reached it).
struct Place {
  std::string file;
  int line = 0;
  int column = 0;

  auto operator<=>(const Place&) const = default;
};

// The place of something that was said: no part of its value, so two configurations that differ in
// nothing else are equal.
struct Origin : Place {
  Origin() = default;
  explicit Origin(Place place) : Place(std::move(place)) {}
  Origin& operator=(Place place) {
    static_cast<Place&>(*this) = std::move(place);
    return *this;
  }
  bool operator==(const Origin&) const { return true; }
};

// A command as argv; argv[0] is the program. Never run through a shell.
struct ScriptCommand {
  std::vector<std::string> argv;
  std::string user;  // empty: global script_user, else root
  std::string group;
  Origin place;

  bool operator==(const ScriptCommand&) const = default;
};

enum class VrrpVersion : uint8_t { v2 = 2, v3 = 3 };
enum class VrrpInitialState : uint8_t { backup, master };

// One address of a virtual_ipaddress block.
struct VirtualAddress {
  PrefixedAddress address;  // prefix length 32 when the file gives none
  std::string device;       // empty: the instance's interface

  auto operator<=>(const VirtualAddress&) const = default;
};

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
  std::vector<VirtualAddress> virtual_addresses;
  bool preempt = true;
  std::chrono::seconds garp_master_delay{5};  // second gratuitous ARP block; 0 = none
  std::optional<ScriptCommand> notify_master;
  std::optional<ScriptCommand> notify_backup;
  std::optional<ScriptCommand> notify_fault;
  std::optional<ScriptCommand> notify_stop;
  std::optional<ScriptCommand> notify;  // run with "INSTANCE" name STATE priority appended

  bool operator==(const VrrpInstanceConfig&) const = default;
};

// A check's timing, after inheritance virtual_server -> real_server -> checker.
struct CheckTiming {
  std::chrono::microseconds delay_loop{std::chrono::seconds(60)};
  std::chrono::microseconds connect_timeout{std::chrono::seconds(5)};
  int retry = 1;  // failures tolerated after the first one before the server is down
  std::chrono::microseconds delay_before_retry{std::chrono::seconds(1)};
  bool alpha = false;                  // down until the first success
  std::chrono::microseconds warmup{};  // the first attempt waits a random part of it

  bool operator==(const CheckTiming&) const = default;
};

struct StatusCodeRange {
  int first = 200;
  int last = 299;

  bool operator==(const StatusCodeRange&) const = default;
};

struct HttpUrl {
  std::string path;
  std::optional<std::string> md5_digest;      // 32 lower-case hex digits
  std::vector<StatusCodeRange> status_codes;  // empty: 200-299
  std::string virtual_host;                   // the Host header; empty: address and port
  std::string sni;                            // ssl_get: the name in the TLS hello; empty: none
  Origin place;

  bool operator==(const HttpUrl&) const = default;
};

enum class CheckKind : uint8_t { http_get, ssl_get, tcp };
std::string_view name_of(CheckKind kind);  // "HTTP_GET", "SSL_GET", "TCP_CHECK"

enum class HttpVersion : uint8_t {
  v1_0,
  v1_0_close,  // "1.0C": says Connection: close, as 1.1 does
  v1_1,
};

struct CheckConfig {
  CheckKind kind = CheckKind::tcp;
  Endpoint target;  // connect_ip and connect_port, default: the real server's
  CheckTiming timing;
  HttpVersion http_version = HttpVersion::v1_0;
  std::vector<HttpUrl> urls;  // http_get, ssl_get: at least one
  Origin place;

  bool operator==(const CheckConfig&) const = default;
};

// lvs_method TUN: what it wraps packets in.
struct TunnelConfig {
  TunnelType type = TunnelType::ipip;
  uint16_t port = 0;  // gue: the UDP destination

  bool operator==(const TunnelConfig&) const = default;
};

struct RealServerConfig {
  Endpoint endpoint;
  std::optional<TunnelConfig> tunnel;  // absent: direct routing
  int weight = 1;                      // 0..65535
  bool inhibit_on_failure = false;     // a failed check means weight 0, not removal
  std::optional<ScriptCommand> notify_up;
  std::optional<ScriptCommand> notify_down;
  std::vector<CheckConfig> checks;
  Origin place;

  bool operator==(const RealServerConfig&) const = default;
};

struct VirtualServerConfig {
  ServiceKey key;
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
  std::optional<Endpoint> sorry_server;  // takes new connections while the quorum is lost
  std::optional<TunnelConfig> sorry_tunnel;
  bool omega = false;  // a stop runs notify_down and quorum_down
  Origin place;

  bool operator==(const VirtualServerConfig&) const = default;
};

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
  std::chrono::milliseconds script_timeout{
      60'000};  // notify scripts are killed after it (xlb's own bound)
  FlowTimeouts lvs_timeouts;

  bool operator==(const GlobalSettings&) const = default;
};

struct Config {
  GlobalSettings global;
  std::vector<VrrpInstanceConfig> vrrp_instances;    // file order
  std::vector<VirtualServerConfig> virtual_servers;  // file order
  XlbSettings xlb;
  bool has_xlb_block = false;
};

// Where client traffic arrives: as configured, else the interfaces of the vrrp_instances.
std::vector<std::string> traffic_interfaces(const Config& config);

}  // namespace xlb
