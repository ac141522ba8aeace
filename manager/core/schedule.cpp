#include "core/schedule.h"

#include <algorithm>
#include <numeric>

namespace xlb {
namespace {

// Weights as small as their proportions allow, with a sum of at most `limit` (plus one for each
// server that rounding would have left out).
std::vector<uint64_t> reduced(std::span<const int> weights, uint64_t limit) {
  std::vector<uint64_t> result;
  uint64_t divisor = 0;
  uint64_t sum = 0;
  for (const int weight : weights) {
    const auto value = static_cast<uint64_t>(std::max(weight, 0));
    result.push_back(value);
    divisor = std::gcd(divisor, value);
    sum += value;
  }
  if (sum == 0) return result;
  const bool scale = sum / divisor > limit;
  divisor = scale ? 0 : divisor;
  for (auto& weight : result) {
    if (weight == 0) continue;
    weight = scale ? std::max<uint64_t>(1, weight * limit / sum) : weight / divisor;
  }
  return result;
}

}  // namespace

std::vector<uint32_t> round_robin(std::span<const int> weights) {
  std::vector<uint32_t> ring;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] > 0) ring.push_back(static_cast<uint32_t>(i));
  }
  return ring;
}

std::vector<uint32_t> weighted_round_robin(std::span<const int> weights) {
  const auto shares = reduced(weights, kMaxRingLength);
  uint64_t divisor = 0;
  uint64_t highest = 0;
  for (const uint64_t share : shares) {
    divisor = std::gcd(divisor, share);
    highest = std::max(highest, share);
  }
  std::vector<uint32_t> ring;
  // IPVS lowers the current weight by the divisor each time round; whoever weighs at least that
  // much gets a turn.
  for (uint64_t current = highest; current > 0; current -= divisor) {
    for (size_t i = 0; i < shares.size(); ++i) {
      if (shares[i] >= current) ring.push_back(static_cast<uint32_t>(i));
    }
  }
  return ring;
}

}  // namespace xlb
