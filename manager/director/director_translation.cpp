// The nat table at work, beside XDP for the virtual servers that need translation or, in fallback,
// for all: this host has to route what it translates, and what the table cannot do is said.
#include <algorithm>
#include <string>
#include <utility>

#include "base/log.h"
#include "director/director.h"

namespace xlb {
namespace {

const std::string kForwarding = "net/ipv4/ip_forward";
const std::string kForwardingIpv6 = "net/ipv6/conf/all/forwarding";

bool is_ipv6(const ForwardedVirtualServer& service) {
  return !service.key.address.is_v4();
}

}  // namespace

SysctlRecord Director::forwarding_record(const RunDirectory& directory) {
  return SysctlRecord(directory.path() + "/ip_forward");
}

bool Director::translates(const ForwardingTable& desired) const {
  return fallback_ != nullptr ||
         std::any_of(desired.virtual_servers.begin(), desired.virtual_servers.end(),
                     [](const auto& service) { return service.translated; });
}

// A host that routes IPv6 heeds no router's advertisements any more: switching it on would cost its
// own routes, so it is left to who knows them.
bool Director::routes_ipv6() const {
  const auto value = SysctlRecord("").read(kForwardingIpv6);
  return value && *value != 0;
}

Result<void> Director::apply_forwarding(const ForwardingTable& desired) {
  const bool translating = translates(desired);
  if (!translating) {
    say_limits({});
    if (std::exchange(translating_, false)) put_forwarding_back();
    return split_->apply(desired);
  }
  auto forwarding = forwarding_record(*run_directory_).set(kForwarding, 1);
  if (!forwarding) return forwarding.error().context("cannot balance by translation");
  if (!std::exchange(translating_, true) && !fallback_) {
    log::notice(
        "virtual servers by NAT or firewall mark are balanced by the nftables table xlb; "
        "this host routes for them (net.ipv4.ip_forward)");
  }
  std::vector<std::string> limits = limits_of_nat(desired, fallback_ != nullptr);
  routed_ipv6_ = routes_ipv6();
  ForwardingTable routable = desired;
  if (!routed_ipv6_) {
    std::erase_if(routable.virtual_servers, [&](const auto& service) {
      if (!is_ipv6(service) || (!fallback_ && !service.translated)) return false;
      limits.push_back(
          fmt::format("{} is not balanced: that takes translation, and this host does "
                      "not route IPv6 (sysctl net.ipv6.conf.all.forwarding=1)",
                      service.key));
      return true;
    });
  }
  say_limits(std::move(limits));
  return balancer()->apply(routable);
}

void Director::say_limits(std::vector<std::string> limits) {
  for (const std::string& limit : limits) {
    const bool known = std::find(translation_limits_.begin(), translation_limits_.end(), limit) !=
                       translation_limits_.end();
    if (!known) log::warning("{}", limit);
  }
  translation_limits_ = std::move(limits);
}

// XDP is attached, or there is nothing to attach.
void Director::begin_translation() {
  if (fallback_) return;
  if (split_) {
    split_->begin_translation();
  } else {
    nat_->set_balanced(std::nullopt);
  }
  if (!translating_) put_forwarding_back();
}

// What this run or a predecessor left.
Result<void> Director::restore_forwarding(const RunDirectory& directory) {
  return forwarding_record(directory).restore(kForwarding);
}

void Director::put_forwarding_back() {
  const auto restored = restore_forwarding(*run_directory_);
  if (!restored) log::error("{}", restored.error().text);
}

// A host that does not route drops what its table translates.
void Director::repair_forwarding() {
  if (!translating_ || !applied_) return;
  if (routes_ipv6() != routed_ipv6_) request_apply();
  SysctlRecord record = forwarding_record(*run_directory_);
  const auto value = record.read(kForwarding);
  if (!value || *value != 0) return;
  log::warning("{} was switched off: switched on again", kForwarding);
  if (const auto set = record.set(kForwarding, 1); !set) log::error("{}", set.error().text);
}

void Director::describe_translation(Status& status) const {
  status.warnings.insert(status.warnings.end(), translation_limits_.begin(),
                         translation_limits_.end());
  const std::string& trouble = fallback_ ? fallback_->trouble() : split_->trouble();
  if (!trouble.empty()) status.warnings.push_back(trouble);
}

}  // namespace xlb
