// The judgement of one checker: when to try, and what a result means. keepalived's rules: a server starts up (no alpha),
// the very first attempt decides alone, later ones need `retry` + 1 failures in a row; one success brings it back. Pure:
// it knows neither HTTP nor sockets.
#pragma once

#include <optional>
#include <string>

#include "core/config.h"
#include "core/types.h"

namespace xlb {

// One attempt's outcome in words a user understands: "HTTP 200, digest matches", "connect: Connection refused".
struct ProbeResult {
  bool ok = false;
  std::string text;
};

class Checker {
 public:
  // First attempt is due at `start`.
  Checker(CheckTiming timing, TimePoint start);

  // When the next attempt should begin; nullopt while one is running.
  [[nodiscard]] std::optional<TimePoint> next_attempt() const;
  void attempt_started();
  // Returns the new verdict when it changed.
  std::optional<bool> attempt_finished(const ProbeResult& result, TimePoint now);
  // Something else says the server may be gone: try now instead of after delay_loop (no effect while one is running).
  void check_now(TimePoint now);

  [[nodiscard]] bool up() const;
  [[nodiscard]] int consecutive_failures() const;
  [[nodiscard]] const std::string& last_text() const;  // "not checked yet" before the first
  [[nodiscard]] std::optional<TimePoint> last_finished() const;

 private:
  // H: fill in
};

}  // namespace xlb
