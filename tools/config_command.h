// xlbctl config: what xlbd makes of a configuration.
#pragma once

#include <string>
#include <vector>

#include "show.h"

// `arguments`: show [-f FILE] or report FILE, with --json and -i ID. Returns the exit status.
int config_command(const GlobalOptions& options, const std::vector<std::string>& arguments);
