// Who waits for which deadline. Each has at most one; whoever is numbered by the caller.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/types.h"

namespace xlb {

class TimerQueue {
 public:
  using Deadline = std::pair<TimePoint, uint64_t>;

  // Replaces the deadline that `id` has.
  void arm(uint64_t id, TimePoint when);
  void disarm(uint64_t id);
  [[nodiscard]] bool armed(uint64_t id) const { return deadlines_.contains(id); }
  [[nodiscard]] std::optional<TimePoint> first() const;

  // Those due at `now`, the earliest first, at most `most` of them. They stay armed.
  [[nodiscard]] std::vector<Deadline> due(TimePoint now, size_t most) const;
  // Disarms it; false: it was disarmed or armed anew since due() told of it.
  [[nodiscard]] bool take(const Deadline& deadline);

 private:
  std::set<Deadline> order_;
  std::unordered_map<uint64_t, TimePoint> deadlines_;
};

// The first whole `grain` not before `when`: who waits for it wakes once for all before it.
[[nodiscard]] TimePoint rounded_up(TimePoint when, Duration grain);

}  // namespace xlb
