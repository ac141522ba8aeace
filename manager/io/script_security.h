// Who runs a script, and whether it may run at all: script_user, enable_script_security,
// use_symlink_paths and set_supplementary_groups of global_defs. A script that root runs is as
// trustworthy as whoever may write to it, or to a directory on the way to it. It asks the user
// database and the disk: not to be called on the loop.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "core/config.h"

namespace xlb {

struct ScriptRules {
  std::string user;  // of commands without one; empty: keepalived_script if it exists, else our own
  std::string group;
  bool security = false;              // what root runs must be root's alone to write
  bool symlink_paths = false;         // run what is written, not what it leads to
  bool supplementary_groups = false;  // a script is in all groups of its user

  bool operator==(const ScriptRules&) const = default;
};

ScriptRules script_rules_of(const GlobalSettings& global);

struct ScriptIdentity {
  uid_t user = 0;
  gid_t group = 0;
  std::vector<gid_t> groups;
};

// nullopt: as the daemon itself. Under `security` no command without a user runs as root.
Result<std::optional<ScriptIdentity>> script_identity(const ScriptCommand& command,
                                                      const ScriptRules& rules);

// A program named without a slash is looked for in PATH.
std::string find_program(const std::string& name);

// The path to execute. Refused under `security`, with the name of the path's element, when somebody
// but root may change what root is about to run.
Result<std::string> script_path(const ScriptCommand& command,
                                const std::optional<ScriptIdentity>& identity,
                                const ScriptRules& rules);

// What would refuse the command, for the check of a configuration; an absent program is no refusal.
Result<void> script_allowed(const ScriptCommand& command, const ScriptRules& rules);

}  // namespace xlb
