// Tells the service manager what the daemon is doing: sd_notify(3)'s protocol, one datagram to
// $NOTIFY_SOCKET. Without the variable everything here does nothing.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace xlb {

// `state` as in sd_notify(3), e.g. "READY=1\nSTATUS=MASTER of VI_1". Failures are ignored: nobody
// is there to be told.
void notify_service(std::string_view state);

// How often WATCHDOG=1 is expected ($WATCHDOG_USEC for this process); nullopt: not at all.
std::optional<std::chrono::microseconds> watchdog_interval();

}  // namespace xlb
