#include "director/vrrp_addresses.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/log.h"
#include "director/vrrp_instance.h"

namespace xlb {
namespace {

// What is in the kernel does not depend on these.
VirtualAddress as_installed(VirtualAddress address) {
  address.tracked = true;
  address.track_group.clear();
  return address;
}

template <typename Item>
bool contains(const std::vector<Item>& items, const Item& item) {
  return std::find(items.begin(), items.end(), item) != items.end();
}

}  // namespace

VrrpAddresses::VrrpAddresses(const VrrpSurroundings& around, const VrrpInstanceConfig& config)
    : around_(around),
      config_(config),
      second_block_(around.loop.timer(EventLoop::Urgency::normal,
                                      [this] { send_block(second_block_rounds_); })),
      refresh_(around.loop.timer(EventLoop::Urgency::normal, [this] { refresh(); })) {}

// What the virtual MAC is not for, being of the other IP version, stays on the interface itself.
std::string VrrpAddresses::device_of(const VirtualAddress& address) const {
  if (!address.device.empty()) return address.device;
  const bool has_virtual_mac =
      config_.virtual_mac && (config_.virtual_addresses.empty() ||
                              config_.virtual_addresses.front().address.address.family() ==
                                  address.address.address.family());
  return has_virtual_mac ? config_.virtual_mac->interface : config_.interface;
}

const std::string& VrrpAddresses::speaking_interface() const {
  const bool on_base = !config_.virtual_mac || config_.virtual_mac->advertise_on_base;
  return on_base ? config_.interface : config_.virtual_mac->interface;
}

std::vector<VirtualAddress> VrrpAddresses::all() const {
  std::vector<VirtualAddress> result = config_.virtual_addresses;
  result.insert(result.end(), config_.excluded_addresses.begin(), config_.excluded_addresses.end());
  for (VirtualAddress& address : result)
    address.device = device_of(address);
  return result;
}

std::set<AddressRecord::Entry> VrrpAddresses::entries() const {
  std::set<AddressRecord::Entry> result;
  for (const VirtualAddress& vip : all())
    result.insert({vip.device, listed_address(vip)});
  return result;
}

bool VrrpAddresses::is_present(unsigned index, const VirtualAddress& address) const {
  const auto& present = around_.netlink.addresses();
  return std::any_of(present.begin(), present.end(), [&](const InterfaceAddress& own) {
    return own.interface_index == index && own.address == listed_address(address);
  });
}

bool VrrpAddresses::in_place() const {
  const auto vips = all();
  return std::all_of(vips.begin(), vips.end(), [&](const VirtualAddress& vip) {
    const auto link = around_.netlink.link(vip.device);
    return link && is_present(link->index, vip);
  });
}

bool VrrpAddresses::has(const IpAddress& address) const {
  const auto is_it = [&](const auto& vip) { return vip.address.address == address; };
  return std::any_of(config_.virtual_addresses.begin(), config_.virtual_addresses.end(), is_it) ||
         std::any_of(config_.excluded_addresses.begin(), config_.excluded_addresses.end(), is_it);
}

void VrrpAddresses::speak() {
  if (std::exchange(speaks_, true)) return;
  const auto done = around_.interfaces.let_speak(config_);
  if (!done) log::error("{}: {}", config_.name, done.error().text);
}

void VrrpAddresses::add() {
  newly_master_ = true;
  for (const VirtualAddress& vip : all()) {
    const auto link = around_.netlink.link(vip.device);
    if (!link) {
      log::error("{}: cannot add {} to {}: no such interface", config_.name, vip.address,
                 vip.device);
      continue;
    }
    const auto recorded = around_.addresses.add({link->name, listed_address(vip)});
    if (!recorded) log::warning("{}: {}", config_.name, recorded.error().text);
    const auto added = around_.netlink.put_address(link->index, vip);
    if (!added) log::error("{}: {}", config_.name, added.error().text);
  }
  put_routes(false);
  const auto role = around_.interfaces.set_role(config_, true);
  if (!role) log::error("{}: {}", config_.name, role.error().text);
  watch_claims();
}

void VrrpAddresses::remove() {
  speaks_ = false;
  claim_watches_.clear();
  const auto role = around_.interfaces.set_role(config_, false);
  if (!role) log::error("{}: {}", config_.name, role.error().text);
  second_block_.disarm();
  refresh_.disarm();
  around_.announcements.cancel(this);
  for (const RuleConfig& rule : config_.rules)
    remove_item(rule);
  for (const RouteConfig& route : config_.routes)
    remove_item(route);
  for (const VirtualAddress& vip : all())
    remove(vip);
}

void VrrpAddresses::remove(const VirtualAddress& vip) {
  const auto link = around_.netlink.link(device_of(vip));
  if (!link) return;  // its addresses went with it
  const auto removed = around_.netlink.remove_address(link->index, listed_address(vip));
  if (!removed) {
    log::error("{}: {}", config_.name, removed.error().text);
    return;
  }
  const auto recorded = around_.addresses.remove({link->name, listed_address(vip)});
  if (!recorded) log::warning("{}: {}", config_.name, recorded.error().text);
}

template <typename Item>
void VrrpAddresses::remove_item(const Item& item) {
  const auto removed = around_.network.remove(this, item);
  if (!removed) log::error("{}: {}", config_.name, removed.error().text);
}

void VrrpAddresses::put_routes(bool restoring) {
  routes_seen_ = around_.netlink.route_generation();
  routes_failed_ = false;
  put_all(config_.routes, "route", restoring);
  put_all(config_.rules, "rule", restoring);
}

template <typename Item>
void VrrpAddresses::put_all(const std::vector<Item>& items, std::string_view what, bool restoring) {
  for (const Item& item : items) {
    if (restoring && !item.tracked) continue;
    const auto put = around_.network.put(this, item);
    if (!put) {
      routes_failed_ = true;
      repaired(put.error());
    } else if (restoring && *put) {
      log::warning("{}: {} {} was missing: added again", config_.name, what, to_string(item));
    }
  }
}

void VrrpAddresses::announce() {
  const AnnounceSettings& settings = config_.announce;
  const bool newly = std::exchange(newly_master_, false);
  const auto delay = newly ? settings.delay : settings.lower_priority_delay;
  second_block_rounds_ = newly ? settings.repeat : settings.lower_priority_repeat;
  send_block(second_block_rounds_);
  if (delay.count() > 0) second_block_.arm(around_.loop.now() + delay);
  if (newly) arm_refresh();
}

void VrrpAddresses::announce_again() {
  send_block(std::max(config_.announce.repeat, 1U));
}

void VrrpAddresses::announce_own(const Link& link, const IpAddress& address) {
  for (unsigned i = 0; i < std::max(config_.announce.repeat, 1U); ++i)
    around_.announcements.add({this, link.name, static_cast<int>(link.index), link.mac, address});
}

void VrrpAddresses::watch_claims() {
  std::map<unsigned, std::vector<IpAddress>> by_interface;
  for (const VirtualAddress& vip : all()) {
    const auto link = around_.netlink.link(vip.device);
    if (link && !link->loopback && vip.address.address.is_v4()) {
      by_interface[link->index].push_back(vip.address.address);
    }
  }
  claim_watches_.clear();
  for (const auto& [index, addresses] : by_interface) {
    auto watch = ClaimWatch::open(
        around_.loop, static_cast<int>(index), addresses,
        [this](const IpAddress& address, const MacAddress& mac) { claimed(address, mac); });
    if (watch) {
      claim_watches_.push_back(std::move(*watch));
    } else {
      log::warning("{}: {}", config_.name, watch.error().text);
    }
  }
}

// Another master that does not know of us yet, or somebody who wants the traffic: the neighbours
// are told the truth again, but a flood is not answered with another.
void VrrpAddresses::claimed(const IpAddress& address, const MacAddress& mac) {
  for (const VirtualAddress& vip : all()) {
    const auto link = around_.netlink.link(vip.device);
    if (vip.address.address == address && link && link->mac == mac) return;
  }
  ++conflicts_;
  const TimePoint now = around_.loop.now();
  if (now < next_answer_) return;
  next_answer_ = now + std::chrono::seconds(1);
  log::warning("{}: {} is claimed by {} too ({} so far): announced again", config_.name, address,
               mac, conflicts_);
  send_block(1);
}

void VrrpAddresses::arm_refresh() {
  if (config_.announce.refresh.count() > 0) {
    refresh_.arm(around_.loop.now() + config_.announce.refresh);
  } else {
    refresh_.disarm();
  }
}

void VrrpAddresses::refresh() {
  // Where announcements are spaced so widely that a block takes longer, one at a time is enough.
  if (!around_.announcements.has(this)) send_block(config_.announce.refresh_repeat);
  arm_refresh();
}

// Every address once, and again: a burst that a switch drops does not take all frames of one.
void VrrpAddresses::send_block(unsigned rounds) {
  const auto vips = all();
  for (unsigned round = 0; round < rounds; ++round) {
    for (const VirtualAddress& vip : vips) {
      const auto link = around_.netlink.link(vip.device);
      if (!link || link->loopback) continue;
      const bool is_virtual = config_.virtual_mac && vip.device == config_.virtual_mac->interface;
      around_.announcements.add({this, is_virtual ? config_.interface : link->name,
                                 static_cast<int>(link->index), link->mac, vip.address.address});
    }
  }
}

void VrrpAddresses::give_up(const VrrpInstanceConfig& next) {
  std::vector<VirtualAddress> stay;
  for (const auto* addresses : {&next.virtual_addresses, &next.excluded_addresses}) {
    for (VirtualAddress address : *addresses) {
      address.device = device_of(address);
      stay.push_back(as_installed(std::move(address)));
    }
  }
  for (const RuleConfig& rule : config_.rules) {
    if (!contains(next.rules, rule)) remove_item(rule);
  }
  for (const RouteConfig& route : config_.routes) {
    if (!contains(next.routes, route)) remove_item(route);
  }
  for (const VirtualAddress& vip : all()) {
    if (!contains(stay, as_installed(vip))) remove(vip);
  }
}

void VrrpAddresses::bring_in_line(const std::set<AddressRecord::Entry>& before) {
  add();
  newly_master_ = false;
  const auto after = entries();
  if (!std::includes(before.begin(), before.end(), after.begin(), after.end())) announce_again();
  arm_refresh();
}

// The picture is younger than our own last change: process() reads an event of each change that was
// made before it was called.
void VrrpAddresses::repair(vrrp::State role) {
  if (role == vrrp::State::init) return;
  if (role == vrrp::State::master) return restore();
  if (config_.priority != vrrp::kPriorityOwner) remove_foreign();
}

void VrrpAddresses::restore() {
  restore_addresses();
  if (routes_failed_ || routes_seen_ != around_.netlink.route_generation()) put_routes(true);
}

void VrrpAddresses::restore_addresses() {
  bool restored = false;
  for (const VirtualAddress& vip : all()) {
    const auto link = around_.netlink.link(vip.device);
    if (!link || !vip.tracked || is_present(link->index, vip)) continue;
    const auto put = around_.netlink.put_address(link->index, vip);
    if (!repaired(put ? Result<void>() : put.error())) continue;
    log::warning("{}: {} was missing on {}: added and announced again", config_.name, vip.address,
                 link->name);
    restored = true;
  }
  if (restored) announce_again();
}

void VrrpAddresses::remove_foreign() {
  for (const VirtualAddress& vip : all()) {
    const auto link = around_.netlink.link(vip.device);
    if (!link) continue;
    for (const InterfaceAddress& own : around_.netlink.addresses()) {
      if (own.interface_index != link->index || own.address.address != vip.address.address) {
        continue;
      }
      if (!repaired(around_.netlink.remove_address(link->index, own.address))) continue;
      log::warning("{}: {} was on {} without our being MASTER: removed", config_.name, own.address,
                   link->name);
    }
  }
}

bool VrrpAddresses::repaired(const Result<void>& result) {
  const std::string text = result ? std::string() : result.error().text;
  if (!result && text != repair_error_) {
    log::error("{}: {}; trying again every half second", config_.name, text);
  }
  repair_error_ = text;
  return result.ok();
}

}  // namespace xlb
