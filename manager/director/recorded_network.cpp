#include "director/recorded_network.h"

#include <utility>

namespace xlb {
namespace {

constexpr std::string_view kRoute = "route ";
constexpr std::string_view kRule = "rule ";

// Whether it is tracked is no part of what is in the kernel; what is not keeps its protocol number.
template <typename Item>
std::string line_of(std::string_view kind, Item item) {
  item.tracked = false;
  item.track_group.clear();
  return std::string(kind) + to_string(item);
}

}  // namespace

template <typename Item, typename Put>
Result<bool> RecordedNetwork::put_recorded(const void* owner, const Item& item, std::string line,
                                           Put put) {
  // The record is on disk before the kernel is changed.
  if (auto recorded = record_.add(line); !recorded) return recorded.error();
  owners_[std::move(line)].insert(owner);
  return put(item);
}

template <typename Remove>
Result<void> RecordedNetwork::remove_recorded(const void* owner, const std::string& line,
                                              Remove remove) {
  const auto found = owners_.find(line);
  if (found != owners_.end()) {
    found->second.erase(owner);
    if (!found->second.empty()) return {};
    owners_.erase(found);
  }
  if (!record_.lines().contains(line)) return {};  // never put by us: somebody else's
  if (auto removed = remove(); !removed) return removed;
  return record_.remove(line);
}

Result<bool> RecordedNetwork::put(const void* owner, const RouteConfig& route) {
  return put_recorded(owner, route, line_of(kRoute, route),
                      [this](const RouteConfig& item) { return netlink_.put_route(item); });
}

Result<bool> RecordedNetwork::put(const void* owner, const RuleConfig& rule) {
  return put_recorded(owner, rule, line_of(kRule, rule),
                      [this](const RuleConfig& item) { return netlink_.put_rule(item); });
}

Result<void> RecordedNetwork::remove(const void* owner, const RouteConfig& route) {
  return remove_recorded(owner, line_of(kRoute, route),
                         [&] { return netlink_.remove_route(route); });
}

Result<void> RecordedNetwork::remove(const void* owner, const RuleConfig& rule) {
  return remove_recorded(owner, line_of(kRule, rule), [&] { return netlink_.remove_rule(rule); });
}

std::set<std::string> RecordedNetwork::remove_unclaimed() {
  std::set<std::string> result;
  for (const std::string& line : std::set(record_.lines())) {
    if (owners_.contains(line)) continue;
    const std::string_view text = line;
    Result<void> removed;
    if (text.starts_with(kRoute)) {
      const auto route = parse_route(text.substr(kRoute.size()));
      if (route) removed = netlink_.remove_route(*route);
    } else if (text.starts_with(kRule)) {
      const auto rule = parse_rule(text.substr(kRule.size()));
      if (rule) removed = netlink_.remove_rule(*rule);
    } else {
      continue;
    }
    if (!removed || !record_.remove(line)) continue;
    result.insert(line);
  }
  return result;
}

}  // namespace xlb
