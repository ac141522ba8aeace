// The judgement of one checker: when to try, and what a result means, by keepalived's rules. A
// server starts up, in alpha mode down. The very first attempt decides alone; later on `retry` + 1
// failures in a row take the server down, and one success brings it back.
//
//   state           attempt  state after         next attempt after
//   any             passed   up                  delay_loop
//   not yet tried   failed   down                max(delay_before_retry, delay_loop)
//   up              failed   up, `retry` times   delay_before_retry
//   up              failed   then down           max(delay_before_retry, delay_loop)
//   down            failed   down                max(delay_before_retry, delay_loop)
//
// Delays count from the end of an attempt. Pure: it knows neither HTTP nor sockets.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "core/config.h"
#include "core/types.h"

namespace xlb {

// What an attempt says of its real server's weight, by the way.
struct WeightWord {
  enum class Meaning : uint8_t {
    replaces,  // the configured weight (misc_dynamic)
    adds,      // to it (FILE_CHECK)
  };
  Meaning meaning = Meaning::replaces;
  int64_t value = 0;

  bool operator==(const WeightWord&) const = default;
};
// Each word changes the configured weight by its own difference, as in keepalived; within 0..65535.
int effective_weight(int configured, std::span<const WeightWord> words);

// One attempt's outcome in words a user understands: "HTTP 200, digest matches", "connect:
// Connection refused".
struct ProbeResult {
  bool ok = false;
  std::string text;
  std::optional<WeightWord> weight{};  // absent: as the last attempt that said something
};

// When a checker that is set up at `now` makes its first attempt: after a random part of `warmup`,
// `fraction` being drawn from [0, 1).
TimePoint first_attempt(const CheckTiming& timing, TimePoint now, double fraction);

class Checker {
 public:
  // First attempt is due at `start`.
  Checker(CheckTiming timing, TimePoint start);

  // When the next attempt should begin; nullopt while one is running.
  [[nodiscard]] std::optional<TimePoint> next_attempt() const;
  void attempt_started();
  // Returns the verdict when it changed, and when an alpha server's first attempt says that it is
  // down indeed.
  std::optional<bool> attempt_finished(const ProbeResult& result, TimePoint now);
  // Something else says the server may be gone: try now instead of after delay_loop (no effect
  // while one is running). The failures needed to go down stay the same.
  void check_now(TimePoint now);
  // Goes on with a predecessor's verdict, which its own first attempt no longer decides alone.
  void restore(bool up, std::string text);

  [[nodiscard]] bool up() const { return up_; }
  // Something has been found out, here or by a predecessor.
  [[nodiscard]] bool decided() const { return decided_; }
  [[nodiscard]] int consecutive_failures() const { return failures_; }
  [[nodiscard]] uint64_t attempts() const { return attempts_; }  // ended
  [[nodiscard]] const std::optional<WeightWord>& weight() const { return weight_; }
  // "not checked yet" before the first.
  [[nodiscard]] const std::string& last_text() const { return last_text_; }
  [[nodiscard]] std::optional<TimePoint> last_finished() const { return last_finished_; }

 private:
  CheckTiming timing_;
  std::optional<TimePoint> next_attempt_;  // nullopt: an attempt is running
  bool up_;
  bool decided_ = false;  // an attempt or a predecessor has: the next one is not the very first
  int failures_ = 0;      // since the last success
  uint64_t attempts_ = 0;
  std::optional<WeightWord> weight_;
  std::string last_text_ = "not checked yet";
  std::optional<TimePoint> last_finished_;
};

}  // namespace xlb
