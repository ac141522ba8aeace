// Weights -> scheduler tables: the order in which new connections go round the real servers, and
// the table that decides by a packet's hash. It must not know why a server may take connections,
// nor map offsets: it returns positions in its argument.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/types.h"

namespace xlb {

// Longest ring that weighted_round_robin makes, as long as it has no more servers than that.
inline constexpr size_t kMaxRingLength = 4096;

// IPVS rr: every server whose weight is above 0, once, in order.
std::vector<uint32_t> round_robin(std::span<const int> weights);

// IPVS wrr: one period of its sequence (weights 4,3,2 -> A A B A B C A B C). Weights whose sum,
// divided by their greatest common divisor, exceeds kMaxRingLength are scaled to about that sum
// first: shares are then exact to one in kMaxRingLength, and no server with a weight above 0 is
// left out.
std::vector<uint32_t> weighted_round_robin(std::span<const int> weights);

// A server that may be chosen by hash; weight 0 is never chosen.
struct HashCandidate {
  Endpoint endpoint;
  int weight = 1;
};

// `size` slots by weighted rendezvous hashing: each slot belongs to the candidate with the best
// score for it. A score depends on the slot, the endpoint and the weight alone, in integers, so
// every director computes the same table whatever order its configuration has, and a candidate that
// goes frees only its own slots. Empty when nobody can be chosen.
std::vector<uint32_t> hash_slots(std::span<const HashCandidate> candidates, size_t size);

// The table size for a virtual server with `configured` real servers, up or down: it must not
// change with their health.
size_t hash_table_size(size_t configured);

}  // namespace xlb
