#include "io/split_dataplane.h"

#include <algorithm>
#include <map>
#include <utility>

namespace xlb {
namespace {

// Set in a cursor: XDP's part has been visited.
constexpr uint64_t kTranslatedPart = uint64_t{1} << 63;

}  // namespace

void SplitDataplane::begin_translation() {
  if (std::exchange(begun_, true)) return;
  apply_translated();
  if (!translates()) table_.set_balanced(std::nullopt);
}

void SplitDataplane::apply_translated() {
  if (begun_ && translates()) (void)nat_.apply(translated_);  // it only asks
}

Result<void> SplitDataplane::apply(const ForwardingTable& desired) {
  const auto& services = desired.virtual_servers;
  if (std::any_of(services.begin(), services.end(),
                  [](const auto& service) { return service.translated; })) {
    return apply_split(desired);
  }
  auto done = xdp_.apply(desired);
  if (begun_ && translates()) nat_.end();
  translated_ = {};
  sides_.clear();
  waiting_ = false;
  return done;
}

Result<void> SplitDataplane::apply_split(const ForwardingTable& desired) {
  ForwardingTable forwarded;
  forwarded.timeouts = desired.timeouts;
  translated_ = {};
  translated_.timeouts = desired.timeouts;
  sides_.clear();
  for (const auto& service : desired.virtual_servers) {
    sides_.push_back(service.translated);
    (sides_.back() ? translated_ : forwarded).virtual_servers.push_back(service);
  }
  apply_translated();
  keep_until_translated(forwarded);
  return xdp_.apply(forwarded);
}

void SplitDataplane::keep_until_translated(ForwardingTable& forwarded) {
  waiting_ = false;
  if (begun_ && table_.settled()) return;
  std::map<ServiceKey, const ForwardedVirtualServer*> before;
  for (const auto& service : xdp_.applied().virtual_servers)
    before.emplace(service.key, &service);
  for (const auto& service : translated_.virtual_servers) {
    const auto found = before.find(service.key);
    if (found == before.end()) continue;
    forwarded.virtual_servers.push_back(*found->second);
    waiting_ = true;
  }
}

bool SplitDataplane::sweep_step(TimePoint now) {
  if (!xdp_swept_) {
    xdp_swept_ = xdp_.sweep_step(now);
    if (!xdp_swept_) return false;
    if (begun_ && translates()) return false;
  } else if (begun_ && translates() && !nat_.sweep_step(now)) {
    return false;
  }
  xdp_swept_ = false;
  return true;
}

DataplaneCounters SplitDataplane::counters() {
  DataplaneCounters result = xdp_.counters();
  if (sides_.empty()) return result;
  DataplaneCounters translated = nat_.counters();
  result.flows += translated.flows;
  auto forwarded = std::exchange(result.services, {});
  size_t next[2] = {};
  for (const bool side : sides_) {
    auto& services = side ? translated.services : forwarded;
    size_t& position = next[side ? 1 : 0];
    // Not there yet: it is not applied.
    if (position < services.size()) {
      result.services.push_back(std::move(services[position]));
    }
    ++position;
  }
  return result;
}

template <typename Item>
uint64_t SplitDataplane::visit_both(Visit<Item> visit_one, uint64_t cursor, size_t limit,
                                    TimePoint now, const std::function<void(const Item&)>& visit) {
  if ((cursor & kTranslatedPart) == 0) {
    const uint64_t next = (static_cast<Dataplane&>(xdp_).*visit_one)(cursor, limit, now, visit);
    if (next != 0) return next;
    return begun_ && translates() ? kTranslatedPart : 0;
  }
  const uint64_t next =
      (static_cast<Dataplane&>(nat_).*visit_one)(cursor & ~kTranslatedPart, limit, now, visit);
  return next == 0 ? 0 : next | kTranslatedPart;
}

uint64_t SplitDataplane::visit_connections(uint64_t cursor, size_t limit, TimePoint now,
                                           const std::function<void(const Connection&)>& visit) {
  return visit_both<Connection>(&Dataplane::visit_connections, cursor, limit, now, visit);
}

uint64_t SplitDataplane::visit_persistence(
    uint64_t cursor, size_t limit, TimePoint now,
    const std::function<void(const PersistentClient&)>& visit) {
  return visit_both<PersistentClient>(&Dataplane::visit_persistence, cursor, limit, now, visit);
}

}  // namespace xlb
