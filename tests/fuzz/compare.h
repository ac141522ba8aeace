// The program and its model side by side: the same tables, the same packets, and the first
// difference in what they do.
#pragma once

#include <optional>
#include <string>

#include "kernel.h"
#include "tables.h"

namespace xlb::oracle {

struct Scenario {
  Tables tables;
  std::vector<Bytes> packets;
};

struct Mismatch {
  size_t packet = 0;
  std::string text;
};

enum class Depth {
  quick,    // counters that are not in shared memory at the end only
  thorough  // everything after every packet
};

std::optional<Mismatch> check(Kernel& kernel, const Scenario& scenario, Depth depth);

// What holds whatever the model says; text of what is violated, empty: nothing.
std::string violated_invariant(const Tables& tables, const Bytes& in, const Outcome& outcome);

// The smallest scenario found that still shows a difference, and that difference.
struct Shrunk {
  Scenario scenario;
  Mismatch mismatch;
};
Shrunk shrink(Kernel& kernel, Scenario scenario, Mismatch mismatch);

}  // namespace xlb::oracle
