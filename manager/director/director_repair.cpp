// What somebody else undid on this host is done again: told by netlink where the kernel tells,
// looked for twice a second where it does not (XDP links, pins, settings).
#include <chrono>
#include <memory>
#include <utility>

#include "base/log.h"
#include "director/director.h"

namespace xlb {
namespace {

constexpr auto kRepairInterval = std::chrono::milliseconds(500);

}  // namespace

Result<void> Director::open_repairs() {
  auto monitor = NftMonitor::open();
  if (!monitor) return monitor.error();
  nft_monitor_.emplace(std::move(*monitor));
  auto watch = loop_->watch(nft_monitor_->fd(), EPOLLIN, [this](uint32_t) { nft_readable(); });
  if (!watch) return watch.error();
  nft_watch_ = std::move(*watch);
  loopback_.emplace(*netlink_, run_directory_->path());
  repair_timer_ = loop_->timer(EventLoop::Urgency::normal, [this] { repair(); });
  repair_timer_.arm(loop_->now() + kRepairInterval);
  return {};
}

void Director::nft_readable() {
  const auto processed = nft_monitor_->process([this](const std::string& who) {
    if (stopping_ || !applied_) return;
    if (who.empty()) {
      log::warning("nftables' notifications were lost: table ip xlb is written again");
    } else {
      log::warning("nftables table ip xlb was changed by {}: written again", who);
    }
    nat_lost_ = true;
    nat_->reassert();
    request_apply();
  });
  if (!processed) log::error("{}", processed.error().text);
}

void Director::repair() {
  repair_timer_.arm(loop_->now() + kRepairInterval);
  if (stopping_) return;
  netlink_readable();
  static_network_->repair();
  for (const auto& instance : instances_)
    instance->repair_addresses();
  watch_balancing();
  if (attaching_) return;
  repair_dataplane();
  repair_forwarding();
  apply_local_delivery();
}

// Looking at the links may have to wait, so the worker does it.
void Director::inspect_links() {
  if (std::exchange(inspecting_, true)) return;
  auto found = std::make_shared<bool>(false);
  worker_->run([look = dataplane_->inspection(), found] { *found = look(); },
               [this, found] {
                 inspecting_ = false;
                 if (*found && !stopping_) attach_again();
               });
}

void Director::attach_again() {
  if (!dataplane_ || fallback_) return;
  for (const unsigned index : dataplane_->forget_detached()) {
    for (Interface& interface : interfaces_) {
      if (interface.index != index) continue;
      if (netlink_->link(index)) {
        log::warning("{}: somebody detached the XDP program: attaching it again", interface.name);
      }
      interface.index = 0;
    }
  }
  attach_interfaces();
}

void Director::repair_dataplane() {
  if (!dataplane_ || fallback_) return;
  inspect_links();
  attach_interfaces();
  const auto restored = dataplane_->restore_pins();
  if (restored && *restored) {
    log::warning("somebody removed pins below {}: pinned again", run_directory_->bpf_directory());
  }
  const std::string text = restored ? std::string() : restored.error().text;
  if (!restored && text != pins_error_) log::error("{}; trying again every half second", text);
  pins_error_ = text;
}

// Where client traffic and VRRP's addresses arrive: there the host must not answer ARP for a VIP
// that only its loopback interface holds.
std::vector<std::string> Director::client_facing_interfaces() const {
  std::vector<std::string> result;
  for (const Interface& interface : interfaces_)
    result.push_back(interface.name);
  for (const VrrpInstanceConfig& instance : config_.vrrp_instances) {
    result.push_back(instance.interface);
    for (const VirtualAddress& vip : instance.virtual_addresses) {
      if (!vip.device.empty()) result.push_back(vip.device);
    }
  }
  std::erase(result, "lo");
  return result;
}

// With the VIPs on the loopback interface nothing is translated.
void Director::apply_local_delivery() {
  nat_->set_closed(closed_addresses());
  auto services = services_->local_services();
  const bool loopback = config_.xlb.local_delivery == LocalDelivery::loopback;
  if (!loopback) nat_->set_local(std::exchange(services, {}), false);
  const auto done = loopback_->apply(services, client_facing_interfaces());
  if (loopback) nat_->set_local({}, done.ok());
  const std::string text = done ? std::string() : done.error().text;
  if (!done && text != loopback_error_) log::error("{}; trying again every half second", text);
  loopback_error_ = text;
  if (!done) return;
  for (const std::string& repaired : *done)
    log::warning("{}", repaired);
}

}  // namespace xlb
