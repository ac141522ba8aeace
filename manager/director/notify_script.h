// Starts a notify script as the configuration wants it started, and logs how it ends badly.
#pragma once

#include <string>

#include "core/config.h"
#include "io/script.h"

namespace xlb {

// After the scripts given before under the same queue name, which the log calls it by.
void run_notify_script(ScriptRunner& scripts, const GlobalSettings& global,
                       const std::string& queue, ScriptCommand command);

}  // namespace xlb
