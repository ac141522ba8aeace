#include "io/announce_queue.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace xlb {

AnnounceQueue::AnnounceQueue(EventLoop& loop, Announcer& announcer,
                             std::function<void(const Error&)> failed)
    : loop_(loop),
      announcer_(announcer),
      failed_(std::move(failed)),
      timer_(loop.timer(EventLoop::Urgency::normal, [this] { drain(); })) {}

void AnnounceQueue::configure(const AnnounceSpacing& otherwise,
                              const std::vector<AnnounceGroup>& groups) {
  if (otherwise == otherwise_ && groups == groups_) return;
  otherwise_ = otherwise;
  groups_ = groups;
  for (auto& [name, lane] : std::exchange(lanes_, {})) {
    for (Announcement& announcement : lane.waiting) {
      Lane& now = lane_of(announcement);
      now.free_at = std::max(now.free_at, lane.free_at);
      now.waiting.push_back(std::move(announcement));
    }
  }
  drain();
}

AnnounceQueue::Lane& AnnounceQueue::lane_of(const Announcement& announcement) {
  const auto group =
      std::find_if(groups_.begin(), groups_.end(), [&](const AnnounceGroup& candidate) {
        return std::find(candidate.interfaces.begin(), candidate.interfaces.end(),
                         announcement.interface) != candidate.interfaces.end();
      });
  const bool is_v4 = announcement.address.is_v4();
  const AnnounceSpacing& spacing = group == groups_.end() ? otherwise_ : group->spacing;
  // No interface's name holds a slash.
  const std::string shared =
      group == groups_.end() ? announcement.interface : fmt::format("/{}", group - groups_.begin());
  Lane& lane = lanes_[(is_v4 ? "4" : "6") + shared];
  lane.spacing = is_v4 ? spacing.arp : spacing.neighbour_advert;
  return lane;
}

void AnnounceQueue::add(Announcement announcement) {
  Lane& lane = lane_of(announcement);
  const TimePoint now = loop_.now();
  if (lane.waiting.empty() && now >= lane.free_at) {
    lane.free_at = now + lane.spacing;
    return send(announcement);
  }
  lane.waiting.push_back(std::move(announcement));
  rearm();
}

void AnnounceQueue::cancel(const void* owner) {
  for (auto& [name, lane] : lanes_)
    std::erase_if(lane.waiting, [&](const Announcement& item) { return item.owner == owner; });
  rearm();
}

bool AnnounceQueue::has(const void* owner) const {
  return std::any_of(lanes_.begin(), lanes_.end(), [&](const auto& item) {
    const auto& waiting = item.second.waiting;
    return std::any_of(waiting.begin(), waiting.end(),
                       [&](const Announcement& one) { return one.owner == owner; });
  });
}

void AnnounceQueue::send(const Announcement& announcement) {
  const auto sent =
      announcer_.announce(announcement.ifindex, announcement.mac, announcement.address);
  if (!sent) failed_(sent.error());
}

void AnnounceQueue::drain() {
  const TimePoint now = loop_.now();
  for (auto& [name, lane] : lanes_) {
    while (!lane.waiting.empty() && now >= lane.free_at) {
      lane.free_at = now + lane.spacing;
      const Announcement announcement = std::move(lane.waiting.front());
      lane.waiting.pop_front();
      send(announcement);
    }
  }
  rearm();
}

void AnnounceQueue::rearm() {
  std::optional<TimePoint> next;
  for (const auto& [name, lane] : lanes_) {
    if (!lane.waiting.empty() && (!next || lane.free_at < *next)) next = lane.free_at;
  }
  if (next) {
    timer_.arm(*next);
  } else {
    timer_.disarm();
  }
}

}  // namespace xlb
