#include "core/config_diff.h"

#include <map>
#include <type_traits>
#include <utility>

namespace xlb {
namespace {

class Differences {
 public:
  std::vector<std::string> take() { return std::move(lines_); }

  void changed(std::string_view what) { add('~', what); }

  template <typename Value>
  void value(std::string_view object, std::string_view name, const Value& from, const Value& to) {
    if (from != to) changed(fmt::format("{}: {} {} -> {}", object, name, from, to));
  }

  // Pairs the items by key: what is only in one list is removed or added, what is in both is
  // compared.
  template <typename Item, typename Key, typename Name, typename Compare>
  void list(const std::vector<Item>& from, const std::vector<Item>& to, Key key, Name name,
            Compare compare) {
    if (from == to) return;
    const auto by_key = [&](const std::vector<Item>& items) {
      std::map<std::decay_t<decltype(key(items.front()))>, const Item*> result;
      for (const Item& item : items)
        result.try_emplace(key(item), &item);
      return result;
    };
    const auto before = by_key(from);
    const auto after = by_key(to);
    for (const Item& item : from) {
      if (!after.contains(key(item))) add('-', name(item));
    }
    for (const Item& item : to) {
      const auto found = before.find(key(item));
      if (found == before.end()) {
        add('+', name(item));
      } else if (*found->second != item) {
        compare(*found->second, item);
      }
    }
  }

 private:
  void add(char sign, std::string_view what) { lines_.push_back(fmt::format("{} {}", sign, what)); }

  std::vector<std::string> lines_;
};

// What is named whole in one line: it is there or not.
template <typename Item>
void compare_lines(Differences& result, const std::string& prefix, std::string_view what,
                   const std::vector<Item>& from, const std::vector<Item>& to) {
  result.list(
      from, to, [](const auto& item) { return item; },
      [&](const Item& item) { return fmt::format("{}{} {}", prefix, what, to_string(item)); },
      [](const auto&, const auto&) {});
}

void compare_network(Differences& result, const std::string& prefix, const VrrpInstanceConfig& from,
                     const VrrpInstanceConfig& to) {
  compare_lines(result, prefix, "excluded address", from.excluded_addresses, to.excluded_addresses);
  compare_lines(result, prefix, "route", from.routes, to.routes);
  compare_lines(result, prefix, "rule", from.rules, to.rules);
}

void compare_static(Differences& result, const NetworkConfig& from, const NetworkConfig& to) {
  compare_lines(result, "", "static address", from.addresses, to.addresses);
  compare_lines(result, "", "static route", from.routes, to.routes);
  compare_lines(result, "", "static rule", from.rules, to.rules);
  if (from.announce_spacing != to.announce_spacing || from.announce_groups != to.announce_groups) {
    result.changed("intervals between announcements");
  }
  if (from.link_delays != to.link_delays) result.changed("interface_up_down_delays");
}

void compare_routers(Differences& result, const VrrpInstanceConfig& from,
                     const VrrpInstanceConfig& to) {
  const std::string object = "vrrp_instance " + to.name;
  if (!same_router(from, to)) {
    result.changed(object + ": another virtual router: stopped, and started anew");
    return;
  }
  result.value(object, "priority", from.priority, to.priority);
  result.value(object, "advert_int", fmt::format("{} ms", from.advert_interval.count()),
               fmt::format("{} ms", to.advert_interval.count()));
  result.value(object, "preempt", from.preempt, to.preempt);
  result.list(
      from.virtual_addresses, to.virtual_addresses, [](const auto& item) { return item; },
      [&](const VirtualAddress& item) {
        return fmt::format("{}: address {}", object, to_string(item));
      },
      [](const auto&, const auto&) {});
  compare_network(result, object + ": ", from, to);
  VrrpInstanceConfig rest = from;
  rest.priority = to.priority;
  rest.advert_interval = to.advert_interval;
  rest.preempt = to.preempt;
  rest.virtual_addresses = to.virtual_addresses;
  rest.excluded_addresses = to.excluded_addresses;
  rest.routes = to.routes;
  rest.rules = to.rules;
  if (rest != to) result.changed(object + ": other words");
}

std::string method_name(const RealServerConfig& server) {
  if (server.translated) return "NAT";
  if (!server.tunnel) return "DR";
  const TunnelConfig& tunnel = *server.tunnel;
  return tunnel.type == TunnelType::gue ? fmt::format("TUN gue port {}", tunnel.port)
                                        : fmt::format("TUN {}", name_of(tunnel.type));
}

void compare_real_servers(Differences& result, const std::string& service,
                          const RealServerConfig& from, const RealServerConfig& to) {
  const std::string object = fmt::format("{}: real server {}", service, to.endpoint);
  result.value(object, "weight", from.weight, to.weight);
  result.value(object, "lvs_method", method_name(from), method_name(to));
  result.value(object, "uthreshold", from.upper_threshold, to.upper_threshold);
  result.value(object, "lthreshold", from.lower_threshold, to.lower_threshold);
  if (from.checks != to.checks) result.changed(object + ": checks");
  RealServerConfig rest = from;
  rest.upper_threshold = to.upper_threshold;
  rest.lower_threshold = to.lower_threshold;
  rest.translated = to.translated;
  rest.tunnel = to.tunnel;
  rest.weight = to.weight;
  rest.checks = to.checks;
  if (rest != to) result.changed(object + ": other words");
}

void compare_services(Differences& result, const VirtualServerConfig& from,
                      const VirtualServerConfig& to) {
  const std::string object = name_of(to);
  const auto seconds = [](const VirtualServerConfig& service) {
    return service.persistence_timeout ? service.persistence_timeout->count() : 0;
  };
  result.list(
      keys_of(from), keys_of(to), [](const auto& key) { return key; },
      [&](const ServiceKey& key) { return fmt::format("{}: member {}", object, key); },
      [](const auto&, const auto&) {});
  result.value(object, "lvs_method", name_of(from.method), name_of(to.method));
  result.value(object, "scheduler", name_of(from.scheduler), name_of(to.scheduler));
  result.value(object, "persistence_timeout", seconds(from), seconds(to));
  result.list(
      from.real_servers, to.real_servers, [](const auto& item) { return item.endpoint; },
      [&](const auto& item) {
        return fmt::format("{}: real server {} weight {}", object, item.endpoint, item.weight);
      },
      [&](const auto& before, const auto& after) {
        compare_real_servers(result, object, before, after);
      });
  VirtualServerConfig rest = from;
  rest.key = to.key;
  rest.more_keys = to.more_keys;
  rest.method = to.method;
  rest.scheduler = to.scheduler;
  rest.persistence_timeout = to.persistence_timeout;
  rest.real_servers = to.real_servers;
  if (rest != to) result.changed(object + ": other words");
}

template <typename Item>
void compare_blocks(Differences& result, std::string_view word, const std::vector<Item>& from,
                    const std::vector<Item>& to) {
  const auto name = [&](const Item& item) { return fmt::format("{} {}", word, item.name); };
  result.list(
      from, to, [](const Item& item) { return item.name; }, name,
      [&](const Item&, const Item& after) { result.changed(name(after) + ": other words"); });
}

void compare_trackers(Differences& result, const TrackConfig& from, const TrackConfig& to) {
  compare_blocks(result, "vrrp_script", from.scripts, to.scripts);
  compare_blocks(result, "vrrp_track_process", from.processes, to.processes);
  compare_blocks(result, "track_file", from.files, to.files);
  compare_blocks(result, "vrrp_sync_group", from.groups, to.groups);
}

}  // namespace

std::vector<std::string> differences(const Config& from, const Config& to) {
  Differences result;
  result.list(
      from.vrrp_instances, to.vrrp_instances, [](const auto& item) { return item.name; },
      [](const auto& item) { return "vrrp_instance " + item.name; },
      [&](const auto& before, const auto& after) { compare_routers(result, before, after); });
  result.list(
      from.virtual_servers, to.virtual_servers, [](const auto& item) { return name_of(item); },
      [](const auto& item) { return "virtual_server " + name_of(item); },
      [&](const auto& before, const auto& after) { compare_services(result, before, after); });
  compare_trackers(result, from.track, to.track);
  compare_static(result, from.network, to.network);
  if (from.xlb != to.xlb) result.changed("xlb block");
  if (from.global != to.global) result.changed("global_defs");
  return result.take();
}

bool same_router(const VrrpInstanceConfig& one, const VrrpInstanceConfig& other) {
  return one.interface == other.interface && one.virtual_router_id == other.virtual_router_id &&
         one.version == other.version && one.auth_password == other.auth_password &&
         one.virtual_mac == other.virtual_mac && one.family == other.family &&
         one.protocol.group == other.protocol.group &&
         one.protocol.peers.empty() == other.protocol.peers.empty();
}

std::vector<std::string> needs_restart(const Config& from, const Config& to) {
  std::vector<std::string> result;
  const auto say = [&](bool differs, std::string_view word) {
    if (differs) result.push_back(fmt::format("{} takes effect at the next start", word));
  };
  say(from.xlb.flow_table_size != to.xlb.flow_table_size, "flow_table_size");
  say(from.xlb.real_servers_max != to.xlb.real_servers_max, "real_servers_max");
  say(from.xlb.attach_mode != to.xlb.attach_mode, "attach_mode");
  say(from.xlb.status_listen != to.xlb.status_listen, "status_listen");
  return result;
}

}  // namespace xlb
