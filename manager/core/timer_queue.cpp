#include "core/timer_queue.h"

namespace xlb {

void TimerQueue::arm(uint64_t id, TimePoint when) {
  const auto [found, added] = deadlines_.try_emplace(id, when);
  if (!added) {
    order_.erase({found->second, id});
    found->second = when;
  }
  order_.emplace(when, id);
}

void TimerQueue::disarm(uint64_t id) {
  const auto found = deadlines_.find(id);
  if (found == deadlines_.end()) return;
  order_.erase({found->second, id});
  deadlines_.erase(found);
}

std::optional<TimePoint> TimerQueue::first() const {
  if (order_.empty()) return std::nullopt;
  return order_.begin()->first;
}

std::vector<TimerQueue::Deadline> TimerQueue::due(TimePoint now, size_t most) const {
  std::vector<Deadline> result;
  for (const Deadline& deadline : order_) {
    if (deadline.first > now || result.size() == most) break;
    result.push_back(deadline);
  }
  return result;
}

bool TimerQueue::take(const Deadline& deadline) {
  if (order_.erase(deadline) == 0) return false;
  deadlines_.erase(deadline.second);
  return true;
}

TimePoint rounded_up(TimePoint when, Duration grain) {
  const Duration since = when.time_since_epoch();
  const Duration over = since % grain;
  return over == Duration{} ? when : when + (grain - over);
}

}  // namespace xlb
