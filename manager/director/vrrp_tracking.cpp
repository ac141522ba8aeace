#include "director/vrrp_tracking.h"

#include <algorithm>
#include <set>

#include "base/log.h"
#include "core/clean_text.h"

namespace xlb {
namespace {

const SyncGroupConfig* group_of(const Config& config, const std::string& router) {
  for (const SyncGroupConfig& group : config.track.groups) {
    const auto& members = group.members;
    if (std::find(members.begin(), members.end(), router) != members.end()) return &group;
  }
  return nullptr;
}

std::string queue_of(const std::string& script) {
  return "vrrp_script " + script;
}

// Ends what is not among `kept`.
template <typename Map, typename Config>
void drop_others(Map& items, const std::vector<Config>& kept, auto used, auto gone) {
  std::erase_if(items, [&](auto& item) {
    const bool stays = std::any_of(kept.begin(), kept.end(), [&](const Config& config) {
      return config.name == item.first && used(config.name);
    });
    if (!stays) gone(item.first);
    return !stays;
  });
}

}  // namespace

VrrpTrackers::VrrpTrackers(EventLoop& loop, Netlink& netlink, const LinkDelays& links,
                           std::function<void()> changed)
    : loop_(loop), netlink_(netlink), links_(links), changed_(std::move(changed)), runner_(loop) {}

Result<std::unique_ptr<VrrpTrackers>> VrrpTrackers::create(EventLoop& loop, Netlink& netlink,
                                                           const LinkDelays& links,
                                                           std::function<void()> changed) {
  std::unique_ptr<VrrpTrackers> result(new VrrpTrackers(loop, netlink, links, std::move(changed)));
  auto files = FileWatch::create(
      loop, [raw = result.get()](const std::string& path, const FileWatch::Content& content) {
        if (raw->read(path, content)) raw->changed_();
      });
  if (!files) return files.error();
  result->file_watch_ = std::move(*files);
  result->process_watch_ = std::make_unique<ProcessWatch>(
      loop,
      [raw = result.get()](const std::string& name, uint32_t count) { raw->counted(name, count); },
      [](const std::string& why) {
        if (why.empty()) return;
        log::notice("vrrp_track_process: /proc is read once a second: {}", why);
      });
  return result;
}

void VrrpTrackers::configure(const Config& config) {
  runner_.set_rules(script_rules_of(config.global));
  uses_.clear();
  for (const VrrpInstanceConfig& router : config.vrrp_instances) {
    uses_[router.name] = tracking::uses_of(router.tracking.uses, group_of(config, router.name));
  }
  configure_scripts(config);
  configure_processes(config);
  configure_files(config);
  for (const auto& [router, uses] : uses_) {
    for (const TrackUse& use : uses) {
      if (use.kind == TrackKind::interface) (void)look_at_link(use.name);
    }
  }
  std::erase_if(readings_,
                [&](const auto& item) { return !used(item.first.first, item.first.second); });
  first_ = false;
}

bool VrrpTrackers::used(TrackKind kind, const std::string& name) const {
  return std::any_of(uses_.begin(), uses_.end(), [&](const auto& router) {
    return std::any_of(router.second.begin(), router.second.end(),
                       [&](const TrackUse& use) { return use.kind == kind && use.name == name; });
  });
}

void VrrpTrackers::configure_scripts(const Config& config) {
  drop_others(
      scripts_, config.track.scripts,
      [&](const std::string& name) { return used(TrackKind::script, name); },
      [&](const std::string& name) { runner_.cancel(queue_of(name)); });
  for (const TrackScriptConfig& settings : config.track.scripts) {
    const std::string& name = settings.name;
    if (!used(TrackKind::script, name)) continue;
    const auto found = scripts_.find(name);
    if (found != scripts_.end()) {
      take_over(found->second, settings);
      continue;
    }
    auto timer = loop_.timer(EventLoop::Urgency::normal, [this, name] { run(name); });
    Script& script = scripts_.try_emplace(name, settings, std::move(timer)).first->second;
    script.timer.arm(loop_.now());
    show(script);
  }
}

void VrrpTrackers::take_over(Script& script, const TrackScriptConfig& config) {
  if (script.config == config) return;
  const bool same_command = script.config.command == config.command;
  const bool same_rhythm = script.config.interval == config.interval;
  script.counter.reconfigure(config, same_command);
  script.config = config;
  if (!same_command) {
    runner_.cancel(queue_of(config.name));
    script.running = false;
    ++script.run;
  }
  if (!same_command || !same_rhythm) script.timer.arm(loop_.now());
}

void VrrpTrackers::run(const std::string& name) {
  Script& script = scripts_.at(name);
  script.timer.arm(loop_.now() + script.config.interval);
  if (script.running || stopped_) return;
  script.running = true;
  const auto limit =
      script.config.timeout.count() > 0 ? script.config.timeout : script.config.interval;
  const uint64_t number = ++script.run;
  runner_.run(
      queue_of(name), script.config.command, std::chrono::ceil<std::chrono::milliseconds>(limit),
      [this, name, number](const ScriptRunner::Outcome& outcome) { ended(name, number, outcome); });
}

void VrrpTrackers::ended(const std::string& name, uint64_t run,
                         const ScriptRunner::Outcome& outcome) {
  const auto found = scripts_.find(name);
  if (found == scripts_.end() || found->second.run != run || stopped_) return;
  Script& script = found->second;
  script.running = false;
  const bool news = script.result != outcome.text;
  script.result = outcome.text;
  const bool changed = script.counter.record(outcome.ok);
  show(script);
  if (changed) {
    log::notice("vrrp_script {} {}: {}", name, script.counter.up() ? "succeeded" : "failed",
                outcome.text);
    changed_();
  } else if (news) {
    log::info("vrrp_script {}: {}", name, outcome.text);
  }
}

void VrrpTrackers::show(const Script& script) {
  readings_[{TrackKind::script, script.config.name}] = {script.counter.known(), script.counter.up(),
                                                        0, script.result};
}

void VrrpTrackers::configure_processes(const Config& config) {
  drop_others(
      processes_, config.track.processes,
      [&](const std::string& name) { return used(TrackKind::process, name); },
      [](const std::string&) {});
  std::vector<TrackProcessConfig> followed;
  for (const TrackProcessConfig& settings : config.track.processes) {
    const std::string& name = settings.name;
    if (!used(TrackKind::process, name)) continue;
    followed.push_back(settings);
    const auto found = processes_.find(name);
    if (found != processes_.end()) {
      found->second.config = settings;
      (void)found->second.quorum.reconfigure(settings, loop_.now());
      show(found->second);
      continue;
    }
    auto timer = loop_.timer(EventLoop::Urgency::normal, [this, name] {
      Process& process = processes_.at(name);
      const bool news = process.quorum.expire(loop_.now());
      show(process);
      if (news) changed_();
    });
    show(processes_.try_emplace(name, settings, std::move(timer)).first->second);
  }
  process_watch_->follow(std::move(followed));
}

void VrrpTrackers::counted(const std::string& name, uint32_t processes) {
  const auto found = processes_.find(name);
  if (found == processes_.end() || stopped_) return;
  const bool news = found->second.quorum.count(processes, loop_.now());
  show(found->second);
  if (!news) return;
  log::notice("vrrp_track_process {} is {}: {} running", name,
              found->second.quorum.up() ? "up" : "down", processes);
  changed_();
}

void VrrpTrackers::show(Process& process) {
  const auto& quorum = process.quorum;
  if (const auto due = quorum.deadline()) {
    process.timer.arm(*due);
  } else {
    process.timer.disarm();
  }
  readings_[{TrackKind::process, process.config.name}] = {
      quorum.known(), quorum.up(), 0,
      quorum.known() ? fmt::format("{} running", quorum.processes()) : "not counted yet"};
}

void VrrpTrackers::configure_files(const Config& config) {
  std::set<std::string> paths;
  std::map<std::string, TrackFileConfig> before = std::exchange(files_, {});
  for (const TrackFileConfig& file : config.track.files) {
    if (!used(TrackKind::file, file.name)) continue;
    paths.insert(file.file);
    files_[file.name] = file;
    const auto known = before.find(file.name);
    const bool same = known != before.end() && known->second.file == file.file;
    if (file.init != FileInit::none && !same) {
      // A reload overwrites nothing.
      const bool overwrite = file.init == FileInit::overwrite && first_;
      file_watch_->write_first(file.file, fmt::format("{}\n", file.init_value), overwrite);
    }
    tracking::Reading& reading = readings_[{TrackKind::file, file.name}];
    if (!same && !reading.known) reading.text = "not read yet";
  }
  file_watch_->follow(paths);
}

// Whether some number is another now.
bool VrrpTrackers::read(const std::string& path, const FileWatch::Content& content) {
  if (stopped_) return false;
  bool news = false;
  for (const auto& [name, file] : files_) {
    if (file.file != path) continue;
    tracking::Reading& reading = readings_[{TrackKind::file, name}];
    const auto value = tracking::file_value(content.text);
    if (!value && reading.known) {
      log::warning("track_file {}: {} holds no 32 bit number: {} goes on to count", name, path,
                   reading.value);
      continue;
    }
    const int64_t number = value.value_or(0);
    const bool changed = !reading.known || reading.value != number;
    reading = {true, number != 0, number,
               content.missing.empty() ? fmt::format("{}", number)
                                       : fmt::format("{} ({})", number, content.missing)};
    if (changed) log::info("track_file {}: {}", name, reading.text);
    news = news || changed;
  }
  return news;
}

bool VrrpTrackers::look_at_link(const std::string& name) {
  const auto link = netlink_.link(name);
  const bool is_up = link && links_.up(*link);
  tracking::Reading now{true, is_up, 0, !link ? "does not exist" : is_up ? "is up" : "is down"};
  tracking::Reading& reading = readings_[{TrackKind::interface, name}];
  const bool changed = !reading.known || reading.up != now.up;
  reading = std::move(now);
  return changed;
}

void VrrpTrackers::links_changed() {
  bool news = false;
  for (const auto& [key, reading] : std::map(readings_)) {
    if (key.first == TrackKind::interface) news = look_at_link(key.second) || news;
  }
  if (news && !stopped_) changed_();
}

std::vector<tracking::Judged> VrrpTrackers::judged(const std::vector<TrackUse>& uses) const {
  static const tracking::Reading kUnknown;
  std::vector<tracking::Judged> result;
  for (const TrackUse& use : uses) {
    const auto reading = readings_.find({use.kind, use.name});
    result.push_back({&use, reading == readings_.end() ? &kUnknown : &reading->second});
  }
  return result;
}

tracking::Verdict VrrpTrackers::verdict(const VrrpInstanceConfig& router) const {
  const auto uses = uses_.find(router.name);
  if (uses == uses_.end()) return tracking::judge(router.priority, {});
  return tracking::judge(router.priority, judged(uses->second));
}

void VrrpTrackers::resume(const VrrpInstanceConfig& router) {
  for (const TrackUse& use : uses_[router.name]) {
    tracking::Reading& reading = readings_[{use.kind, use.name}];
    if (reading.known) continue;
    if (use.kind == TrackKind::file) {
      const std::string path = files_.at(use.name).file;
      (void)read(path, FileWatch::look(path));
      continue;
    }
    const bool faulty_when_up = use.weight.value == 0 && use.weight.reverse;
    reading = {true, !faulty_when_up, 0, "no result yet: taken over from before the restart"};
  }
}

void VrrpTrackers::stop() {
  stopped_ = true;
  for (auto& [name, script] : scripts_) {
    script.timer.disarm();
    runner_.cancel(queue_of(name));
  }
  process_watch_->follow({});
}

void VrrpTrackers::describe(const VrrpInstanceConfig& router, Status::Vrrp& status) const {
  const auto uses = uses_.find(router.name);
  if (uses == uses_.end()) return;
  for (const tracking::Judged& one : judged(uses->second)) {
    const tracking::Effect effect = tracking::effect_of(*one.use, *one.reading);
    Status::Tracker tracker;
    tracker.kind = name_of(one.use->kind);
    tracker.name = one.use->name;
    tracker.weight = one.use->weight.value;
    tracker.reverse = one.use->weight.reverse;
    tracker.result = clean_text(one.reading->text);
    tracker.priority_change = effect.change;
    tracker.fault = effect.fault;
    tracker.state = !one.reading->known ? "unknown" : one.reading->up ? "up" : "down";
    if (one.use->kind == TrackKind::file) {
      tracker.state = !one.reading->known ? "unknown" : effect.fault ? "down" : "up";
      tracker.value = one.reading->value;
    }
    status.trackers.push_back(std::move(tracker));
  }
}

}  // namespace xlb
