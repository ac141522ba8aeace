#include "core/lag_histogram.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace xlb {
namespace {

constexpr auto kStep = std::chrono::microseconds(100);

}  // namespace

void LagHistogram::note(Duration lag) {
  max_ = std::max(max_, lag);
  ++counts_[std::min(static_cast<size_t>(lag / kStep), kSteps - 1)];
}

Duration LagHistogram::of(double share) const {
  const uint64_t total = std::accumulate(counts_.begin(), counts_.end(), uint64_t{0});
  const auto wanted = static_cast<uint64_t>(std::ceil(share * static_cast<double>(total)));
  uint64_t seen = 0;
  size_t step = 0;
  while (step < kSteps && seen < wanted)
    seen += counts_[step++];
  return std::min(Duration(kStep) * static_cast<Duration::rep>(step), max_);
}

}  // namespace xlb
