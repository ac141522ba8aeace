// keepalived's rules for one checker; the table is in health.h.
#include "core/health.h"

#include <algorithm>
#include <utility>

namespace xlb {

TimePoint first_attempt(const CheckTiming& timing, TimePoint now, double fraction) {
  return now + std::chrono::duration_cast<Duration>(timing.warmup * fraction);
}

int effective_weight(int configured, std::span<const WeightWord> words) {
  constexpr int64_t kMost = 65535;
  constexpr int64_t kBound = int64_t{1} << 40;  // sums of these do not overflow
  int64_t sum = configured;
  for (const WeightWord& word : words) {
    const int64_t value = std::clamp(word.value, -kBound, kBound);
    sum += word.meaning == WeightWord::Meaning::replaces ? value - configured : value;
  }
  return static_cast<int>(std::clamp<int64_t>(sum, 0, kMost));
}

Checker::Checker(CheckTiming timing, TimePoint start)
    : timing_(timing), next_attempt_(start), up_(!timing.alpha) {}

std::optional<TimePoint> Checker::next_attempt() const {
  return next_attempt_;
}

void Checker::attempt_started() {
  next_attempt_.reset();
}

std::optional<bool> Checker::attempt_finished(const ProbeResult& result, TimePoint now) {
  const bool first = !std::exchange(decided_, true);
  const bool was_up = up_;
  last_finished_ = now;
  last_text_ = result.text;
  ++attempts_;
  if (result.weight) weight_ = result.weight;

  if (result.ok) {
    failures_ = 0;
    up_ = true;
    next_attempt_ = now + timing_.delay_loop;
  } else {
    ++failures_;
    up_ = was_up && !first && failures_ <= timing_.retry;
    next_attempt_ = now + (up_ ? timing_.delay_before_retry
                               : std::max(timing_.delay_before_retry, timing_.delay_loop));
  }
  const bool confirms_alpha = first && timing_.alpha && !up_;
  if (up_ == was_up && !confirms_alpha) return std::nullopt;
  return up_;
}

void Checker::check_now(TimePoint now) {
  if (next_attempt_ && *next_attempt_ > now) next_attempt_ = now;
}

void Checker::restore(bool up, std::string text) {
  up_ = up;
  decided_ = true;
  if (!text.empty()) last_text_ = std::move(text);
}

}  // namespace xlb
