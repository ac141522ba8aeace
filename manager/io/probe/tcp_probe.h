// TCP_CHECK: passes when a connection to the target opens before the deadline; it is closed at
// once.
#pragma once

#include <memory>

#include "io/probe/probe.h"

namespace xlb {

std::unique_ptr<Probe> start_tcp_probe(EventLoop& loop, const CheckConfig& check,
                                       ProbeCallback callback);

}  // namespace xlb
