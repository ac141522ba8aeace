// The trackers at work: runs vrrp_scripts, follows files, processes and interfaces, and says what
// they mean for each virtual router. What their results mean core/tracking.h decides. Only what
// some virtual router uses is run.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/config.h"
#include "core/status.h"
#include "core/tracking.h"
#include "director/link_delays.h"
#include "io/event_loop.h"
#include "io/file_watch.h"
#include "io/netlink.h"
#include "io/process_watch.h"
#include "io/script.h"

namespace xlb {

class VrrpTrackers {
 public:
  // `changed`: some verdict may be another now. From the loop.
  static Result<std::unique_ptr<VrrpTrackers>> create(EventLoop& loop, Netlink& netlink,
                                                      const LinkDelays& links,
                                                      std::function<void()> changed);
  VrrpTrackers(const VrrpTrackers&) = delete;
  VrrpTrackers& operator=(const VrrpTrackers&) = delete;

  // The configuration's trackers, at start and after each reload: those that did not change keep
  // their state and their rhythm.
  void configure(const Config& config);
  [[nodiscard]] tracking::Verdict verdict(const VrrpInstanceConfig& router) const;
  // This router was master a moment ago: until there are first results, its scripts and processes
  // are taken to be as they have to be, and its files are read at once.
  void resume(const VrrpInstanceConfig& router);
  void links_changed();
  // Ends what runs; nothing changes any more.
  void stop();

  void describe(const VrrpInstanceConfig& router, Status::Vrrp& status) const;

 private:
  using Key = std::pair<TrackKind, std::string>;

  struct Script {
    Script(const TrackScriptConfig& settings, EventLoop::Timer clock)
        : config(settings), counter(settings), timer(std::move(clock)) {}
    TrackScriptConfig config;
    tracking::ScriptCounter counter;
    EventLoop::Timer timer;
    bool running = false;
    uint64_t run = 0;  // tells a result from that of a command before
    std::string result = "has not run yet";
  };
  struct Process {
    Process(const TrackProcessConfig& settings, EventLoop::Timer clock)
        : config(settings), quorum(settings), timer(std::move(clock)) {}
    TrackProcessConfig config;
    tracking::ProcessQuorum quorum;
    EventLoop::Timer timer;
  };

  VrrpTrackers(EventLoop& loop, Netlink& netlink, const LinkDelays& links,
               std::function<void()> changed);
  void configure_scripts(const Config& config);
  void configure_processes(const Config& config);
  void configure_files(const Config& config);
  [[nodiscard]] bool used(TrackKind kind, const std::string& name) const;
  void take_over(Script& script, const TrackScriptConfig& config);
  void run(const std::string& name);
  void ended(const std::string& name, uint64_t run, const ScriptRunner::Outcome& outcome);
  void counted(const std::string& name, uint32_t processes);
  void show(Process& process);
  bool read(const std::string& path, const FileWatch::Content& content);
  void show(const Script& script);
  bool look_at_link(const std::string& name);
  [[nodiscard]] std::vector<tracking::Judged> judged(const std::vector<TrackUse>& uses) const;

  EventLoop& loop_;
  Netlink& netlink_;
  const LinkDelays& links_;
  std::function<void()> changed_;
  ScriptRunner runner_;  // none waits for notify scripts, nor they for it
  std::unique_ptr<FileWatch> file_watch_;
  std::map<std::string, Script> scripts_;
  std::map<std::string, Process> processes_;
  std::map<std::string, TrackFileConfig> files_;
  std::map<std::string, std::vector<TrackUse>> uses_;  // by virtual router
  std::map<Key, tracking::Reading> readings_;
  bool first_ = true;
  bool stopped_ = false;
  std::unique_ptr<ProcessWatch> process_watch_;  // ends before those it tells
};

}  // namespace xlb
