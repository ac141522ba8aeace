// One script as a process: how it is started and what its end means in words. Users, groups, paths
// and the environment are looked up before the process exists: until it executes the script it can
// do little.
#pragma once

#include <sys/types.h>

#include "base/result.h"
#include "base/unique_fd.h"
#include "core/config.h"
#include "io/script.h"
#include "io/script_security.h"

namespace xlb {

struct ScriptProcess {
  pid_t pid = -1;   // and the number of its process group
  UniqueFd pidfd;   // readable when it has ended
  UniqueFd report;  // holds the cause when the program could not be executed
};

// Starts it in a process group of its own, in /, with stdin from /dev/null and stdout joined to the
// daemon's stderr (so that the journal shows what a script says), default signal handling and no
// other descriptor. Waits for the exec, thus for disks: not to be called on the loop.
// collect_script() tells whether it succeeded.
Result<ScriptProcess> start_script(const ScriptCommand& command, const ScriptRules& rules);

// For a process that has ended: frees its number and says how it ended.
ScriptRunner::Outcome collect_script(const ScriptCommand& command, ScriptProcess& process);

}  // namespace xlb
