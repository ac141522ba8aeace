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
#include "director/real_server_status.h"

namespace xlb {
Dataplane* Director::balancer() const {
  return fallback_ ? static_cast<Dataplane*>(fallback_.get()) : split_.get();
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
  split_.reset();
  fallback_ = std::make_unique<NatDataplane>(*nat_);
  nat_lost_ = !nat_->holding();
  applied_ = false;
  if (services_) request_apply();
}

void Director::take_xdp_away() {
  if (xdp_taken_away_) return;
  xdp_taken_away_ = true;
  const auto released =
      dataplane_ ? dataplane_->release() : XdpDataplane::purge(run_directory_->bpf_directory());
  if (!released) log::error("{}", released.error().text);
  dataplane_.reset();
}

void Director::describe_fallback(Status& status) const {
  for (const Interface& interface : interfaces_)
    status.dataplane.push_back({interface.name, "nat", fallback_reason_});
  for (auto& service : status.virtual_servers) {
    for (auto& real_server : service.real_servers)
      say_translated(real_server);
    if (service.sorry_server) say_translated(*service.sorry_server);
  }
}

}  // namespace xlb
