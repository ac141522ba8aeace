// What separates two configurations, in words for `xlbctl reload --dry-run` and the log, and what a
// reload may leave alone. Where something stands in the file is no difference.
#pragma once

#include <string>
#include <vector>

#include "core/config.h"

namespace xlb {

// One line a difference: "+ ..." added, "- ..." removed, "~ ..." changed. Empty: nothing to do.
std::vector<std::string> differences(const Config& from, const Config& to);

// Whether the instance goes on as the same virtual router on the same link: then its state and role
// are kept, whatever else changed.
bool same_router(const VrrpInstanceConfig& one, const VrrpInstanceConfig& other);

// What a running daemon cannot change: one sentence each.
std::vector<std::string> needs_restart(const Config& from, const Config& to);

}  // namespace xlb
