// The sockets of checks: non-blocking, close-on-exec, leaving from where the configuration says.
#pragma once

#include <sys/socket.h>

#include "base/result.h"
#include "base/unique_fd.h"
#include "core/config_check.h"
#include "core/types.h"

namespace xlb {

// `type` and `protocol` as for socket(2). An error's text is for a user to read.
Result<UniqueFd> open_probe_socket(AddressFamily family, int type, int protocol,
                                   const CheckSource& source);

// Closing this TCP socket will end its connection at once, by RST: ten thousand checks a second
// leave no connections in TIME_WAIT behind.
void end_by_reset(int socket);

// The answer to our SYN is acknowledged by what is sent next, or by nothing: a packet less, and the
// server's program is not woken for an open connection alone.
void acknowledge_late(int socket);

// "0.5 s"
std::string seconds_text(Duration duration);

}  // namespace xlb
