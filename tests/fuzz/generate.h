// Random tables and the packets that meet them: a small world of addresses, ports and MACs, so that
// everything is met often, and everything around the edges of the rules.
#pragma once

#include <span>

#include "frame.h"
#include "random.h"
#include "tables.h"

namespace xlb::oracle {

Tables random_tables(Random& random, uint32_t now_s, std::span<const uint32_t> ports);
Bytes random_packet(Random& random, const Tables& tables);

}  // namespace xlb::oracle
