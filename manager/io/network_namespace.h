// The network namespace a configuration names, as `ip netns` keeps them.
#pragma once

#include <string>

#include "base/result.h"

namespace xlb {

// Moves the calling thread, and the threads it will start, into the namespace `name`.
Result<void> enter_network_namespace(const std::string& name);

}  // namespace xlb
