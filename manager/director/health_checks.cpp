#include "director/health_checks.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

#include "core/file_check.h"

namespace xlb {
namespace {

std::string name_in_record(const CheckConfig& check) {
  return fmt::format("{} {}", name_of(check.kind), target_of(check));
}

// Spreads checks; nobody must be unable to guess it.
double random_fraction() {
  static std::minstd_rand generator(std::random_device{}());
  return std::uniform_real_distribution<double>()(generator);
}

}  // namespace

RealServerChecks::RealServerChecks(EventLoop& loop, ProbeContext& probes, Pacer& pacer,
                                   const std::vector<CheckConfig>& checks, TimePoint start,
                                   OnResult on_result)
    : loop_(loop), probes_(probes), pacer_(pacer), on_result_(std::move(on_result)) {
  reconfigure(checks, start);
}

std::unique_ptr<RealServerChecks::Running> RealServerChecks::begin(const CheckConfig& config,
                                                                   TimePoint start) {
  auto check =
      std::make_unique<Running>(config, first_attempt(config.timing, start, random_fraction()));
  check->timer = loop_.timer(EventLoop::Urgency::normal, [this, raw = check.get()] { due(*raw); });
  if (config.kind == CheckKind::file) check->checker.attempt_started();  // its file will tell
  schedule(*check);
  return check;
}

void RealServerChecks::file_says(const std::string& path, int64_t number) {
  for (const auto& check : checks_) {
    const auto* const file = std::get_if<FileCheck>(&check->config.own);
    if (file == nullptr || file->path != path) continue;
    finished(*check, file_check_result(*file, number));
  }
}

void RealServerChecks::reconfigure(const std::vector<CheckConfig>& checks, TimePoint start) {
  std::vector<std::unique_ptr<Running>> before = std::exchange(checks_, {});
  for (const CheckConfig& config : checks) {
    const auto same = std::find_if(before.begin(), before.end(), [&](const auto& check) {
      return check != nullptr && check->config == config;
    });
    checks_.push_back(same != before.end() ? std::move(*same) : begin(config, start));
  }
}

void RealServerChecks::schedule(Running& check) {
  check.has_slot = false;
  if (check.config.kind == CheckKind::file) return;
  if (suspended_) return check.timer.disarm();
  if (const auto when = check.checker.next_attempt()) check.timer.arm(*when);
}

void RealServerChecks::suspend(bool suspended) {
  if (std::exchange(suspended_, suspended) == suspended) return;
  for (const auto& check : checks_) {
    check->checker.check_now(loop_.now());
    schedule(*check);
  }
}

void RealServerChecks::stop() {
  suspend(true);
  for (const auto& check : checks_)
    check->probe.reset();
}

void RealServerChecks::due(Running& check) {
  if (!check.has_slot) {
    const TimePoint slot = pacer_.reserve(loop_.now());
    if (slot > loop_.now()) {
      check.has_slot = true;
      return check.timer.arm(slot);
    }
  }
  start(check);
}

void RealServerChecks::start(Running& check) {
  check.has_slot = false;
  check.checker.attempt_started();
  check.probe = start_probe(probes_, check.config,
                            [this, &check](const ProbeResult& result) { finished(check, result); });
}

void RealServerChecks::finished(Running& check, const ProbeResult& result) {
  const std::unique_ptr<Probe> done = std::move(check.probe);  // ends after its own callback
  const bool decided = check.checker.decided();
  const std::string text = check.checker.last_text();
  const std::optional<WeightWord> weight = check.checker.weight();
  const bool changed = check.checker.attempt_finished(result, loop_.now()).has_value();
  const bool words =
      decided != check.checker.decided() || (!result.ok && text != check.checker.last_text());
  schedule(check);
  on_result_(check.config, result,
             changed                            ? News::verdict
             : weight != check.checker.weight() ? News::weight
             : words                            ? News::words
                                                : News::none);
}

std::optional<int> RealServerChecks::weight(int configured) const {
  std::vector<WeightWord> said;
  for (const auto& check : checks_) {
    if (check->checker.weight()) said.push_back(*check->checker.weight());
  }
  if (said.empty()) return std::nullopt;
  return effective_weight(configured, said);
}

void RealServerChecks::check_now() {
  for (const auto& check : checks_) {
    if (check->has_slot) continue;  // it is about to start
    check->checker.check_now(loop_.now());
    schedule(*check);
  }
}

void RealServerChecks::restore(const std::string& prefix, const HealthRecord::Verdicts& known) {
  for (const auto& check : checks_) {
    const auto found = known.find(prefix + name_in_record(check->config));
    if (found != known.end() && !check->checker.decided())
      check->checker.restore(found->second.up, found->second.text);
  }
}

// A check that has not been decided yet leaves nothing.
void RealServerChecks::collect(const std::string& prefix, HealthRecord::Verdicts& verdicts) const {
  for (const auto& check : checks_) {
    if (!check->checker.decided()) continue;
    verdicts[prefix + name_in_record(check->config)] = {
        check->checker.up(), check->checker.up() ? std::string() : check->checker.last_text()};
  }
}

bool RealServerChecks::healthy() const {
  return std::all_of(checks_.begin(), checks_.end(),
                     [](const auto& check) { return check->checker.up(); });
}

bool RealServerChecks::undecided() const {
  return !healthy() && std::all_of(checks_.begin(), checks_.end(), [](const auto& check) {
    return check->checker.up() || !check->checker.decided();
  });
}

std::string RealServerChecks::text() const {
  const auto failed = std::find_if(checks_.begin(), checks_.end(),
                                   [](const auto& check) { return !check->checker.up(); });
  if (failed != checks_.end()) return (*failed)->checker.last_text();
  return checks_.empty() ? std::string() : checks_.back()->checker.last_text();
}

std::vector<Status::Check> RealServerChecks::status(TimePoint now, WallTime wall_now) const {
  std::vector<Status::Check> result;
  for (const auto& check : checks_) {
    Status::Check entry;
    entry.kind = name_of(check->config.kind);
    entry.target = target_of(check->config);
    entry.up = check->checker.up();
    entry.suspended = suspended_;
    entry.attempts = check->checker.attempts();
    entry.consecutive_failures = check->checker.consecutive_failures();
    entry.result = check->checker.last_text();
    if (const auto finished = check->checker.last_finished()) {
      entry.last_at = wall_now - std::chrono::duration_cast<WallTime::duration>(now - *finished);
    }
    result.push_back(std::move(entry));
  }
  return result;
}

}  // namespace xlb
