// Spreads what would come in bursts: each caller gets a time of its own, at least `spacing` after
// the one before.
#pragma once

#include <algorithm>

#include "core/types.h"

namespace xlb {

class Pacer {
 public:
  explicit Pacer(Duration spacing) : spacing_(spacing) {}

  // The first time from `now` on that nobody else has.
  TimePoint reserve(TimePoint now) {
    const TimePoint slot = std::max(now, free_from_);
    free_from_ = slot + spacing_;
    return slot;
  }

 private:
  Duration spacing_;
  TimePoint free_from_{};
};

}  // namespace xlb
