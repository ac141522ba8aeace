// Small files in the run directory that outlive a crash: what has to be taken back on the host.
// Replaced whole, so that a reader never meets half of one.
#pragma once

#include <string>

#include "base/result.h"

namespace xlb {

// Makes `path` hold `text`; no text: no file.
Result<void> save_record(const std::string& path, const std::string& text);

}  // namespace xlb
