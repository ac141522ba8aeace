// What the number in a track_file means for a real server: FILE_CHECK's verdict and weight.
#pragma once

#include <cstdint>

#include "core/config_check.h"
#include "core/health.h"

namespace xlb {

ProbeResult file_check_result(const FileCheck& check, int64_t number);

}  // namespace xlb
