#include "director/next_hops.h"

#include <algorithm>
#include <chrono>
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
// A part of what concerns thousands of addresses: about a millisecond. Asking the kernel for a
// route takes as long as several addresses without.
constexpr int kUpdatesAtOnce = 256;
constexpr int kLookupsAtOnce = 100;
// Who is told judges and writes anew all that changed, which costs as much for one as for some.
constexpr auto kTellInterval = std::chrono::milliseconds(250);
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
      backlog_timer_(loop.timer(EventLoop::Urgency::normal,
                                [this] {
                                  if (work_off()) changed_();
                                })),
      probe_(loop) {
  timer_.arm(loop.now() + kTick);
}

void NextHops::want(const IpAddress& address, Reach reach) {
  const Target target(address, reach);
  const auto [entry, added] = entries_.try_emplace(target);
  entry->second.wanted = true;
  if (added) (void)update(target, entry->second);
}

NextHops::Answer NextHops::find(const IpAddress& address, Reach reach) const {
  const auto found = entries_.find({address, reach});
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

// True when the answer changed.
bool NextHops::update(const Target& target, Entry& entry) {
  const Answer before = entry.answer;
  resolve(target, entry);
  if (entry.answer == before) return false;
  changed_answers_.addresses.insert(target.first);
  return true;
}

void NextHops::resolve(const Target& target, Entry& entry) {
  const auto& [address, reach] = target;
  Answer& answer = entry.answer;
  answer.hop.reset();
  answer.text.clear();
  answer.resolving = false;
  answer.local = netlink_.is_local(address);
  if (answer.local) {
    go_via(target, entry, std::nullopt);
    return look_again(target, entry, std::nullopt);
  }
  find_way(target, entry);
  const auto link = entry.via ? netlink_.link(entry.via->first) : std::nullopt;
  if (!link) {
    answer.text =
        reach == Reach::route
            ? fmt::format("there is no route to {}", address)
            : fmt::format("{} is on no link of this host: direct routing cannot reach it", address);
    go_via(target, entry, std::nullopt);
    return look_again(target, entry, loop_.now() + kUnresolvedInterval);
  }
  look_again(target, entry, std::nullopt);
  if (reach == Reach::route) {
    answer.source = entry.route->source;
    answer.mtu_bytes = entry.route->mtu != 0 ? entry.route->mtu : link->mtu;
  }
  Way& way = *ways_.find(*entry.via);
  take_neighbour(target, entry, way, *link);
  ask_when_due(*entry.via, way, answer.hop.has_value());
}

// Its MAC, or why there is none.
void NextHops::take_neighbour(const Target& target, Entry& entry, Way& way, const Link& link) {
  Answer& answer = entry.answer;
  const IpAddress& hop = entry.via->second;
  if (hop != target.first) answer.last_known_mac.reset();
  const auto neighbour = netlink_.neighbour(link.index, hop);
  const bool usable = neighbour && neighbour->state == Neighbour::State::usable &&
                      !neighbour->mac.is_zero() && !neighbour->mac.is_multicast();
  if (usable) {
    way.mac = neighbour->mac;
    if (hop == target.first) answer.last_known_mac = neighbour->mac;
    way.failed = false;
  } else if (neighbour && neighbour->state == Neighbour::State::failed) {
    way.mac.reset();
    way.failed = true;
  }
  if (way.mac && link.up) {
    answer.hop = NextHop{*way.mac, link.mac, link.index};
  } else if (!link.up) {
    answer.text = fmt::format("interface {} is down", link.name);
  } else {
    answer.resolving = !way.failed;
    const std::string who = hop == target.first
                                ? hop.to_string()
                                : fmt::format("gateway {} towards {}", hop, target.first);
    answer.text =
        fmt::format("{} {} {} on {}", who, way.failed ? "does not answer" : "is being resolved by",
                    hop.is_v4() ? "ARP" : "neighbour discovery", link.name);
  }
}

// An address in a network of ours is on that link, whatever the routes say, unless it may be
// reached by a gateway.
void NextHops::find_way(const Target& target, Entry& entry) {
  const auto& [address, reach] = target;
  if (reach == Reach::link) {
    if (const auto index = netlink_.link_towards(address)) {
      return go_via(target, entry, Via(*index, address));
    }
  }
  if (!std::exchange(entry.route_known, true)) {
    --lookups_left_;
    const auto route = netlink_.route_to(address);
    entry.route = route ? std::optional(*route) : std::nullopt;
  }
  const bool usable = entry.route && (reach == Reach::route || !entry.route->gateway);
  if (!usable) return go_via(target, entry, std::nullopt);
  go_via(target, entry, Via(entry.route->interface_index, entry.route->gateway.value_or(address)));
}

void NextHops::go_via(const Target& target, Entry& entry, std::optional<Via> via) {
  if (entry.via == via) return;
  if (entry.via) ways_.leave(*entry.via, target);
  entry.via = std::move(via);
  if (entry.via) (void)ways_.join(*entry.via, target);
}

// A way may come without a word; nullopt: there is one.
void NextHops::look_again(const Target& target, Entry& entry, std::optional<TimePoint> when) {
  lookups_.erase({entry.next_lookup, target});
  if (!when) return;
  entry.next_lookup = *when;
  lookups_.emplace(*when, target);
}

void NextHops::ask_when_due(const Via& via, Way& way, bool usable) {
  const TimePoint now = loop_.now();
  if (now < way.next_request) return;
  if (!may_request(now)) return timer_.arm(now + kRequestPause);
  ways_.schedule(via, now + (usable ? kRefreshInterval : kUnresolvedInterval));
  ask_kernel(via, way);
}

// What fails is asked again at the next request time.
void NextHops::ask_kernel(const Via& via, Way& way) {
  if (std::exchange(way.asking, true)) return;
  const auto& [index, hop] = via;
  worker_.run(
      [requester = requester_, index = index, hop = hop, known = netlink_.neighbour(index, hop)] {
        (void)requester->resolve(index, hop, known);
      },
      [this, via = via] {
        if (Way* const asked = ways_.find(via)) asked->asking = false;
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
  for (auto& [address, entry] : entries_) {
    loop_.serve_urgent();
    entry.wanted = false;
  }
}

void NextHops::forget_unwanted() {
  for (auto item = entries_.begin(); item != entries_.end();) {
    loop_.serve_urgent();
    if (item->second.wanted) {
      ++item;
      continue;
    }
    go_via(item->first, item->second, std::nullopt);
    look_again(item->first, item->second, std::nullopt);
    item = entries_.erase(item);
  }
}

bool NextHops::refresh(const NetlinkChanges& changes) {
  const bool all = changes.links_or_addresses || changes.everything;
  if (all || changes.routes) {
    for (auto& [target, entry] : entries_) {
      loop_.serve_urgent();
      if (!all && !entry.route_known) continue;
      entry.route_known = false;
      backlog_.add(target);
    }
  }
  for (const Via& neighbour : changes.neighbours) {
    const Way* const way = all ? nullptr : ways_.find(neighbour);
    if (way == nullptr) continue;
    for (const Target& target : way->targets) {
      loop_.serve_urgent();
      backlog_.add(target);
    }
  }
  return work_off();
}

// Whether answers changed that are to be told of now: of thousands, together.
bool NextHops::work_off() {
  lookups_left_ = kLookupsAtOnce;
  for (int i = 0; i < kUpdatesAtOnce && lookups_left_ > 0; ++i) {
    const auto target = backlog_.take();
    if (!target) break;
    loop_.serve_urgent();
    const auto found = entries_.find(*target);
    if (found != entries_.end()) untold_ |= update(*target, found->second);
  }
  const TimePoint now = loop_.now();
  if (backlog_.empty()) {
    tell_by_ = now + kTellInterval;
    return std::exchange(untold_, false);
  }
  backlog_timer_.arm(now + (lookups_left_ > 0 ? Duration() : Duration(kRequestPause)));
  if (now < tell_by_) return false;
  tell_by_ = now + kTellInterval;
  return std::exchange(untold_, false);
}

bool NextHops::settled() const {
  return backlog_.empty() &&
         std::all_of(entries_.begin(), entries_.end(), [this](const auto& item) {
           const Entry& entry = item.second;
           return entry.answer.local || entry.answer.hop || !entry.via ||
                  ways_.find(*entry.via)->failed;
         });
}

void NextHops::suspect(const IpAddress& address) {
  if (netlink_.is_local(address)) return;
  want(address);
  Suspect& suspect = suspects_[address];
  if (suspect.probing || suspect.lost) return;
  suspect.id = next_suspect_id_++;
  suspect.mac = entries_[{address, Reach::link}].answer.last_known_mac;
  probe(address, suspect, kSuspectAttempts);
}

void NextHops::alive(const IpAddress& address) {
  const auto found = suspects_.find(address);
  if (found == suspects_.end()) return;
  const bool was_lost = found->second.lost;
  suspects_.erase(found);
  if (!was_lost) return;
  changed_answers_.all = true;
  changed_();
}

void NextHops::probe(const IpAddress& address, Suspect& suspect, int attempts) {
  const auto index = netlink_.link_towards(address);
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
    if (std::exchange(found->second.lost, true)) return;
    changed_answers_.all = true;
    changed_();
  });
  suspect.probing = started.ok();
}

void NextHops::tick() {
  const TimePoint now = loop_.now();
  timer_.arm(now + kTick);
  ask_those_due(now);
  look_for_those_without(now);
  for (auto& [address, suspect] : suspects_) {
    if (suspect.lost && !suspect.probing && now >= suspect.next_probe) probe(address, suspect, 1);
  }
}

void NextHops::ask_those_due(TimePoint now) {
  while (const auto via = ways_.due(now)) {
    if (requests_left_ <= 0 && now < requests_again_) return timer_.arm(now + kRequestPause);
    Way& way = *ways_.find(*via);
    const auto link = netlink_.link(via->first);
    ask_when_due(*via, way, way.mac && link && link->up);
  }
}

void NextHops::look_for_those_without(TimePoint now) {
  while (!lookups_.empty() && lookups_.begin()->first <= now) {
    const Target target = lookups_.begin()->second;
    Entry& entry = entries_.at(target);
    entry.route_known = false;
    look_again(target, entry, std::nullopt);
    backlog_.add(target);
  }
  if (work_off()) changed_();
}

}  // namespace xlb
