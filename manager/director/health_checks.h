// Runs every configured check: starts attempts when core/health.h says so, hands results back to
// it, and answers whether a real server is healthy. It decides nothing itself.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/health.h"
#include "core/pacer.h"
#include "core/status.h"
#include "io/event_loop.h"
#include "io/health_record.h"
#include "io/probe/probe.h"

namespace xlb {

// The checks of one real server.
class RealServerChecks {
 public:
  enum class News : uint8_t {
    none,     // as before
    words,    // the verdict stands, what is known of it changed: its text, or that it is decided
    weight,   // what the check says of the weight changed, the verdict did not
    verdict,  // the check's verdict changed
  };
  // Called from the loop after every attempt, with the check and what it found.
  using OnResult = std::function<void(const CheckConfig&, const ProbeResult&, News)>;

  // `pacer` is shared by all checks: however many are due at once, they start one by one.
  RealServerChecks(EventLoop& loop, ProbeContext& probes, Pacer& pacer,
                   const std::vector<CheckConfig>& checks, TimePoint start, OnResult on_result);
  RealServerChecks(const RealServerChecks&) = delete;
  RealServerChecks& operator=(const RealServerChecks&) = delete;

  // Takes these checks on: those that are there already go on, the others begin at `start`.
  void reconfigure(const std::vector<CheckConfig>& checks, TimePoint start);
  void check_now();
  // The file of FILE_CHECKs says this number.
  void file_says(const std::string& path, int64_t number);
  // While suspended nothing is tried and every verdict stays; afterwards all is tried at once.
  void suspend(bool suspended);
  // For good: what runs is cancelled.
  void stop();
  // Verdicts by `prefix` and the check's kind and target: what a predecessor left, and what we
  // leave.
  void restore(const std::string& prefix, const HealthRecord::Verdicts& known);
  void collect(const std::string& prefix, HealthRecord::Verdicts& verdicts) const;
  // True while every check is up.
  [[nodiscard]] bool healthy() const;
  // What the checks make of the configured weight; nullopt: none says anything of it.
  [[nodiscard]] std::optional<int> weight(int configured) const;
  // Not healthy, only because checks in alpha mode have yet to pass: none has failed.
  [[nodiscard]] bool undecided() const;
  // The last result of the first failed check, else of the last check; empty without checks.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::vector<Status::Check> status(TimePoint now, WallTime wall_now) const;

 private:
  struct Running {
    Running(const CheckConfig& check, TimePoint start)
        : config(check), checker(check.timing, start) {}
    CheckConfig config;
    Checker checker;
    EventLoop::Timer timer;
    bool has_slot = false;  // waits for the time the pacer gave it
    std::unique_ptr<Probe> probe;
  };

  [[nodiscard]] std::unique_ptr<Running> begin(const CheckConfig& config, TimePoint start);
  void schedule(Running& check);
  void due(Running& check);
  void start(Running& check);
  void finished(Running& check, const ProbeResult& result);

  EventLoop& loop_;
  ProbeContext& probes_;
  Pacer& pacer_;
  OnResult on_result_;
  bool suspended_ = false;
  std::vector<std::unique_ptr<Running>> checks_;
};

}  // namespace xlb
