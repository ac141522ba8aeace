// Weights -> the order in which new connections go round the real servers. It must not know why a
// server may take connections, nor map offsets: it returns positions in its argument.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

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

}  // namespace xlb
