#include "io/loopback_delivery.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace xlb {
namespace {

constexpr std::string_view kSettings = "net/ipv4/conf/";

std::string setting_of(std::string_view interface, std::string_view name) {
  return fmt::format("{}{}/{}", kSettings, interface, name);
}

// "eth0" of "net/ipv4/conf/eth0/arp_ignore".
std::string_view interface_of(std::string_view setting) {
  setting.remove_prefix(std::min(kSettings.size(), setting.size()));
  return setting.substr(0, setting.find('/'));
}

}  // namespace

LoopbackDelivery::LoopbackDelivery(Netlink& netlink, const std::string& run_directory)
    : netlink_(netlink),
      addresses_(run_directory + "/loopback_addresses"),
      settings_(run_directory + "/interface_settings") {}

std::optional<unsigned> LoopbackDelivery::loopback() const {
  const auto link = netlink_.link("lo");
  if (!link) return std::nullopt;
  return link->index;
}

Result<std::vector<std::string>> LoopbackDelivery::apply(std::span<const LocalService> services,
                                                         std::span<const std::string> interfaces) {
  std::set<IpAddress> wanted;
  for (const LocalService& local : services) {
    // A host whose own address is the VIP has it already.
    if (local.service.address != local.own.address) wanted.insert(local.service.address);
  }
  // Neighbour discovery answers for an interface's own addresses alone; ARP must be told so.
  const bool any_v4 = std::any_of(wanted.begin(), wanted.end(),
                                  [](const IpAddress& address) { return address.is_v4(); });
  if (!any_v4) interfaces = {};
  std::vector<std::string> repaired;
  // Quiet first and loud last: no moment in which the host answers for an address of its loopback
  // interface.
  for (const std::string& interface : interfaces) {
    if (auto quiet = quieten(interface, repaired); !quiet) return quiet.error();
  }
  if (!wanted.empty()) {
    const auto index = loopback();
    if (!index) return fail("cannot deliver on lo: no such interface");
    for (const IpAddress& address : wanted) {
      if (auto added = put(*index, address, repaired); !added) return added.error();
    }
  }
  if (auto taken = take_away_all_but(wanted); !taken) return taken.error();
  if (auto restored = restore_all_but(interfaces); !restored) return restored.error();
  return repaired;
}

Result<void> LoopbackDelivery::remove() {
  const auto done = apply({}, {});
  return done ? Result<void>() : done.error();
}

Result<void> LoopbackDelivery::quieten(const std::string& interface,
                                       std::vector<std::string>& repaired) {
  if (!netlink_.link(interface)) return {};  // done when it appears
  for (const ArpSetting& setting : kQuietArp) {
    const std::string name = setting_of(interface, setting.name);
    const auto own = settings_.read(name);
    const auto all = settings_.read(setting_of("all", setting.name));
    if (!own && own.error().code == ENOENT) return {};  // it goes at this moment
    if (!own || !all) return own ? all.error() : own.error();
    if (!needs_change(*all, *own, setting.value)) continue;
    if (auto set = settings_.set(name, setting.value); !set) return set;
    if (!done_.insert(name).second) {
      repaired.push_back(fmt::format("{} was {}: set to {} again", name, *own, setting.value));
    }
  }
  return {};
}

Result<void> LoopbackDelivery::put(unsigned loopback, const IpAddress& address,
                                   std::vector<std::string>& repaired) {
  const PrefixedAddress host_address{address, static_cast<uint8_t>(8 * address.size())};
  const auto& present = netlink_.addresses();
  const bool there = std::any_of(present.begin(), present.end(), [&](const auto& entry) {
    return entry.interface_index == loopback && entry.address == host_address;
  });
  if (there) {
    if (addresses_.entries().contains({"lo", host_address})) done_.insert(address.to_string());
    return {};
  }
  if (auto recorded = addresses_.add({"lo", host_address}); !recorded) return recorded;
  const auto added = netlink_.put_host_address(loopback, host_address);
  if (!added) return added.error();
  if (!done_.insert(address.to_string()).second && *added) {
    repaired.push_back(fmt::format("{} was removed from lo: added again", host_address));
  }
  return {};
}

Result<void> LoopbackDelivery::take_away_all_but(const std::set<IpAddress>& addresses) {
  const auto index = loopback();
  for (const auto& entry : std::set(addresses_.entries())) {
    const IpAddress& address = entry.second.address;
    if (addresses.contains(address)) continue;
    if (index) {
      if (auto removed = netlink_.remove_address(*index, entry.second); !removed) return removed;
    }
    if (auto recorded = addresses_.remove(entry); !recorded) return recorded;
    done_.erase(address.to_string());
  }
  return {};
}

Result<void> LoopbackDelivery::restore_all_but(std::span<const std::string> interfaces) {
  for (const auto& [name, change] : std::map(settings_.changes())) {
    const auto kept = std::find(interfaces.begin(), interfaces.end(), interface_of(name));
    if (kept != interfaces.end()) continue;
    if (auto restored = settings_.restore(name); !restored) return restored;
    done_.erase(name);
  }
  return {};
}

}  // namespace xlb
