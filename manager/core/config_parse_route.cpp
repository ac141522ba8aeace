// static_routes and virtual_routes: `ip route`'s words.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/config_parse_route.h"
#include "core/config_parse_values.h"
#include "core/keywords.h"

namespace xlb::parse {
namespace {

class RouteReader {
 public:
  RouteReader(const Line& line, Problems& problems, RouteNames& names)
      : line_(line), words_(line, problems, names) {}

  std::optional<RouteConfig> read() {
    while (!words_.at_end())
      read_word(words_.take());
    if (!words_.failed()) finish();
    if (words_.failed()) return std::nullopt;
    return std::move(route_);
  }

 private:
  using Read = void (RouteReader::*)(const Word&);
  struct Entry {
    std::string_view word;
    Read read;
  };
  static const std::array<Entry, 31> kEntries;

  struct MetricWord {
    uint8_t kind;
    uint32_t most;
    uint32_t scale;  // milliseconds to the kernel's unit; 0: no time
  };

  void read_word(const Word& word) {
    const auto* const entry = std::find_if(kEntries.begin(), kEntries.end(),
                                           [&](const Entry& it) { return it.word == word.text; });
    if (entry != kEntries.end()) return (this->*entry->read)(word);
    if (read_metric(word)) return;
    read_destination(word);
  }

  // --- words ---
  void read_ipv4(const Word& word) { of_family(word, AddressFamily::ipv4); }
  void read_ipv6(const Word& word) { of_family(word, AddressFamily::ipv6); }
  void read_source(const Word& word) {
    if (const auto address = words_.address(word)) {
      of_family(word, address->family());
      route_.source = address;
    }
  }
  void read_via(const Word& word) {
    if (word.text == "gw") {
      words_.warning(word, "`gw` of a route is an old spelling", "via");
    }
    route_.next_hop.via = read_gateway(word);
  }
  void read_from(const Word& word) {
    const Word* value = words_.value(word);
    if (value == nullptr) return;
    const auto prefix = words_.prefix(*value, AddressFamily::ipv6);
    if (!prefix || prefix->address.is_v4()) {
      return words_.error(*value, "`from` of a route needs an IPv6 network", "src, for IPv4");
    }
    of_family(word, AddressFamily::ipv6);
    route_.from = prefix;
  }
  void read_tos(const Word& word) {
    const auto tos = words_.name(word, NameKind::tos);
    if (tos && *tos > 255) return words_.error(word, "tos is a number of eight bits");
    if (tos) route_.tos = static_cast<uint8_t>(*tos);
  }
  void read_table(const Word& word) {
    if (const auto table = words_.name(word, NameKind::table)) route_.table = *table;
  }
  void read_protocol(const Word& word) {
    const auto protocol = words_.name(word, NameKind::protocol);
    if (protocol && *protocol > 255) return words_.error(word, "protocol is at most 255");
    if (protocol) route_.protocol = static_cast<uint8_t>(*protocol), protocol_word_ = &word;
  }
  void read_scope(const Word& word) {
    const Word* value = words_.value(word);
    if (value == nullptr) return;
    route_.scope = scope_of(value->text);
    if (!route_.scope) {
      words_.error(*value, fmt::format("scope {} is not known", quoted(value->text)),
                   "global, site, link, host or nowhere");
    }
  }
  void read_priority(const Word& word) { route_.metric = words_.number(word); }
  void read_device(const Word& word) { route_.next_hop.device = words_.device(word).value_or(""); }
  void read_onlink(const Word&) { route_.next_hop.onlink = true; }
  void read_realms(const Word& word) {
    of_family(word, AddressFamily::ipv4);
    route_.next_hop.realms = words_.realms(word).value_or(0);
  }
  void read_expires(const Word& word) {
    of_family(word, AddressFamily::ipv6);
    route_.expires = words_.number(word);
  }
  void read_features(const Word& word) {
    const Word* value = words_.value(word);
    if (value == nullptr) return;
    if (value->text != "ecn") {
      return words_.error(*value, fmt::format("feature {} is not known", quoted(value->text)),
                          "features ecn");
    }
    set_metric({12, 1, false});
  }
  void read_congestion(const Word& word) {
    route_.congestion_locked = words_.take_if("lock");
    if (const Word* value = words_.value(word)) route_.congestion = value->text;
  }
  void read_preference(const Word& word) {
    static constexpr std::string_view kNames[] = {"medium", "high", "", "low"};
    of_family(word, AddressFamily::ipv6);
    const Word* value = words_.value(word);
    if (value == nullptr) return;
    const auto* const found = std::find(std::begin(kNames), std::end(kNames), value->text);
    if (found == std::end(kNames) || value->text.empty()) {
      return words_.error(*value, fmt::format("pref {} is not known", quoted(value->text)),
                          "low, medium or high");
    }
    route_.preference = static_cast<uint8_t>(found - std::begin(kNames));
  }
  // Of MPLS, which is not spoken here.
  void read_ttl_propagate(const Word& word) {
    const Word* value = words_.value(word);
    if (value == nullptr) return;
    if (value->text != "enabled" && value->text != "disabled") {
      return words_.error(*value, fmt::format("ttl-propagate {} is not known", quoted(value->text)),
                          "enabled or disabled");
    }
    words_.warning(word, "`ttl-propagate` of a route is not acted on: it is for MPLS");
  }
  void read_append(const Word&) { route_.append = true; }
  void read_prepend(const Word&) {}  // as without it
  void read_no_track(const Word&) { route_.tracked = false; }
  void read_track_group(const Word& word) {
    if (const Word* value = words_.value(word)) route_.track_group = value->text;
  }
  void refuse(const Word& word) {
    words_.error(word, fmt::format("`{}` of a route is not supported", word.text));
  }
  // Two gateways, before there was nexthop.
  void read_or(const Word& word) {
    words_.warning(word, "`or` of a route is an old spelling",
                   "nexthop via A dev IF nexthop via B dev IF");
    NextHopConfig second;
    second.via = read_gateway(word);
    if (route_.next_hops.empty()) {
      NextHopConfig first;
      first.via = std::exchange(route_.next_hop.via, std::nullopt);
      route_.next_hops = {first, second};
      old_spelling_ = true;
    } else {
      words_.error(word, "a route takes one `or`");
    }
  }
  void read_next_hop(const Word& word) {
    if (old_spelling_) return words_.error(word, "`nexthop` and `or` do not go together");
    route_.next_hops.emplace_back();
    NextHopConfig& hop = route_.next_hops.back();
    while (const Word* next = words_.peek()) {
      if (next->text == "nexthop") return;
      if (!read_next_hop_word(hop, words_.take())) return;
    }
  }
  bool read_next_hop_word(NextHopConfig& hop, const Word& word) {
    if (word.text == "via") {
      hop.via = read_gateway(word);
    } else if (word.text == "dev") {
      hop.device = words_.device(word).value_or("");
    } else if (word.text == "weight") {
      hop.weight = words_.number(word, 256).value_or(1);
      if (hop.weight == 0) words_.error(word, "weight 0 would never be used");
    } else if (word.text == "onlink") {
      hop.onlink = true;
    } else if (word.text == "realms") {
      hop.realms = words_.realms(word).value_or(0);
    } else {
      words_.error(word, fmt::format("{} is no word of a nexthop", quoted(word.text)),
                   "via, dev, weight, onlink, realms");
    }
    return !words_.failed();
  }

  // --- what they share ---
  std::optional<IpAddress> read_gateway(const Word& word) {
    const bool other_family = words_.take_if("inet") || words_.take_if("inet6");
    const auto address = words_.address(word);
    if (address && !other_family) of_family(word, address->family());
    return address;
  }
  bool read_metric(const Word& word) {
    static constexpr uint32_t kAll = 0xffffffff;
    static constexpr MetricWord kMetrics[] = {
        {2, kAll, 0},  {3, kAll, 0},  {4, kAll / 8, 8}, {5, kAll / 4, 4}, {6, kAll, 0},
        {7, kAll, 0},  {8, kAll, 0},  {9, kAll, 0},     {10, 255, 0},     {11, kAll, 0},
        {13, kAll, 1}, {14, kAll, 0}, {15, 1, 0},       {17, 1, 0}};
    const auto* const known =
        std::find_if(std::begin(kMetrics), std::end(kMetrics),
                     [&](const MetricWord& it) { return name_of_metric(it.kind) == word.text; });
    if (known == std::end(kMetrics)) return false;
    const bool locked = words_.take_if("lock");
    const auto value =
        known->scale == 0 ? words_.number(word, known->most) : milliseconds(word, known->most);
    if (value) set_metric({known->kind, *value * std::max(known->scale, 1U), locked});
    return true;
  }
  // "102", "102ms" or "2s".
  std::optional<uint32_t> milliseconds(const Word& word, uint32_t most) {
    const Word* value = words_.value(word);
    if (value == nullptr) return std::nullopt;
    std::string_view text = value->text;
    uint64_t unit = 1;
    if (text.ends_with("ms")) {
      text.remove_suffix(2);
    } else if (text.ends_with("s")) {
      text.remove_suffix(1);
      unit = 1000;
    }
    const auto number = whole_number(text);
    if (number && *number <= most / unit) return static_cast<uint32_t>(*number * unit);
    words_.error(*value, fmt::format("{} {} is not a time", word.text, quoted(value->text)),
                 fmt::format("{} 100ms", word.text));
    return std::nullopt;
  }
  void set_metric(const RouteMetric& metric) {
    std::erase_if(route_.metrics, [&](const RouteMetric& it) { return it.kind == metric.kind; });
    route_.metrics.push_back(metric);
    std::sort(route_.metrics.begin(), route_.metrics.end());
  }
  void of_family(const Word& word, AddressFamily family) {
    if (family_ && *family_ != family) {
      words_.error(word, "IPv4 and IPv6 are mixed in one route");
    }
    family_ = family;
  }
  void read_destination(const Word& word) {
    const Word* destination = &word;
    if (destination->text == "to") destination = words_.value(word);
    if (destination == nullptr) return;
    if (const auto type = route_type_of(destination->text)) {
      route_.type = *type;
      destination = words_.value(*destination);
    }
    if (destination == nullptr) return;
    const bool any = destination->text == "default";
    const auto prefix = words_.prefix(*destination, family_.value_or(AddressFamily::ipv4));
    if (!prefix) return unknown(*destination);
    if (!any) of_family(*destination, prefix->address.family());
    if (destination_ != nullptr) {
      return words_.error(*destination, "a second destination on one line",
                          "each route has a line of its own");
    }
    destination_ = destination;
    route_.destination = *prefix;
  }
  void unknown(const Word& word) {
    std::vector<std::string_view> names;
    names.reserve(std::size(kEntries));
    for (const Entry& entry : kEntries)
      names.push_back(entry.word);
    const std::string_view near = nearest(word.text, names);
    words_.error(word, fmt::format("unknown word {} in a route", quoted(word.text)),
                 near.empty() ? "" : fmt::format("did you mean `{}`?", near));
  }

  void finish() {
    const Word& first = line_.words.front();
    if (destination_ == nullptr) return words_.error(first, "the route has no destination");
    route_.family = family_.value_or(AddressFamily::ipv4);
    const uint8_t length = route_.destination.prefix_length;
    if (length == 0) {
      route_.destination.address = route_.family == AddressFamily::ipv4
                                       ? IpAddress()
                                       : IpAddress::from_v6(std::array<uint8_t, 16>{});
    }
    // Bits outside the network are refused by the kernel for IPv4, ignored for IPv6.
    if (route_.destination.address != route_.destination.address.masked(length)) {
      words_.warning(*destination_,
                     fmt::format("{} has bits set beyond its prefix: they count as zero",
                                 quoted(destination_->text)));
      route_.destination.address = route_.destination.address.masked(length);
    }
    if (route_.tracked && protocol_word_ != nullptr && route_.protocol != kRouteProtocol) {
      words_.warning(*protocol_word_,
                     fmt::format("protocol of a route that is put back is {}, as keepalived's",
                                 kRouteProtocol),
                     "no_track, for a protocol of its own");
      route_.protocol = kRouteProtocol;
    }
    if (route_.tracked && route_.next_hop.device.empty()) {
      words_.warning(
          first,
          "the route names no dev: keepalived would not track it; it is put back all the "
          "same",
          "dev eth0, or no_track");
    }
    if (route_.tracked && old_spelling_ && !route_.next_hop.device.empty()) {
      for (NextHopConfig& hop : route_.next_hops)
        hop.device = route_.next_hop.device;
      route_.next_hop.device.clear();
    }
  }

  const Line& line_;
  RouteWords words_;
  RouteConfig route_;
  std::optional<AddressFamily> family_;
  const Word* destination_ = nullptr;
  const Word* protocol_word_ = nullptr;
  bool old_spelling_ = false;  // "or"
};

const std::array<RouteReader::Entry, 31> RouteReader::kEntries{{
    {"inet", &RouteReader::read_ipv4},
    {"inet6", &RouteReader::read_ipv6},
    {"src", &RouteReader::read_source},
    {"via", &RouteReader::read_via},
    {"gw", &RouteReader::read_via},
    {"from", &RouteReader::read_from},
    {"tos", &RouteReader::read_tos},
    {"dsfield", &RouteReader::read_tos},
    {"table", &RouteReader::read_table},
    {"protocol", &RouteReader::read_protocol},
    {"proto", &RouteReader::read_protocol},
    {"scope", &RouteReader::read_scope},
    {"metric", &RouteReader::read_priority},
    {"priority", &RouteReader::read_priority},
    {"preference", &RouteReader::read_priority},
    {"dev", &RouteReader::read_device},
    {"oif", &RouteReader::read_device},
    {"onlink", &RouteReader::read_onlink},
    {"realms", &RouteReader::read_realms},
    {"expires", &RouteReader::read_expires},
    {"features", &RouteReader::read_features},
    {"congctl", &RouteReader::read_congestion},
    {"pref", &RouteReader::read_preference},
    {"ttl-propagate", &RouteReader::read_ttl_propagate},
    {"append", &RouteReader::read_append},
    {"prepend", &RouteReader::read_prepend},
    {"no_track", &RouteReader::read_no_track},
    {"track_group", &RouteReader::read_track_group},
    {"encap", &RouteReader::refuse},
    {"or", &RouteReader::read_or},
    {"nexthop", &RouteReader::read_next_hop},
}};

}  // namespace

std::optional<RouteConfig> read_route(const Line& line, Problems& problems, RouteNames& names) {
  return RouteReader(line, problems, names).read();
}

}  // namespace xlb::parse

namespace xlb {

std::optional<RouteConfig> parse_route(std::string_view text) {
  parse::Problems problems;
  RouteNames names;
  Lexer lexer(text, problems.add_file("route"));
  Line line;
  std::vector<LexProblem> lex_problems;
  lexer.next(line, lex_problems);
  if (line.words.empty() || !lex_problems.empty()) return std::nullopt;
  return parse::read_route(line, problems, names);
}

}  // namespace xlb
