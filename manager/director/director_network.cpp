// What the virtual routers have on this host besides their election: what a predecessor left, their
// macvlans, and which MAC addresses and ports are theirs.
#include <algorithm>
#include <set>
#include <utility>

#include "base/log.h"
#include "director/director.h"

namespace xlb {

void Director::take_away_leftovers() {
  std::set<AddressRecord::Entry> kept;
  for (const auto& instance : instances_) {
    if (!instance->may_resume()) continue;
    const auto claimed = instance->address_entries();
    kept.insert(claimed.begin(), claimed.end());
  }
  for (const VirtualAddress& address : config_.network.addresses)
    kept.insert({address.device, listed_address(address)});
  for (const auto& [name, address] : std::set(addresses_->entries())) {
    if (kept.contains({name, address})) continue;
    const auto link = netlink_->link(name);
    if (link) {
      const auto removed = netlink_->remove_address(link->index, address);
      if (!removed) {
        log::error("{}", removed.error().text);
        continue;
      }
      log::notice("removed {} from {}: left by a predecessor that did not stop cleanly", address,
                  name);
    }
    (void)addresses_->remove({name, address});  // tried again by the next start
  }
}

// Those of the routers are made before these start, so that none begins in FAULT for want of one.
void Director::keep_router_interfaces(const std::vector<VrrpInstanceConfig>& routers) {
  const auto removed = router_interfaces_->keep_only(routers);
  if (!removed) log::error("{}", removed.error().text);
  for (const VrrpInstanceConfig& router : routers)
    (void)router_interfaces_->prepare(router);  // the router says why not, as long as it lasts
  netlink_readable();
}

// How the routers see links: before they begin, and after each reload. A macvlan has the delays of
// the interface below it.
void Director::follow_links() {
  std::vector<LinkDelay> delays = config_.network.link_delays;
  for (const LinkDelay& delay : config_.network.link_delays) {
    for (const VrrpInstanceConfig& router : config_.vrrp_instances) {
      if (!router.virtual_mac || router.interface != delay.interface) continue;
      delays.push_back({router.virtual_mac->interface, delay.down, delay.up});
    }
  }
  link_delays_->configure(delays);
  unknown_routers_->configure(config_.global.log_unknown_vrids ? config_.vrrp_instances
                                                               : std::vector<VrrpInstanceConfig>());
}

void Director::links_changed() {
  link_delays_->look([this](const std::string& interface) {
    Duration least = Duration::max();
    for (const auto& instance : instances_) {
      const VrrpInstanceConfig& router = instance->config();
      const bool is_its = router.interface == interface ||
                          (router.virtual_mac && router.virtual_mac->interface == interface);
      if (!is_its || instance->state() != vrrp::State::backup) continue;
      least = std::min(least, instance->patience());
    }
    return least;
  });
  for (const auto& instance : instances_)
    instance->refresh();
  services_->follow_addresses();
  tracking_->links_changed();
  groups_->evaluate();
  if (!attaching_) attach_interfaces();
}

// A master's virtual MAC addresses are its interface's too.
void Director::role_changed() {
  request_publish();
  if (!attaching_ && !stopping_) loop_->post([this] { attach_interfaces(); });
}

InterfaceIdentity Director::identity_of(const Link& link) const {
  InterfaceIdentity result{.mac = link.mac,
                           .address = netlink_->primary_address(link.index),
                           .address6 = netlink_->primary_address(link.index, AddressFamily::ipv6),
                           .virtual_macs = {}};
  for (const auto& instance : instances_) {
    const VrrpInstanceConfig& router = instance->config();
    if (router.virtual_mac && router.interface == link.name &&
        instance->state() == vrrp::State::master) {
      result.virtual_macs.insert(mac_of(router));
    }
  }
  return result;
}

// The owner's addresses are its own (RFC 9568 6.4.3).
std::vector<ClosedAddress> Director::closed_addresses() const {
  std::vector<ClosedAddress> result;
  for (const VrrpInstanceConfig& router : config_.vrrp_instances) {
    if (router.accept || router.priority == vrrp::kPriorityOwner) continue;
    for (const auto* addresses : {&router.virtual_addresses, &router.excluded_addresses}) {
      for (const VirtualAddress& vip : *addresses) {
        ClosedAddress closed{vip.address.address, {}};
        for (const VirtualServerConfig& service : config_.virtual_servers) {
          for (const ServiceKey& key : keys_of(service)) {
            if (key.address == closed.address) closed.open.push_back(key);
          }
        }
        result.push_back(std::move(closed));
      }
    }
  }
  return result;
}

}  // namespace xlb
