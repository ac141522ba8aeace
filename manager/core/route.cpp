#include "core/route.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "core/route_names.h"

namespace xlb {
namespace {

struct NamedType {
  std::string_view name;
  RouteType type;
};
constexpr NamedType kTypes[] = {{"unicast", RouteType::unicast},
                                {"local", RouteType::local},
                                {"broadcast", RouteType::broadcast},
                                {"anycast", RouteType::anycast},
                                {"multicast", RouteType::multicast},
                                {"blackhole", RouteType::blackhole},
                                {"unreachable", RouteType::unreachable},
                                {"prohibit", RouteType::prohibit},
                                {"throw", RouteType::throw_}};

// By RTAX_ number.
constexpr std::string_view kMetricNames[] = {
    "",         "lock",    "mtu",      "window",     "rtt",      "rttvar",
    "ssthresh", "cwnd",    "advmss",   "reordering", "hoplimit", "initcwnd",
    "features", "rto_min", "initrwnd", "quickack",   "congctl",  "fastopen_no_cookie"};
constexpr uint8_t kRtt = 4;
constexpr uint8_t kRttVariance = 5;
constexpr uint8_t kFeatures = 12;

// Collects " name value" pairs.
class LineText {
 public:
  explicit LineText(std::string begin) : text_(std::move(begin)) {}

  template <typename Value>
  void pair(std::string_view name, const Value& value) {
    text_ += fmt::format(" {} {}", name, value);
  }
  template <typename Value>
  void optional(std::string_view name, const std::optional<Value>& value) {
    if (value) pair(name, *value);
  }
  void name(std::string_view name, const std::string& value) {
    if (!value.empty()) pair(name, value);
  }
  template <typename Number>
  void number(std::string_view name, Number value) {
    if (value != 0) pair(name, value);
  }
  void flag(bool present, std::string_view word) {
    if (present) text_.append(" ").append(word);
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

void add_next_hop(LineText& text, const NextHopConfig& hop, AddressFamily family) {
  if (hop.via) {
    const bool other = hop.via->family() != family;
    const std::string_view of_family = hop.via->is_v4() ? "inet " : "inet6 ";
    text.pair("via", fmt::format("{}{}", other ? of_family : "", *hop.via));
  }
  text.name("dev", hop.device);
  text.flag(hop.onlink, "onlink");
  text.number("realms", hop.realms);
}

void add_metric(LineText& text, const RouteMetric& metric) {
  const std::string_view lock = metric.locked ? "lock " : "";
  if (metric.kind == kFeatures) return text.pair("features", "ecn");
  uint32_t value = metric.value;
  if (metric.kind == kRtt) value /= 8;
  if (metric.kind == kRttVariance) value /= 4;
  text.pair(name_of_metric(metric.kind), fmt::format("{}{}", lock, value));
}

std::string span_text(const NumberSpan& span) {
  return fmt::format("{}-{}", span.first, span.last);
}

std::string hexadecimal(uint32_t value) {
  return fmt::format("{:#x}", value);
}

std::string_view preference_text(uint8_t preference) {
  if (preference == 1) return "high";
  return preference == 3 ? "low" : "medium";
}

void add_action(LineText& text, const RuleConfig& rule) {
  switch (rule.action) {
    case RuleAction::table:
      if (rule.l3mdev) return text.flag(true, "l3mdev");
      return text.pair("table", rule.table);
    case RuleAction::jump:
      return text.pair("goto", rule.target);
    case RuleAction::nop:
      return text.flag(true, "nop");
    case RuleAction::blackhole:
      return text.flag(true, "blackhole");
    case RuleAction::unreachable:
      return text.flag(true, "unreachable");
    case RuleAction::prohibit:
      return text.flag(true, "prohibit");
  }
}

}  // namespace

std::optional<RouteType> route_type_of(std::string_view word) {
  for (const NamedType& known : kTypes) {
    if (known.name == word) return known.type;
  }
  return std::nullopt;
}

std::string_view name_of(RouteType type) {
  for (const NamedType& known : kTypes) {
    if (known.type == type) return known.name;
  }
  return "";
}

std::string_view name_of_metric(uint8_t kind) {
  return kind < std::size(kMetricNames) ? kMetricNames[kind] : "";
}

std::string to_string(const RouteConfig& route) {
  const std::string type =
      route.type == RouteType::unicast ? "" : std::string(name_of(route.type)) + " ";
  LineText text(type + route.destination.to_string());
  text.optional("from", route.from);
  text.optional("src", route.source);
  add_next_hop(text, route.next_hop, route.family);
  if (route.table != kMainTable) text.pair("table", route.table);
  if (route.protocol != kRouteProtocol) text.pair("protocol", route.protocol);
  if (route.scope) text.pair("scope", name_of(*route.scope));
  text.optional("metric", route.metric);
  if (route.tos != 0) text.pair("tos", hexadecimal(route.tos));
  for (const RouteMetric& metric : route.metrics)
    add_metric(text, metric);
  if (!route.congestion.empty()) {
    text.pair("congctl", (route.congestion_locked ? "lock " : "") + route.congestion);
  }
  if (route.preference) text.pair("pref", preference_text(*route.preference));
  text.optional("expires", route.expires);
  text.flag(route.append, "append");
  text.flag(!route.tracked, "no_track");
  text.name("track_group", route.track_group);
  for (const NextHopConfig& hop : route.next_hops) {
    text.flag(true, "nexthop");
    add_next_hop(text, hop, route.family);
    text.pair("weight", hop.weight);
  }
  return text.take();
}

std::string to_string(const RuleConfig& rule) {
  LineText text(rule.family == AddressFamily::ipv4 ? "inet" : "inet6");
  text.flag(rule.inverted, "not");
  text.optional("from", rule.from);
  text.optional("to", rule.to);
  text.name("iif", rule.input_device);
  text.name("oif", rule.output_device);
  if (rule.tos != 0) text.pair("tos", hexadecimal(rule.tos));
  if (rule.mark) {
    const std::string mask = rule.mark_mask ? "/" + hexadecimal(*rule.mark_mask) : "";
    text.pair("fwmark", hexadecimal(*rule.mark) + mask);
  }
  text.number("realms", rule.realms);
  text.optional("suppress_prefixlength", rule.suppress_prefix_length);
  text.optional("suppress_ifgroup", rule.suppress_group);
  text.optional("tunnel-id", rule.tunnel_id);
  if (rule.users) text.pair("uidrange", span_text(*rule.users));
  text.optional("ipproto", rule.ip_protocol);
  if (rule.source_ports) text.pair("sport", span_text(*rule.source_ports));
  if (rule.destination_ports) text.pair("dport", span_text(*rule.destination_ports));
  // As it is read without the word.
  if (rule.protocol != (rule.tracked ? kRouteProtocol : 0)) text.pair("protocol", rule.protocol);
  text.pair("preference", rule.priority);
  add_action(text, rule);
  text.flag(!rule.tracked, "no_track");
  text.name("track_group", rule.track_group);
  return text.take();
}

}  // namespace xlb
