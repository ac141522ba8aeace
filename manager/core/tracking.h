// What a virtual router's priority and state follow besides the election: how a tracker's readings
// become a verdict, and the verdicts a priority or a FAULT. Pure: results, counts and the time go
// in. Arithmetic and counters are keepalived's (vrrp_track.c, vrrp_scheduler.c).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/config_track.h"
#include "core/types.h"

namespace xlb::tracking {

// What is known of a tracker.
struct Reading {
  bool known = false;  // there was a first result
  bool up = false;     // script, process, interface
  int64_t value = 0;   // file
  std::string text;    // in words: "exited 1", "is down", "0 processes"
};

// What one use of a tracker does with a reading.
struct Effect {
  int change = 0;  // of the priority
  bool fault = false;
  bool pending = false;  // no first result yet: neither
};
Effect effect_of(const TrackUse& use, const Reading& reading);

struct Verdict {
  uint8_t priority = 0;  // 1..254; a base of 255 stays
  std::string fault;     // why the router cannot be master; empty: it can
  bool pending = false;  // of some use no first result is there

  bool operator==(const Verdict&) const = default;
};
struct Judged {
  const TrackUse* use = nullptr;
  const Reading* reading = nullptr;
};
Verdict judge(uint8_t base_priority, std::span<const Judged> uses);

// A virtual router's own uses and its sync group's. Of a tracker in both the group's weight counts,
// unless its own is 0.
std::vector<TrackUse> uses_of(const std::vector<TrackUse>& own, const SyncGroupConfig* group);

// The results of a vrrp_script: the first one alone decides, then `rise` successes or `fall`
// failures in a row do. With init_fail it has failed before the first one.
class ScriptCounter {
 public:
  explicit ScriptCounter(const TrackScriptConfig& config);

  // Whether the verdict changed, or is the first.
  bool record(bool ok);
  // Under other numbers, the verdict kept; another command's first result decides alone again.
  void reconfigure(const TrackScriptConfig& config, bool same_command);

  [[nodiscard]] bool known() const { return known_; }
  [[nodiscard]] bool up() const { return known_ && result_ >= rise_; }

 private:
  int rise_;
  int fall_;
  int result_;  // below rise_: down; at most rise_ + fall_ - 1
  bool known_;
  bool next_decides_ = false;
};

// The number of processes of a vrrp_track_process, with its delays: fork_delay after it grew,
// terminate_delay after it shrank.
class ProcessQuorum {
 public:
  explicit ProcessQuorum(const TrackProcessConfig& config) : config_(config) {}

  // Whether the verdict changed, or is the first.
  bool count(uint32_t processes, TimePoint now);
  bool expire(TimePoint now);  // to be called at deadline()
  bool reconfigure(const TrackProcessConfig& config, TimePoint now);

  [[nodiscard]] std::optional<TimePoint> deadline() const { return due_; }
  [[nodiscard]] bool known() const { return known_; }
  [[nodiscard]] bool up() const { return up_; }
  [[nodiscard]] uint32_t processes() const { return processes_; }

 private:
  [[nodiscard]] bool enough() const;

  TrackProcessConfig config_;
  uint32_t processes_ = 0;
  bool known_ = false;
  bool up_ = false;
  std::optional<TimePoint> due_;
};

// Whether a process is one of those that are followed. `name` is /proc/PID/comm, `arguments` what
// is in /proc/PID/cmdline (empty: a kernel thread, or it was not asked for).
bool matches(const TrackProcessConfig& config, std::string_view name,
             std::span<const std::string> arguments);

// The number that a track_file's text begins with, as strtol(3) reads it: decimal, 0x... or 0...;
// 0 when there is none. nullopt: it is no 32 bit number.
std::optional<int64_t> file_value(std::string_view text);

}  // namespace xlb::tracking
