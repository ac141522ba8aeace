// How soon what the daemon does is seen by packets: asks the pinned program again and again.
#pragma once

#include <functional>

#include "base/result.h"
#include "dataplane_plan.h"

namespace xlb::bench {

// CLOCK_MONOTONIC, in seconds, when what is watched for was seen. `watching` is called once, when
// the program could be run and it was not true yet.
Result<double> wait_for(const Watch& watch, const std::function<void()>& watching);

}  // namespace xlb::bench
