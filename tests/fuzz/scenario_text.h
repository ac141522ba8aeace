// A scenario as text: what a failed run leaves behind, and what --replay reads.
#pragma once

#include <iosfwd>

#include "compare.h"

namespace xlb::oracle {

void write_scenario(std::ostream& out, const Scenario& scenario);
Scenario read_scenario(std::istream& in);

// One line that tells what a packet is.
std::string describe(const Bytes& packet);

}  // namespace xlb::oracle
