// Runs every configured check: starts attempts when core/health.h says so, hands results back to
// it, and answers whether a real server is healthy. It decides nothing itself.
#pragma once

#include <functional>
#include <memory>
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
    verdict,  // the check's verdict changed
  };
  // Called from the loop after every attempt, with the check and what it found.
  using OnResult = std::function<void(const CheckConfig&, const ProbeResult&, News)>;

  // `pacer` is shared by all checks: however many are due at once, they start one by one.
  RealServerChecks(EventLoop& loop, ProbeContext& probes, Pacer& pacer,
                   const std::vector<CheckConfig>& checks, TimePoint start, OnResult on_result);
  RealServerChecks(const RealServerChecks&) = delete;
  RealServerChecks& operator=(const RealServerChecks&) = delete;

  void check_now();
  // Verdicts by `prefix` and the check's kind and target: what a predecessor left, and what we
  // leave.
  void restore(const std::string& prefix, const HealthRecord::Verdicts& known);
  void collect(const std::string& prefix, HealthRecord::Verdicts& verdicts) const;
  // True while every check is up.
  [[nodiscard]] bool healthy() const;
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

  void schedule(Running& check);
  void due(Running& check);
  void start(Running& check);
  void finished(Running& check, const ProbeResult& result);

  EventLoop& loop_;
  ProbeContext& probes_;
  Pacer& pacer_;
  OnResult on_result_;
  std::vector<std::unique_ptr<Running>> checks_;
};

}  // namespace xlb
