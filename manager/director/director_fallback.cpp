// Balancing without XDP: decided once, for all virtual servers and interfaces, and kept until the
// next start. One interface without XDP is enough: a director that balanced some of its frames by
// XDP and others by translation would have two tables of connections that know nothing of each
// other.
//
// The nat table takes over before XDP is taken away, so that frames find one or the other.
#include <algorithm>
#include <string>
#include <utility>

#include "base/log.h"
#include "director/director.h"

namespace xlb {
namespace {

const std::string kForwarding = "net/ipv4/ip_forward";

void masquerade(Status::RealServer& real_server) {
  if (real_server.forward != "Local") real_server.forward = "Masq";
}

}  // namespace

SysctlRecord Director::forwarding_record(const RunDirectory& directory) {
  return SysctlRecord(directory.path() + "/ip_forward");
}

Dataplane* Director::balancer() const {
  return fallback_ ? static_cast<Dataplane*>(fallback_.get()) : dataplane_.get();
}

void Director::fall_back(const std::string& reason) {
  if (config_.xlb.attach_mode == AttachMode::none) {
    log::notice("the nftables table ip xlb balances: {}", reason);
  } else {
    log::warning(
        "{}; the nftables table ip xlb balances instead: real servers see this director's address "
        "for the client's",
        reason);
  }
  fallback_reason_ = reason;
  fallback_ = std::make_unique<NatDataplane>(*nat_);
  applied_ = false;
  if (services_) request_apply();
}

Result<void> Director::apply_fallback(const ForwardingTable& desired) {
  auto forwarding = forwarding_record(*run_directory_).set(kForwarding, 1);
  if (!forwarding) return forwarding.error().context("cannot balance by translation");
  say_limits(limits_of_nat(desired));
  return fallback_->apply(desired);
}

void Director::say_limits(std::vector<std::string> limits) {
  for (const std::string& limit : limits) {
    const bool known = std::find(fallback_limits_.begin(), fallback_limits_.end(), limit) !=
                       fallback_limits_.end();
    if (!known) log::warning("{}", limit);
  }
  fallback_limits_ = std::move(limits);
}

void Director::take_xdp_away() {
  if (xdp_taken_away_) return;
  xdp_taken_away_ = true;
  const auto released =
      dataplane_ ? dataplane_->release() : XdpDataplane::purge(run_directory_->bpf_directory());
  if (!released) log::error("{}", released.error().text);
  dataplane_.reset();
}

// What this run or a predecessor's fallback left.
Result<void> Director::restore_forwarding(const RunDirectory& directory) {
  return forwarding_record(directory).restore(kForwarding);
}

void Director::put_forwarding_back() {
  const auto restored = restore_forwarding(*run_directory_);
  if (!restored) log::error("{}", restored.error().text);
}

void Director::describe_fallback(Status& status) const {
  for (const Interface& interface : interfaces_)
    status.dataplane.push_back({interface.name, "nat", fallback_reason_});
  for (auto& service : status.virtual_servers) {
    for (auto& real_server : service.real_servers)
      masquerade(real_server);
    if (service.sorry_server) masquerade(*service.sorry_server);
  }
  status.warnings.insert(status.warnings.end(), fallback_limits_.begin(), fallback_limits_.end());
  if (!fallback_->trouble().empty()) status.warnings.push_back(fallback_->trouble());
}

}  // namespace xlb
