// How late deadlines were served.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/types.h"

namespace xlb {

class LagHistogram {
 public:
  void note(Duration lag);
  [[nodiscard]] Duration max() const { return max_; }
  // The lateness that `share` (0 to 1) of them did not exceed, to 0.1 ms, at most 100 ms.
  [[nodiscard]] Duration of(double share) const;

 private:
  static constexpr size_t kSteps = 1000;
  Duration max_{};
  std::array<uint64_t, kSteps> counts_{};  // by lateness; the last one has all that is more
};

}  // namespace xlb
