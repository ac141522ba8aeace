#include "core/tracking.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace xlb {

std::string_view name_of(TrackKind kind) {
  switch (kind) {
    case TrackKind::interface:
      return "interface";
    case TrackKind::script:
      return "script";
    case TrackKind::process:
      return "process";
    case TrackKind::file:
      return "file";
  }
  return "";
}

namespace tracking {
namespace {

constexpr int kOwner = 255;
constexpr int kLowest = 1;
constexpr int kHighest = 254;
constexpr int64_t kMostChange = 253;
constexpr size_t kCommLength = 15;

Effect effect_of_file(const TrackWeight& weight, int64_t value) {
  Effect effect;
  if (weight.value == 0) {
    effect.fault = (value != 0) != weight.reverse;
    return effect;
  }
  // Both fit in 32 bits.
  const int64_t product = value * weight.value * (weight.reverse ? -1 : 1);
  effect.fault = product < -kMostChange;
  if (!effect.fault) effect.change = static_cast<int>(std::min(product, kMostChange));
  return effect;
}

std::string fault_text(const TrackUse& use, const Reading& reading) {
  const std::string_view sense = use.weight.reverse ? " (reverse)" : "";
  return fmt::format("{} {}{}{}{}", name_of(use.kind), use.name, sense,
                     use.kind == TrackKind::interface ? " " : ": ", reading.text);
}

bool same_start(std::span<const std::string> wanted, std::span<const std::string> given) {
  return given.size() >= wanted.size() && std::equal(wanted.begin(), wanted.end(), given.begin());
}

}  // namespace

Effect effect_of(const TrackUse& use, const Reading& reading) {
  Effect effect;
  effect.pending = !reading.known;
  if (!reading.known) return effect;
  if (use.kind == TrackKind::file) return effect_of_file(use.weight, reading.value);
  const int weight = use.weight.value;
  if (weight == 0) {
    effect.fault = reading.up == use.weight.reverse;
  } else if ((weight > 0) == reading.up) {
    effect.change = use.weight.reverse ? -weight : weight;
  }
  return effect;
}

Verdict judge(uint8_t base_priority, std::span<const Judged> uses) {
  Verdict verdict;
  int priority = base_priority;
  for (const Judged& judged : uses) {
    const Effect effect = effect_of(*judged.use, *judged.reading);
    priority += effect.change;
    verdict.pending = verdict.pending || effect.pending;
    if (effect.fault && verdict.fault.empty()) {
      verdict.fault = fault_text(*judged.use, *judged.reading);
    }
  }
  const int bounded = std::clamp(priority, kLowest, kHighest);
  verdict.priority = static_cast<uint8_t>(base_priority == kOwner ? kOwner : bounded);
  return verdict;
}

std::vector<TrackUse> uses_of(const std::vector<TrackUse>& own, const SyncGroupConfig* group) {
  std::vector<TrackUse> result = own;
  if (group == nullptr) return result;
  for (const TrackUse& use : group->uses) {
    const auto known = std::find_if(result.begin(), result.end(), [&](const TrackUse& other) {
      return other.kind == use.kind && other.name == use.name;
    });
    if (known == result.end()) {
      result.push_back(use);
    } else if (known->weight.value != 0) {
      known->weight = use.weight;
    }
  }
  return result;
}

ScriptCounter::ScriptCounter(const TrackScriptConfig& config)
    : rise_(config.rise),
      fall_(config.fall),
      result_(config.init_fail ? 0 : config.rise - 1),
      known_(config.init_fail),
      next_decides_(!config.init_fail) {}

bool ScriptCounter::record(bool ok) {
  const bool was_up = up();
  const bool first = !known_;
  if (next_decides_) {
    result_ = ok ? rise_ + fall_ - 1 : 0;
  } else if (ok) {
    result_ = result_ < rise_ - 1 ? result_ + 1 : rise_ + fall_ - 1;
  } else {
    result_ = result_ > rise_ ? result_ - 1 : 0;
  }
  known_ = true;
  next_decides_ = false;
  return first || was_up != up();
}

void ScriptCounter::reconfigure(const TrackScriptConfig& config, bool same_command) {
  const bool was_up = up();
  const bool same_numbers = config.rise == rise_ && config.fall == fall_;
  rise_ = config.rise;
  fall_ = config.fall;
  if (!same_numbers) result_ = was_up ? rise_ + fall_ - 1 : 0;
  if (!same_command) next_decides_ = true;
}

bool ProcessQuorum::enough() const {
  return processes_ >= config_.quorum && (!config_.quorum_max || processes_ <= *config_.quorum_max);
}

bool ProcessQuorum::count(uint32_t processes, TimePoint now) {
  const bool grew = processes > processes_;
  processes_ = processes;
  if (!known_) {
    known_ = true;
    up_ = enough();
    return true;
  }
  if (enough() == up_) {
    due_.reset();
    return false;
  }
  const Duration delay = grew ? config_.fork_delay : config_.terminate_delay;
  if (!due_) due_ = now + delay;
  return expire(now);
}

bool ProcessQuorum::expire(TimePoint now) {
  if (!due_ || now < *due_) return false;
  due_.reset();
  const bool changed = up_ != enough();
  up_ = enough();
  return changed;
}

bool ProcessQuorum::reconfigure(const TrackProcessConfig& config, TimePoint now) {
  config_ = config;
  return known_ && count(processes_, now);
}

bool matches(const TrackProcessConfig& config, std::string_view name,
             std::span<const std::string> arguments) {
  if (!config.full_command) return name == config.process.substr(0, kCommLength);
  if (arguments.empty() || arguments.front() != config.process) return false;
  const auto given = arguments.subspan(1);
  const std::span<const std::string> wanted(config.parameters);
  switch (config.match) {
    case ParameterMatch::none:
      return true;
    case ParameterMatch::exact:
      return given.size() == wanted.size() && same_start(wanted, given);
    case ParameterMatch::partial:
      return same_start(wanted, given);
    case ParameterMatch::initial:
      return given.size() >= wanted.size() && same_start(wanted.first(wanted.size() - 1), given) &&
             given[wanted.size() - 1].starts_with(wanted.back());
  }
  return false;
}

std::optional<int64_t> file_value(std::string_view text) {
  size_t at = std::min(text.find_first_not_of(" \t\n\v\f\r"), text.size());
  const bool negative = at < text.size() && text[at] == '-';
  if (negative || (at < text.size() && text[at] == '+')) ++at;
  std::string_view digits = text.substr(at);
  const auto digit_of = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 99;
  };
  int base = 10;
  const bool zero = digits.starts_with('0');
  if (zero && digits.size() > 2 && (digits[1] | 0x20) == 'x' && digit_of(digits[2]) < 16) {
    base = 16;
    digits.remove_prefix(2);
  } else if (zero) {
    base = 8;
  }
  int64_t value = 0;
  for (const char c : digits) {
    if (digit_of(c) >= base) break;
    value = value * base + digit_of(c);
    if (value > std::numeric_limits<int32_t>::max() + int64_t{1}) return std::nullopt;
  }
  if (negative) value = -value;
  if (value > std::numeric_limits<int32_t>::max()) return std::nullopt;
  return value;
}

}  // namespace tracking
}  // namespace xlb
