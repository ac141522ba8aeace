// The validated model of a configuration file: what a virtual router's priority and state follow
// besides the election, groups of virtual routers, and who is told of their changes. See config.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/config_place.h"

namespace xlb {

enum class TrackKind : uint8_t { interface, script, process, file };
std::string_view name_of(TrackKind kind);  // "interface", "script", "process", "file"

// What a weight does to the priority. 0: no arithmetic, failure means FAULT.
struct TrackWeight {
  int value = 0;
  bool reverse = false;

  bool operator==(const TrackWeight&) const = default;
};

// One line of a track_* block, with the tracker's own weight where the line gives none.
struct TrackUse {
  TrackKind kind = TrackKind::script;
  std::string name;  // of the tracker, or the interface
  TrackWeight weight;
  Origin place;

  bool operator==(const TrackUse&) const = default;
};

struct TrackScriptConfig {
  std::string name;
  ScriptCommand command;
  std::chrono::microseconds interval{1'000'000};
  std::chrono::microseconds timeout{};  // 0: the interval
  TrackWeight weight;
  int rise = 1;
  int fall = 1;
  bool init_fail = false;  // failed until the first result
  Origin place;

  bool operator==(const TrackScriptConfig&) const = default;
};

enum class ParameterMatch : uint8_t {
  none,     // not looked at
  exact,    // all of them
  partial,  // the first ones
  initial,  // the first ones, the last of which may go on
};

struct TrackProcessConfig {
  std::string name;
  std::string process;  // the name in /proc/PID/comm; with full_command, argv[0]
  std::vector<std::string> parameters;
  ParameterMatch match = ParameterMatch::none;
  bool full_command = false;
  TrackWeight weight;
  uint32_t quorum = 1;
  std::optional<uint32_t> quorum_max;
  std::chrono::microseconds fork_delay{};
  std::chrono::microseconds terminate_delay{};
  Origin place;

  bool operator==(const TrackProcessConfig&) const = default;
};

enum class FileInit : uint8_t { none, create, overwrite };

struct TrackFileConfig {
  std::string name;
  std::string file;
  TrackWeight weight{1, false};
  FileInit init = FileInit::none;
  int init_value = 0;
  Origin place;

  bool operator==(const TrackFileConfig&) const = default;
};

// Part of a vrrp_instance.
struct VrrpTracking {
  std::vector<TrackUse> uses;  // without its own interface, and those of its sync group
  bool dont_track_primary = false;
  std::optional<ScriptCommand> notify_deleted;
  bool deleted_is_told = false;  // DELETED instead of FAULT when a reload removes it
  std::optional<ScriptCommand> notify_master_rx_lower_pri;
  bool notify_priority_changes = false;

  bool operator==(const VrrpTracking&) const = default;
};

struct SyncGroupConfig {
  std::string name;
  std::vector<std::string> members;  // names of vrrp_instances, each in one group only
  std::vector<TrackUse> uses;        // of every member
  bool member_weights = false;       // sync_group_tracking_weight
  std::optional<ScriptCommand> notify_master;
  std::optional<ScriptCommand> notify_backup;
  std::optional<ScriptCommand> notify_fault;
  std::optional<ScriptCommand> notify_stop;
  std::optional<ScriptCommand> notify;  // run with "GROUP" name STATE 0 appended
  std::optional<bool> smtp_alert;       // set once the file is read
  Origin place;

  bool operator==(const SyncGroupConfig&) const = default;
};

struct NotifyFifoConfig {
  std::string path;  // empty: none
  std::string user;  // who may read it
  std::string group;
  std::optional<ScriptCommand> script;  // its reader, run with the path appended
  Origin place;

  bool operator==(const NotifyFifoConfig&) const = default;
};

// Part of global_defs.
struct ScriptPolicy {
  bool security = false;
  bool symlink_paths = false;
  bool supplementary_groups = false;
  std::optional<ScriptCommand> startup;
  std::chrono::seconds startup_timeout{10};
  std::optional<ScriptCommand> shutdown;
  std::chrono::seconds shutdown_timeout{10};
  NotifyFifoConfig all_fifo;
  NotifyFifoConfig vrrp_fifo;
  NotifyFifoConfig lvs_fifo;
  bool fifo_states_on_reload = false;

  bool operator==(const ScriptPolicy&) const = default;
};

// Everything of the file's top level.
struct TrackConfig {
  std::vector<TrackScriptConfig> scripts;
  std::vector<TrackProcessConfig> processes;
  std::vector<TrackFileConfig> files;
  std::vector<SyncGroupConfig> groups;

  bool operator==(const TrackConfig&) const = default;
};

}  // namespace xlb
