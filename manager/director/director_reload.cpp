// Another configuration while running: the difference is applied, what did not change keeps its
// state. A file with errors changes nothing.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "core/config_diff.h"
#include "director/check_config.h"
#include "director/director.h"

namespace xlb {
namespace {

// The answer of a reload, once it is done.
class ReloadReply : public ControlReply {
 public:
  struct Outcome {
    std::string line;
    std::optional<ControlFailure> failure;
  };
  explicit ReloadReply(std::shared_ptr<std::optional<Outcome>> outcome)
      : outcome_(std::move(outcome)) {}

  bool next(std::string& out) override {
    if (!*outcome_) return true;
    out += (*outcome_)->line;
    return false;
  }
  [[nodiscard]] std::optional<ControlFailure> failure() const override {
    return (*outcome_)->failure;
  }

 private:
  std::shared_ptr<std::optional<Outcome>> outcome_;
};

ControlFailure refusal(const std::string& why) {
  return {ControlFailure::kRefused, why, "nothing was changed; the running configuration goes on"};
}

}  // namespace

void Director::request_reload(bool dry_run, ReloadDone done) {
  reloads_.push_back({dry_run, std::move(done)});
  if (reloads_.size() == 1) begin_reload();
}

// A large file takes longer to read than the loop can wait: it is read, and compared with what
// runs, on the worker's thread. Nobody changes config_ while it looks at it.
void Director::begin_reload() {
  if (!reloads_.front().dry_run && !attaching_) supervision_->reloading();
  auto result = std::make_shared<Reload>();
  worker_->run(
      [result, file = config_file_, id = config_id_, net_namespace = net_namespace_,
       listen = listen_override_, &running = std::as_const(config_)] {
        CheckedConfig checked = check_config_file(file, Strictness::run, id, true);
        result->problems = std::move(checked.diagnostics);
        result->refused = !checked.config;
        if (result->refused) return;
        Config& config = *checked.config;
        if (listen) config.xlb.status_listen = *listen;
        result->deferred = needs_restart(running, config);
        if (checked.net_namespace != net_namespace) {
          result->deferred.emplace_back("net_namespace takes effect at the next start");
        }
        result->text = std::make_shared<const std::string>(std::move(checked.text));
        config.xlb.flow_table_size = running.xlb.flow_table_size;
        config.xlb.real_servers_max = running.xlb.real_servers_max;
        config.xlb.attach_mode = running.xlb.attach_mode;
        config.xlb.status_listen = running.xlb.status_listen;
        result->changes = differences(running, config);
        result->config = std::move(checked.config);
      },
      [this, result] {
        const ReloadRequest request = std::move(reloads_.front());
        finish_reload(*result, request);
        request.done(*result);
        reloads_.pop_front();
        if (!reloads_.empty()) begin_reload();
      });
}

void Director::finish_reload(Reload& reload, const ReloadRequest& request) {
  if (stopping_ || !begun_) {
    reload.refused = true;
    reload.error = stopping_ ? "cannot reload: xlbd is stopping"
                             : "cannot reload: the startup script is still running";
  }
  if (!reload.refused && !request.dry_run) {
    const auto taken = take_over(std::move(*reload.config));
    if (!taken) {
      reload.refused = true;
      reload.error = taken.error().text;
    } else {
      config_text_ = reload.text;
      warnings_.clear();
      for (const Diagnostic& problem : reload.problems)
        warnings_.push_back(to_string(problem));
      warnings_.insert(warnings_.end(), reload.deferred.begin(), reload.deferred.end());
    }
  }
  if (!request.dry_run && !attaching_ && !stopping_) supervision_->ready();
}

// Everything that can fail comes before anything is changed.
Result<void> Director::take_over(Config config) {
  if (takes_interfaces(config) && traffic_interfaces(config).empty()) {
    return fail(
        "cannot reload: no interface to attach to: say where client traffic arrives with "
        "xlb {{ interfaces eth0 }}");
  }
  if (!dataplane_ && !config.virtual_servers.empty()) {
    const bool had_none = config_.virtual_servers.empty();
    std::swap(config_.virtual_servers, config.virtual_servers);  // open_dataplane() asks for them
    const auto opened = open_dataplane();
    std::swap(config_.virtual_servers, config.virtual_servers);
    if (!opened) return opened.error().context("cannot reload");
    if (had_none) sweep_timer_.arm(loop_->now());
  }
  // Thousands of real servers take milliseconds to forget.
  auto before = std::make_shared<Config>(std::exchange(config_, std::move(config)));
  worker_->run([before = std::move(before)]() mutable { before.reset(); }, [] {});
  scripts_->set_rules(script_rules_of(config_.global));
  notifications_->reconfigure(config_.global);
  announcements_->configure(config_.network.announce_spacing, config_.network.announce_groups);
  static_network_->configure(config_.network);
  take_over_routers();
  next_hops_->forget_all();
  follow_peers();
  services_->configure(config_.virtual_servers, config_.global.lvs_timeouts);
  next_hops_->forget_unwanted();
  take_over_interfaces();
  if (config_.global.scripts.fifo_states_on_reload) tell_states();
  apply();  // not in a later turn: who asked for the reload may look at once
  return {};
}

// Routers that are gone hand over, and addresses are given up, before others claim them; those that
// stay keep their role.
void Director::take_over_routers() {
  groups_->suspend();
  std::vector<std::unique_ptr<VrrpInstance>> before = std::exchange(instances_, {});
  const auto find = [&](const VrrpInstanceConfig& config) {
    return std::find_if(before.begin(), before.end(), [&](const auto& instance) {
      return instance != nullptr && instance->config().name == config.name &&
             same_router(instance->config(), config);
    });
  };
  std::vector<std::unique_ptr<VrrpInstance>> after;
  for (const VrrpInstanceConfig& config : config_.vrrp_instances) {
    const auto found = find(config);
    after.push_back(found == before.end() ? nullptr : std::move(*found));
  }
  const auto stays_by_name = [&](const VrrpInstance& instance) {
    return std::any_of(
        config_.vrrp_instances.begin(), config_.vrrp_instances.end(),
        [&](const VrrpInstanceConfig& config) { return config.name == instance.config().name; });
  };
  for (const auto& instance : before) {
    if (!instance) continue;
    groups_->leave(*instance);
    instance->shutdown(stays_by_name(*instance) ? VrrpInstance::Ending::stop
                                                : VrrpInstance::Ending::deleted);
  }
  before.clear();
  keep_router_interfaces(config_.vrrp_instances);
  follow_links();
  for (size_t i = 0; i < after.size(); ++i) {
    if (after[i]) after[i]->give_up_addresses(config_.vrrp_instances[i]);
  }
  for (size_t i = 0; i < after.size(); ++i) {
    const VrrpInstanceConfig& config = config_.vrrp_instances[i];
    if (after[i]) {
      if (after[i]->config() != config) after[i]->reconfigure(config);
      instances_.push_back(std::move(after[i]));
    } else {
      instances_.push_back(make_instance(config));
    }
  }
  groups_->configure(config_.track.groups, instances_);
  follow_trackers();
}

void Director::take_over_interfaces() {
  std::vector<Interface> after;
  for (const std::string& name : traffic_interfaces(config_)) {
    const auto found = std::find_if(interfaces_.begin(), interfaces_.end(),
                                    [&](const Interface& item) { return item.name == name; });
    Interface interface;
    interface.name = name;
    after.push_back(found == interfaces_.end() ? interface : *found);
  }
  interfaces_ = std::move(after);
  if (!attaching_) attach_interfaces();
}

void Director::follow_peers() {
  for (const IpAddress& peer : config_.xlb.peers) {
    if (!netlink_->is_local(peer)) next_hops_->want(peer);
  }
  for (const auto& [director, last_heard] : heard_directors_)
    next_hops_->want(director);
}

void Director::log_reload(const Reload& reload) {
  for (const Diagnostic& problem : reload.problems) {
    loop_->serve_urgent();
    if (problem.severity == Diagnostic::Severity::error) {
      log::error("{}", to_string(problem));
    } else {
      log::warning("{}", to_string(problem));
    }
  }
  if (reload.refused) {
    log::error("{}; the running configuration goes on",
               reload.error.empty() ? "cannot reload " + config_file_ : reload.error);
    return;
  }
  for (const std::string& change : reload.changes) {
    loop_->serve_urgent();
    log::notice("reload: {}", change);
  }
  for (const std::string& deferred : reload.deferred)
    log::warning("reload: {}", deferred);
  if (reload.changes.empty()) log::notice("reload: nothing changed");
}

std::unique_ptr<ControlReply> Director::reload_reply(const ControlRequest& request) {
  const auto option = request.arguments.find("dry_run");
  const bool dry_run = option != request.arguments.end() && option->second == "yes";
  auto outcome = std::make_shared<std::optional<ReloadReply::Outcome>>();
  request_reload(dry_run, [this, outcome, dry_run](const Reload& done) {
    if (!dry_run) log_reload(done);
    ReloadAnswer answer;
    answer.changes = done.changes;
    answer.warnings = done.deferred;
    for (const Diagnostic& problem : done.problems) {
      const bool is_error = problem.severity == Diagnostic::Severity::error;
      (is_error ? answer.errors : answer.warnings).push_back(to_string(problem));
    }
    *outcome = ReloadReply::Outcome{to_line(answer), std::nullopt};
    if (!done.refused) return;
    (*outcome)->failure =
        refusal(done.error.empty() ? "cannot reload " + config_file_ : done.error);
  });
  return std::make_unique<ReloadReply>(outcome);
}

}  // namespace xlb
