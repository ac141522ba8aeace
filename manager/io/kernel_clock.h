// The kernel's tick count against CLOCK_MONOTONIC: what the XDP program needs to tell the second
// from its cheapest clock. Both advance together, also over a suspend.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace xlb {

struct KernelClock {
  uint64_t epoch_ticks = 0;       // the count when CLOCK_MONOTONIC was 0
  uint64_t seconds_per_tick = 0;  // in units of 2^-32
};

// Needs the right to load and run a BPF program.
Result<KernelClock> read_kernel_clock();

}  // namespace xlb
