// xlbctl reload: makes the daemon read its configuration file again.
#pragma once

#include <string>
#include <vector>

#include "show.h"

// `arguments`: --dry-run, --json. Returns the exit status.
int reload(const GlobalOptions& options, const std::vector<std::string>& arguments);
