#include "director/next_hops.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

namespace xlb {
namespace {

constexpr auto kTick = std::chrono::milliseconds(250);
constexpr auto kUnresolvedInterval = std::chrono::seconds(1);
// A resolved entry is used by XDP behind the kernel's back, so the kernel would let it go stale: it
// is reminded.
constexpr auto kRefreshInterval = std::chrono::seconds(10);
// Resolving a thousand at once would be a burst of broadcasts, and of answers for the loop.
constexpr int kRequestsAtOnce = 16;
constexpr auto kRequestPause = std::chrono::milliseconds(1);
constexpr int kSuspectAttempts = 3;
constexpr auto kProbeInterval = std::chrono::milliseconds(100);
constexpr auto kLostInterval = std::chrono::seconds(1);

}  // namespace

NextHops::NextHops(EventLoop& loop, Netlink& netlink, Worker& worker, NeighbourRequester requester,
                   std::function<void()> changed)
    : loop_(loop),
      netlink_(netlink),
      worker_(worker),
      requester_(std::make_shared<NeighbourRequester>(std::move(requester))),
      changed_(std::move(changed)),
      timer_(loop.timer(EventLoop::Urgency::normal, [this] { tick(); })),
      probe_(loop) {
  timer_.arm(loop.now() + kTick);
}

void NextHops::want(const IpAddress& address) {
  const auto [entry, added] = entries_.try_emplace(address);
  entry->second.wanted = true;
  if (added) resolve(address, entry->second);
}

NextHops::Answer NextHops::find(const IpAddress& address) const {
  const auto found = entries_.find(address);
  if (found == entries_.end()) return {};
  Answer answer = found->second.answer;
  answer.lost = lost_text(address, found->second);
  return answer;
}

std::string NextHops::lost_text(const IpAddress& address, const Entry& entry) const {
  if (entry.answer.local) return {};
  for (const auto& [director, suspect] : suspects_) {
    if (!suspect.lost) continue;
    const bool same_host = suspect.mac && entry.answer.last_known_mac == suspect.mac;
    if (director == address || same_host) {
      return fmt::format("director {} fell silent and does not answer ARP", director);
    }
  }
  return {};
}

std::optional<unsigned> NextHops::link_towards(const IpAddress& address) const {
  const auto shares_prefix = [&](const PrefixedAddress& own) {
    const int length = own.prefix_length;
    for (int bit = 0; bit < length; ++bit) {
      const auto index = static_cast<size_t>(bit / 8);
      const int mask = 0x80 >> (bit % 8);
      if ((own.address.bytes()[index] & mask) != (address.bytes()[index] & mask)) return false;
    }
    return own.address.family() == address.family();
  };
  std::optional<unsigned> best;
  int best_length = -1;
  for (const InterfaceAddress& own : netlink_.addresses()) {
    if (own.address.prefix_length <= best_length || !shares_prefix(own.address)) continue;
    best = own.interface_index;
    best_length = own.address.prefix_length;
  }
  if (best) return best;
  const auto route =
      netlink_.route_to(address);  // an on-link route without an address in its network
  if (route && !route->gateway) return route->interface_index;
  return std::nullopt;
}

void NextHops::resolve(const IpAddress& address, Entry& entry) {
  Answer& answer = entry.answer;
  answer.hop.reset();
  answer.text.clear();
  answer.resolving = false;
  answer.local = netlink_.is_local(address);
  if (answer.local) return;
  const auto index = link_towards(address);
  const auto link = index ? netlink_.link(*index) : std::nullopt;
  if (!link) {
    answer.text =
        fmt::format("{} is on no link of this host: direct routing cannot reach it", address);
    entry.failed = true;
    return;
  }
  const auto neighbour = netlink_.neighbour(link->index, address);
  const bool usable = neighbour && neighbour->state == Neighbour::State::usable &&
                      !neighbour->mac.is_zero() && !neighbour->mac.is_multicast();
  if (usable) {
    entry.usable_mac = neighbour->mac;
    answer.last_known_mac = neighbour->mac;
    entry.failed = false;
  } else if (neighbour && neighbour->state == Neighbour::State::failed) {
    entry.usable_mac.reset();
    entry.failed = true;
  }
  if (entry.usable_mac && link->up) {
    answer.hop = NextHop{*entry.usable_mac, link->mac, link->index};
  } else if (!link->up) {
    answer.text = fmt::format("interface {} is down", link->name);
  } else {
    answer.resolving = !entry.failed;
    answer.text =
        fmt::format("{} {} ARP on {}", address,
                    entry.failed ? "does not answer" : "is being resolved by", link->name);
  }
  const TimePoint now = loop_.now();
  if (now < entry.next_request) return;
  if (!may_request(now)) return timer_.arm(now + kRequestPause);
  entry.next_request = now + (usable ? kRefreshInterval : kUnresolvedInterval);
  ask_kernel(link->index, address, entry);
}

// What fails is asked again at the next request time.
void NextHops::ask_kernel(unsigned index, const IpAddress& address, Entry& entry) {
  if (std::exchange(entry.asking, true)) return;
  worker_.run(
      [requester = requester_, index, address, known = netlink_.neighbour(index, address)] {
        (void)requester->resolve(index, address, known);
      },
      [this, address] {
        const auto found = entries_.find(address);
        if (found != entries_.end()) found->second.asking = false;
      });
}

bool NextHops::may_request(TimePoint now) {
  if (now >= requests_again_) {
    requests_left_ = kRequestsAtOnce;
    requests_again_ = now + kRequestPause;
  }
  return requests_left_-- > 0;
}

void NextHops::forget_all() {
  for (auto& [address, entry] : entries_)
    entry.wanted = false;
}

void NextHops::refresh() {
  std::erase_if(entries_, [](const auto& item) { return !item.second.wanted; });
  for (auto& [address, entry] : entries_)
    resolve(address, entry);
}

bool NextHops::settled() const {
  return std::all_of(entries_.begin(), entries_.end(), [](const auto& item) {
    const Entry& entry = item.second;
    return entry.answer.local || entry.answer.hop || entry.failed;
  });
}

void NextHops::suspect(const IpAddress& address) {
  if (netlink_.is_local(address)) return;
  want(address);
  Suspect& suspect = suspects_[address];
  if (suspect.probing || suspect.lost) return;
  suspect.id = next_suspect_id_++;
  suspect.mac = entries_[address].answer.last_known_mac;
  probe(address, suspect, kSuspectAttempts);
}

void NextHops::alive(const IpAddress& address) {
  const auto found = suspects_.find(address);
  if (found == suspects_.end()) return;
  const bool was_lost = found->second.lost;
  suspects_.erase(found);
  if (was_lost) changed_();
}

void NextHops::probe(const IpAddress& address, Suspect& suspect, int attempts) {
  const auto index = link_towards(address);
  const auto link = index ? netlink_.link(*index) : std::nullopt;
  const auto own = link ? netlink_.primary_address(link->index) : std::nullopt;
  suspect.next_probe = loop_.now() + kLostInterval;
  if (!link || !own) return;  // nothing can be said about it
  NeighbourProbe::Request request;
  request.ifindex = static_cast<int>(link->index);
  request.own_mac = link->mac;
  request.own_address = *own;
  request.target = address;
  request.attempts = attempts;
  request.interval = kProbeInterval;
  const uint64_t id = suspect.id;
  const auto started = probe_.probe(request, [this, address, id](bool answered, const MacAddress&) {
    if (answered) return alive(address);
    const auto found = suspects_.find(address);
    if (found == suspects_.end() || found->second.id != id) return;
    found->second.probing = false;
    if (!std::exchange(found->second.lost, true)) changed_();
  });
  suspect.probing = started.ok();
}

void NextHops::tick() {
  timer_.arm(loop_.now() + kTick);
  const TimePoint now = loop_.now();
  bool changed = false;
  for (auto& [address, entry] : entries_) {
    if (now < entry.next_request || entry.answer.local) continue;
    const bool had_hop = entry.answer.hop.has_value();
    resolve(address, entry);
    changed |= had_hop != entry.answer.hop.has_value();
  }
  for (auto& [address, suspect] : suspects_) {
    if (suspect.lost && !suspect.probing && now >= suspect.next_probe) probe(address, suspect, 1);
  }
  if (changed) changed_();
}

}  // namespace xlb
