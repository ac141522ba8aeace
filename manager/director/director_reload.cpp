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

// The file's problems, then the refusal.
class RefusedReload : public ControlReply {
 public:
  RefusedReload(std::string line, std::string error)
      : line_(std::move(line)), error_(std::move(error)) {}

  bool next(std::string& out) override {
    out += line_;
    return false;
  }
  [[nodiscard]] std::optional<ControlFailure> failure() const override {
    return ControlFailure{ControlFailure::kRefused, error_,
                          "nothing was changed; the running configuration goes on"};
  }

 private:
  std::string line_;
  std::string error_;
};

}  // namespace

Director::Reload Director::reload(bool dry_run) {
  if (dry_run || attaching_) return read_again(dry_run);
  supervision_->reloading();
  Reload result = read_again(false);
  supervision_->ready();
  return result;
}

Director::Reload Director::read_again(bool dry_run) {
  CheckedConfig checked = check_config_file(config_file_, Strictness::run);
  Reload result;
  result.problems = std::move(checked.diagnostics);
  if (!checked.config || stopping_) {
    result.refused = true;
    if (stopping_) result.error = "cannot reload: xlbd is stopping";
    return result;
  }
  Config& config = *checked.config;
  if (listen_override_) config.xlb.status_listen = *listen_override_;
  result.deferred = needs_restart(config_, config);
  config.xlb.flow_table_size = config_.xlb.flow_table_size;
  config.xlb.real_servers_max = config_.xlb.real_servers_max;
  config.xlb.attach_mode = config_.xlb.attach_mode;
  config.xlb.status_listen = config_.xlb.status_listen;
  result.changes = differences(config_, config);
  if (dry_run) return result;
  const auto taken = take_over(std::move(config));
  if (!taken) {
    result.refused = true;
    result.error = taken.error().text;
    return result;
  }
  warnings_.clear();
  for (const Diagnostic& problem : result.problems)
    warnings_.push_back(to_string(problem));
  warnings_.insert(warnings_.end(), result.deferred.begin(), result.deferred.end());
  return result;
}

// Everything that can fail comes before anything is changed.
Result<void> Director::take_over(Config config) {
  if (!config.virtual_servers.empty() && traffic_interfaces(config).empty()) {
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
  config_ = std::move(config);
  take_over_routers();
  next_hops_->forget_all();
  follow_peers();
  services_->configure(config_.virtual_servers, config_.global.lvs_timeouts);
  next_hops_->forget_unwanted();
  take_over_interfaces();
  apply();  // not in a later turn: who asked for the reload may look at once
  return {};
}

// Routers that are gone hand over, and addresses are given up, before others claim them; those that
// stay keep their role.
void Director::take_over_routers() {
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
  for (const auto& instance : before) {
    if (instance) instance->shutdown();
  }
  before.clear();
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
      instances_.back()->start();
    }
  }
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
  for (const std::string& change : reload.changes)
    log::notice("reload: {}", change);
  for (const std::string& deferred : reload.deferred)
    log::warning("reload: {}", deferred);
  if (reload.changes.empty()) log::notice("reload: nothing changed");
}

std::unique_ptr<ControlReply> Director::reload_reply(const ControlRequest& request) {
  const auto option = request.arguments.find("dry_run");
  const bool dry_run = option != request.arguments.end() && option->second == "yes";
  const Reload done = reload(dry_run);
  if (!dry_run) log_reload(done);
  ReloadAnswer answer;
  answer.changes = done.changes;
  answer.warnings = done.deferred;
  for (const Diagnostic& problem : done.problems) {
    const bool is_error = problem.severity == Diagnostic::Severity::error;
    (is_error ? answer.errors : answer.warnings).push_back(to_string(problem));
  }
  if (!done.refused) return document_reply(to_line(answer));
  return std::make_unique<RefusedReload>(
      to_line(answer), done.error.empty() ? "cannot reload " + config_file_ : done.error);
}

}  // namespace xlb
