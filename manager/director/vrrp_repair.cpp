// A virtual router's addresses when somebody else changed them, and its interface's MAC address
// when that changed: the network's picture is made to fit the role again.
#include <algorithm>

#include "base/log.h"
#include "director/vrrp_instance.h"

namespace xlb {

// The picture is younger than our own last change: process() reads an event of each change that was
// made before it was called.
void VrrpInstance::repair_addresses() {
  const vrrp::State role = router_.state();
  if (stopped_ || role == vrrp::State::init) return;
  if (role == vrrp::State::master) return restore_addresses();
  if (config_.priority != vrrp::kPriorityOwner) remove_foreign_addresses();
}

void VrrpInstance::restore_addresses() {
  bool restored = false;
  const auto& present = around_.netlink.addresses();
  for (const VirtualAddress& vip : config_.virtual_addresses) {
    const auto link = around_.netlink.link(device_of(vip));
    if (!link) continue;
    const bool there =
        std::any_of(present.begin(), present.end(), [&](const InterfaceAddress& own) {
          return own.interface_index == link->index && own.address == vip.address;
        });
    if (there) continue;
    if (!repaired(around_.netlink.add_address(link->index, vip.address))) continue;
    log::warning("{}: {} was missing on {}: added and announced again", config_.name, vip.address,
                 link->name);
    restored = true;
  }
  if (restored) announce();
}

void VrrpInstance::remove_foreign_addresses() {
  for (const VirtualAddress& vip : config_.virtual_addresses) {
    const auto link = around_.netlink.link(device_of(vip));
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

bool VrrpInstance::repaired(const Result<void>& result) {
  const std::string text = result ? std::string() : result.error().text;
  if (!result && text != repair_error_) {
    log::error("{}: {}; trying again every half second", config_.name, text);
  }
  repair_error_ = text;
  return result.ok();
}

// Neighbours go on sending to the old address until they are told.
void VrrpInstance::announce_new_mac() {
  log::notice("{}: {} has a new MAC address, {}", config_.name, config_.interface, footing_->mac);
  const auto sent = around_.announcer.announce(static_cast<int>(footing_->index), footing_->mac,
                                               footing_->address);
  if (!sent) log::warning("{}: {}", config_.name, sent.error().text);
  if (router_.state() == vrrp::State::master) announce();
}

}  // namespace xlb
