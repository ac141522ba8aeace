// The daemon's state in one line, as `systemctl status` shows it.
#pragma once

#include <string>

#include "core/status.h"

namespace xlb {

// "VI_1 MASTER; 1 virtual server, 2 of 3 real servers up", and in front of it why xlbd is not
// ready. Never a control character: the line goes where a newline has a meaning.
std::string status_line(const Status& status);

}  // namespace xlb
