// The validated model of a configuration file: routes and routing rules, as `ip route` and `ip
// rule` write them. Numbers are rtnetlink's. See config.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/config_address.h"
#include "core/types.h"

namespace xlb {

inline constexpr uint8_t kRouteProtocol = 18;  // RTPROT_KEEPALIVED: how ours are told from others'
inline constexpr uint32_t kMainTable = 254;

enum class RouteType : uint8_t {
  unicast = 1,
  local = 2,
  broadcast = 3,
  anycast = 4,
  multicast = 5,
  blackhole = 6,
  unreachable = 7,
  prohibit = 8,
  throw_ = 9,
};
std::optional<RouteType> route_type_of(std::string_view word);
std::string_view name_of(RouteType type);

// One way of a route. `via` may be of the other family.
struct NextHopConfig {
  std::optional<IpAddress> via;
  std::string device;
  unsigned weight = 1;  // 1..256
  bool onlink = false;
  uint32_t realms = 0;

  auto operator<=>(const NextHopConfig&) const = default;
};

// A number a route gives to connections over it: mtu, advmss, ... (RTAX_...).
struct RouteMetric {
  uint8_t kind = 0;
  uint32_t value = 0;
  bool locked = false;

  auto operator<=>(const RouteMetric&) const = default;
};
std::string_view name_of_metric(uint8_t kind);

struct RouteConfig {
  AddressFamily family = AddressFamily::ipv4;
  PrefixedAddress destination;  // of length 0: the default route
  RouteType type = RouteType::unicast;
  std::optional<PrefixedAddress> from;  // IPv6 only
  std::optional<IpAddress> source;      // "src": the preferred source address
  NextHopConfig next_hop;               // when next_hops is empty
  std::vector<NextHopConfig> next_hops;
  uint32_t table = kMainTable;
  uint8_t protocol = kRouteProtocol;
  std::optional<Scope> scope;
  std::optional<uint32_t> metric;
  uint8_t tos = 0;
  std::vector<RouteMetric> metrics;  // by kind
  std::string congestion;            // congctl
  bool congestion_locked = false;
  std::optional<uint8_t> preference;  // "pref": 0 medium, 1 high, 3 low
  std::optional<uint32_t> expires;    // seconds
  bool append = false;                // after others to the same network, not before
  bool tracked = true;                // put back when somebody removes it
  std::string track_group;

  auto operator<=>(const RouteConfig&) const = default;
};

enum class RuleAction : uint8_t {
  table = 1,
  jump = 2,  // "goto"
  nop = 3,
  blackhole = 6,
  unreachable = 7,
  prohibit = 8,
};

struct NumberSpan {
  uint32_t first = 0;
  uint32_t last = 0;

  auto operator<=>(const NumberSpan&) const = default;
};

struct RuleConfig {
  AddressFamily family = AddressFamily::ipv4;
  uint32_t priority = 0;
  bool inverted = false;
  std::optional<PrefixedAddress> from;
  std::optional<PrefixedAddress> to;
  std::string input_device;
  std::string output_device;
  uint8_t tos = 0;
  std::optional<uint32_t> mark;
  std::optional<uint32_t> mark_mask;
  RuleAction action = RuleAction::table;
  uint32_t table = 0;  // 0 with l3mdev only
  bool l3mdev = false;
  uint32_t target = 0;  // of "goto"
  uint32_t realms = 0;
  std::optional<uint32_t> suppress_prefix_length;
  std::optional<uint32_t> suppress_group;
  std::optional<uint64_t> tunnel_id;
  std::optional<NumberSpan> users;
  std::optional<uint8_t> ip_protocol;
  std::optional<NumberSpan> source_ports;
  std::optional<NumberSpan> destination_ports;
  uint8_t protocol = kRouteProtocol;
  bool tracked = true;
  std::string track_group;

  auto operator<=>(const RuleConfig&) const = default;
};

// A line that means the same; read again by parse_route() and parse_rule().
std::string to_string(const RouteConfig& route);
std::string to_string(const RuleConfig& rule);
std::optional<RouteConfig> parse_route(std::string_view line);
std::optional<RuleConfig> parse_rule(std::string_view line);

}  // namespace xlb
