// Descriptors for thousands of checks at once. A shell's or systemd's soft limit is 1024, and the
// kernel makes a process of several threads wait for tens of milliseconds each time the table of
// its descriptors grows.
#pragma once

#include <sys/resource.h>

namespace xlb {

// Raises the soft limit and makes the table large, to be called before the first thread starts.
void make_room_for_descriptors();

// The limits this process was started with, which its children expect.
rlimit inherited_descriptor_limit();

}  // namespace xlb
