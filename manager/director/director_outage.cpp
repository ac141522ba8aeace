// Whether what balances is in place at all. A virtual router whose address has a virtual server
// that nobody balances here must not be master: who hears it as master sends it clients, and
// another director may serve them. (Rule 123 of docs/vrrp.md.)
//
// A table that could not be changed but stands as it was is no outage: what it holds is balanced,
// and the other directors may be refused the same change.
#include <algorithm>
#include <chrono>
#include <utility>

#include "base/log.h"
#include "director/director.h"

namespace xlb {
namespace {

// What somebody undid is done again within a second.
constexpr auto kOutagePatience = std::chrono::seconds(2);

bool has_address(const VrrpInstanceConfig& router, const IpAddress& address) {
  const auto is_it = [&](const VirtualAddress& vip) { return vip.address.address == address; };
  return std::any_of(router.virtual_addresses.begin(), router.virtual_addresses.end(), is_it) ||
         std::any_of(router.excluded_addresses.begin(), router.excluded_addresses.end(), is_it);
}

// A firewall mark may stand for any address.
bool leads_to(const VrrpInstanceConfig& router, const VirtualServerConfig& service) {
  const auto keys = keys_of(service);
  return std::any_of(keys.begin(), keys.end(), [&](const ServiceKey& key) {
    return key.mark != 0 || has_address(router, key.address);
  });
}

}  // namespace

bool Director::Outage::follow(const std::string& trouble, TimePoint now) {
  const bool counted = std::exchange(counts, false);
  if (trouble.empty()) {
    reason.clear();
    return counted;
  }
  if (reason.empty()) since = now;
  const bool news = std::exchange(reason, trouble) != trouble;
  counts = now - since >= kOutagePatience;
  return counts != counted || (counts && news);
}

// Empty, or why XDP does not balance. An interface that is not there brings nobody's packets.
std::string Director::xdp_trouble() const {
  if (!dataplane_ || fallback_ || attaching_) return "";
  for (const Interface& interface : interfaces_) {
    if (interface.index == 0 && netlink_->link(interface.name)) return interface.reason;
  }
  return "";
}

void Director::watch_balancing() {
  const TimePoint now = loop_->now();
  const bool xdp = xdp_outage_.follow(xdp_trouble(), now);
  const bool lost = nat_lost_ && (fallback_ || translating_);
  const bool nat = nat_outage_.follow(lost ? local_delivery_error_ : "", now);
  if (!xdp && !nat) return;
  for (const Outage* outage : {&xdp_outage_, &nat_outage_}) {
    if (outage->counts) log::error("virtual servers are not balanced: {}", outage->reason);
  }
  if (!xdp_outage_.counts && !nat_outage_.counts) log::notice("virtual servers are balanced again");
  tracking_changed();
}

// Empty, or why this router must not be master.
std::string Director::outage_of(const VrrpInstanceConfig& router) const {
  if (!xdp_outage_.counts && !nat_outage_.counts) return "";
  for (const VirtualServerConfig& service : config_.virtual_servers) {
    const bool by_nat = fallback_ != nullptr || needs_translation(service);
    const Outage& outage = by_nat ? nat_outage_ : xdp_outage_;
    if (!outage.counts || !leads_to(router, service)) continue;
    return "virtual server " + name_of(service) + " is not balanced: " + outage.reason;
  }
  return "";
}

}  // namespace xlb
