#include "director/static_network.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace xlb {
namespace {

template <typename Item>
bool contains(const std::vector<Item>& items, const Item& item) {
  return std::find(items.begin(), items.end(), item) != items.end();
}

}  // namespace

void StaticNetwork::configure(const NetworkConfig& config) {
  for (const RuleConfig& rule : config_.rules) {
    if (!contains(config.rules, rule)) remove_item(rule);
  }
  for (const RouteConfig& route : config_.routes) {
    if (!contains(config.routes, route)) remove_item(route);
  }
  for (const VirtualAddress& address : config_.addresses) {
    if (!contains(config.addresses, address)) remove(address);
  }
  const NetworkConfig before = std::exchange(config_, config);
  failures_.clear();
  for (const VirtualAddress& address : config_.addresses) {
    if (!contains(before.addresses, address)) put(address);
  }
  put_routes();
}

void StaticNetwork::put(const VirtualAddress& address) {
  const auto link = netlink_.link(address.device);
  if (!link) {
    return failed(
        fmt::format("cannot add {} to {}: no such interface", address.address, address.device));
  }
  const auto recorded = addresses_.add({link->name, listed_address(address)});
  if (!recorded) failed(recorded.error().text);
  const auto done = netlink_.put_address(link->index, address);
  if (!done) return failed(done.error().text);
  if (*done && restoring_) {
    log::warning("static_ipaddress {} was missing on {}: added again", address.address, link->name);
  }
}

void StaticNetwork::put_routes() {
  routes_seen_ = netlink_.route_generation();
  routes_failed_ = false;
  for (const RouteConfig& route : config_.routes)
    put_one(route, "static_routes");
  for (const RuleConfig& rule : config_.rules)
    put_one(rule, "static_rules");
}

template <typename Item>
void StaticNetwork::put_one(const Item& item, std::string_view what) {
  if (restoring_ && !item.tracked) return;
  const auto put = network_.put(this, item);
  if (!put) {
    routes_failed_ = true;
    return failed(put.error().text);
  }
  const std::string text = to_string(item);
  if (restoring_ && *put) log::warning("{} {} was missing: added again", what, text);
}

void StaticNetwork::repair() {
  restoring_ = true;
  const auto& present = netlink_.addresses();
  for (const VirtualAddress& address : config_.addresses) {
    const auto link = netlink_.link(address.device);
    if (!link || !address.tracked) continue;
    const bool there =
        std::any_of(present.begin(), present.end(), [&](const InterfaceAddress& own) {
          return own.interface_index == link->index && own.address == listed_address(address);
        });
    if (!there) put(address);
  }
  if (routes_failed_ || routes_seen_ != netlink_.route_generation()) put_routes();
  restoring_ = false;
}

void StaticNetwork::remove_all() {
  configure(NetworkConfig());
}

bool StaticNetwork::has(const AddressRecord::Entry& entry) const {
  return std::any_of(config_.addresses.begin(), config_.addresses.end(), [&](const auto& address) {
    return address.device == entry.first && listed_address(address) == entry.second;
  });
}

void StaticNetwork::remove(const VirtualAddress& address) {
  if (const auto link = netlink_.link(address.device)) {
    const auto removed = netlink_.remove_address(link->index, listed_address(address));
    if (!removed) return failed(removed.error().text);
  }
  const auto recorded = addresses_.remove({address.device, listed_address(address)});
  if (!recorded) failed(recorded.error().text);
}

template <typename Item>
void StaticNetwork::remove_item(const Item& item) {
  const auto removed = network_.remove(this, item);
  if (!removed) failed(removed.error().text);
}

void StaticNetwork::failed(const std::string& text) {
  if (failures_.insert(text).second) log::error("{}", text);
}

}  // namespace xlb
