#include "io/probe/misc_probe.h"

#include <chrono>
#include <utility>

namespace xlb {
namespace {

constexpr int kFirstWeightStatus = 2;

// Nobody else's: an attempt of a check that a reload replaces does not wait for the old one's.
std::string next_queue() {
  static uint64_t number = 0;
  return fmt::format("check {}", ++number);
}

class MiscProbe final : public Probe {
 public:
  MiscProbe(ScriptRunner& scripts, const CheckConfig& check, ProbeCallback callback)
      : scripts_(scripts),
        misc_(std::get<MiscCheck>(check.own)),
        queue_(next_queue()),
        callback_(std::move(callback)) {
    const auto timeout = misc_.timeout > Duration{} ? misc_.timeout : check.timing.delay_loop;
    scripts_.run(queue_, misc_.script, std::chrono::ceil<std::chrono::milliseconds>(timeout),
                 [this](const ScriptRunner::Outcome& outcome) { ended(outcome); });
  }
  ~MiscProbe() override {
    if (callback_) scripts_.cancel(queue_);
  }

 private:
  // The callback may destroy this probe: nothing of it is touched after the call.
  void ended(const ScriptRunner::Outcome& outcome) {
    const ProbeCallback callback = std::exchange(callback_, nullptr);
    callback(misc_result(misc_, outcome));
  }

  ScriptRunner& scripts_;
  MiscCheck misc_;
  std::string queue_;
  ProbeCallback callback_;
};

}  // namespace

ProbeResult misc_result(const MiscCheck& misc, const ScriptRunner::Outcome& outcome) {
  ProbeResult result{outcome.ok, outcome.text};
  if (!misc.dynamic || !outcome.exit_status || *outcome.exit_status < kFirstWeightStatus) {
    return result;
  }
  const int weight = *outcome.exit_status - kFirstWeightStatus;
  result.ok = true;
  result.text = fmt::format("exited {}: weight {}", *outcome.exit_status, weight);
  result.weight = WeightWord{WeightWord::Meaning::replaces, weight};
  return result;
}

std::unique_ptr<Probe> start_misc_probe(ScriptRunner& scripts, const CheckConfig& check,
                                        ProbeCallback callback) {
  return std::make_unique<MiscProbe>(scripts, check, std::move(callback));
}

}  // namespace xlb
