// What virtual routers follow besides the election, as the director wires it: trackers' verdicts to
// instances, instances to their sync groups.
#include <algorithm>

#include "base/log.h"
#include "director/director.h"
#include "director/notify_script.h"

namespace xlb {
namespace {

std::pair<std::string_view, const std::optional<ScriptCommand>*> message_of(
    const SyncGroupConfig& group, vrrp::State state) {
  switch (state) {
    case vrrp::State::master:
      return {"MASTER", &group.notify_master};
    case vrrp::State::backup:
      return {"BACKUP", &group.notify_backup};
    case vrrp::State::fault:
      return {"FAULT", &group.notify_fault};
    case vrrp::State::init:
      break;
  }
  return {"STOP", &group.notify_stop};
}

}  // namespace

Result<void> Director::open_tracking() {
  groups_ = std::make_unique<SyncGroups>([this](const SyncGroupConfig& group, vrrp::State state) {
    const auto [word, own] = message_of(group, state);
    const std::string queue = "vrrp_sync_group " + group.name;
    if (*own) run_notify_script(*scripts_, config_.global, queue, **own);
    if (group.notify) {
      ScriptCommand command = *group.notify;
      command.argv.insert(command.argv.end(), {"GROUP", group.name, std::string(word), "0"});
      run_notify_script(*scripts_, config_.global, queue, command);
    }
    const VrrpNotice notice{true, group.name, std::string(word), 0};
    notifications_->tell(notice);
    mail_->tell(config_, notice);
  });
  auto tracking =
      VrrpTrackers::create(*loop_, *netlink_, *link_delays_, [this] { tracking_changed(); });
  if (!tracking) return tracking.error();
  tracking_ = std::move(*tracking);
  return {};
}

void Director::follow_trackers() {
  tracking_->configure(config_);
  tracking_changed();
}

void Director::tracking_changed() {
  if (stopping_) return;
  for (const auto& instance : instances_) {
    const tracking::Verdict verdict = tracking_->verdict(instance->config());
    instance->set_tracking(verdict.priority,
                           verdict.fault.empty() ? outage_of(instance->config()) : verdict.fault);
    if (!instance->started()) start_when_known(*instance);
  }
  groups_->evaluate();
  request_publish();
}

// To the FIFOs only, for readers that a reload wants to bring in line.
void Director::tell_states() {
  for (const auto& instance : instances_)
    instance->tell_state();
  groups_->visit([this](const SyncGroupConfig& group, vrrp::State state) {
    notifications_->tell(
        VrrpNotice{true, group.name, std::string(message_of(group, state).first), 0});
  });
}

// When virtual routers begin. The steady clock counts from the host's start.
void Director::delay_routers() {
  const GlobalSettings& global = config_.global;
  const TimePoint now = loop_->now();
  routers_begin_ =
      std::max(now + global.vrrp_startup_delay, TimePoint(global.vrrp_delay_after_boot));
  if (routers_begin_ <= now) return;
  routers_timer_ = loop_->timer(EventLoop::Urgency::normal, [this] { tracking_changed(); });
  routers_timer_.arm(routers_begin_);
  log::notice("virtual routers begin in {:.3f} s",
              std::chrono::duration<double>(routers_begin_ - now).count());
}

std::string Director::why_not_started(const VrrpInstance& instance) const {
  if (loop_->now() < routers_begin_ && !instance.may_resume()) {
    return "waits for vrrp_startup_delay or vrrp_delay_after_boot";
  }
  return "waits for its trackers' first results";
}

// Not before each of its trackers has had a first result, or it would leave FAULT for it, or
// become master without it. Whoever goes on as master had them in its life before, and goes on with
// the priority that they gave it.
void Director::start_when_known(VrrpInstance& instance) {
  if (loop_->now() < routers_begin_ && !instance.may_resume()) return;
  tracking::Verdict verdict = tracking_->verdict(instance.config());
  if (verdict.pending && instance.may_resume()) {
    tracking_->resume(instance.config());
    verdict = tracking_->verdict(instance.config());
    instance.set_tracking(verdict.priority, verdict.fault);
  }
  if (!verdict.pending || !verdict.fault.empty()) instance.start();
}

}  // namespace xlb
