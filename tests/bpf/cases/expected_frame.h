// What must leave, written from the description of what came: no byte of it is the program's.
#pragma once

#include "case_file.h"

namespace xlb::cases {

Bytes expected_frame(const Step& step, const Tables& tables);

// The IP packet's length as its header tells it.
uint64_t claimed_ip_bytes(const FrameSpec& packet);

}  // namespace xlb::cases
