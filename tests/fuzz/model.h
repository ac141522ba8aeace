// The decision of the data plane, written a second time: slowly, in plain C++, from the rules and
// not from bpf/, with which it shares the layouts of xlb/abi.h and the places of entries in their
// tables (xlb/hash.h) only. What the two say must agree in every bit.
#pragma once

#include "tables.h"

namespace xlb::oracle {

struct Decision {
  xlb_verdict reason = XLB_PASS_NOT_OURS;
  uint32_t action = 0;  // enum xdp_action
  Bytes frame;          // as it leaves, or as the stack gets it
};

// Decides, and changes the tables as the program would.
Decision decide(Tables& tables, const Bytes& frame, const Arrival& arrival);

// The action that goes with a reason.
uint32_t action_of(xlb_verdict reason);

}  // namespace xlb::oracle
