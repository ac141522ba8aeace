// A real server, or a sorry server, as users see it.
#pragma once

#include "core/config.h"
#include "core/status.h"
#include "core/virtual_server.h"
#include "io/dataplane.h"

namespace xlb {

// nullptr when the data plane counts nothing for it.
// Looks at `position` first: where it is as long as nothing was added or removed.
const RealServerCounters* counters_of(const ServiceCounters* service, const Endpoint& real_server,
                                      size_t position);

const ServiceCounters* counters_of(const DataplaneCounters& counters, const ServiceKey& service,
                                   size_t position);

// It is reached by translation, if it is not on this host.
void say_translated(Status::RealServer& real_server);

// All but its checks.
Status::RealServer status_of(const RealServerConfig& config, const RealServerFacts& facts,
                             const RealServerVerdict& verdict, const RealServerCounters* counters);

}  // namespace xlb
