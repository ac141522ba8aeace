// The control socket's client, blocking, for xlbctl: one request, its answer line by line.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "io/control_protocol.h"

namespace xlb {

// How a request ended. Everything but `answered` says so in `failure`.
struct ControlAnswer {
  enum class Outcome : uint8_t {
    answered,     // complete
    refused,      // the daemon said no: its own failure
    unreachable,  // no daemon behind the socket, or none that answers
    broken,       // the answer stopped before its end
  };
  Outcome outcome = Outcome::answered;
  ControlFailure failure;
};

// Calls `on_line` for each line of the answer, newline removed, as it arrives. `patience` bounds
// each wait for the daemon.
ControlAnswer control_request(const std::string& socket_path, const ControlRequest& request,
                              const std::function<void(std::string_view line)>& on_line,
                              std::chrono::seconds patience = std::chrono::seconds(10));

}  // namespace xlb
