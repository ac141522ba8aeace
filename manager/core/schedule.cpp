#include "core/schedule.h"

#include <algorithm>
#include <array>
#include <bit>
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

constexpr uint64_t mixed(uint64_t value) {  // the finalizer of MurmurHash3
  value ^= value >> 33;
  value *= 0xff51afd7ed558ccdULL;
  value ^= value >> 33;
  value *= 0xc4ceb9fe1a85ec53ULL;
  value ^= value >> 33;
  return value;
}

uint64_t hash_of(const Endpoint& endpoint) {
  uint64_t high = 0;
  uint64_t low = 0;
  const auto& bytes = endpoint.address.bytes();
  for (size_t i = 0; i < 8; ++i) {
    high = high << 8 | bytes[i];
    low = low << 8 | bytes[i + 8];
  }
  return mixed(mixed(mixed(high) + low) + endpoint.port);
}

constexpr int kFractionBits = 32;
constexpr int kLogSteps = 256;

// log2(1 + i / kLogSteps), fixed point: found bit by bit, by squaring.
constexpr std::array<uint64_t, kLogSteps + 1> make_log_table() {
  std::array<uint64_t, kLogSteps + 1> table{};
  for (uint64_t i = 0; i < kLogSteps; ++i) {
    uint64_t mantissa =
        (1ULL << 31) + i * ((1ULL << 31) / kLogSteps);  // [1, 2) with 31 fraction bits
    for (int bit = kFractionBits - 1; bit >= 0; --bit) {
      mantissa = mantissa * mantissa >> 31;
      if (mantissa < 1ULL << 32) continue;
      mantissa >>= 1;
      table[i] |= 1ULL << bit;
    }
  }
  table[kLogSteps] = 1ULL << kFractionBits;
  return table;
}
constexpr auto kLogTable = make_log_table();

// -log2(value / 2^64) with kFractionBits, at least 1. Only its order of magnitude is exact; what
// counts is that it is the same everywhere.
uint64_t negative_log2(uint64_t value) {
  value |= 1;
  const int exponent = 63 - std::countl_zero(value);
  const uint64_t mantissa = value << (63 - exponent) << 1;  // fraction, top aligned
  const auto step = static_cast<size_t>(mantissa >> 56);
  const uint64_t rest = mantissa << 8 >> 40;  // 24 bits
  const uint64_t span = kLogTable[step + 1] - kLogTable[step];
  const uint64_t fraction = kLogTable[step] + (span * rest >> 24);
  const uint64_t log = (static_cast<uint64_t>(exponent) << kFractionBits) + fraction;
  return std::max<uint64_t>(1, (64ULL << kFractionBits) - log);
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

std::vector<uint32_t> hash_slots(std::span<const HashCandidate> candidates, size_t size) {
  struct Contender {
    uint32_t position;
    uint64_t hash;
    uint64_t weight;
    Endpoint endpoint;
  };
  std::vector<Contender> contenders;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const auto& candidate = candidates[i];
    if (candidate.weight <= 0) continue;
    contenders.push_back({static_cast<uint32_t>(i), hash_of(candidate.endpoint),
                          static_cast<uint64_t>(candidate.weight), candidate.endpoint});
  }
  if (contenders.empty()) return {};
  std::vector<uint32_t> slots(size);
  for (size_t slot = 0; slot < size; ++slot) {
    const Contender* best = nullptr;
    uint64_t best_log = 0;
    for (const auto& contender : contenders) {
      const uint64_t log = negative_log2(mixed(contender.hash ^ mixed(slot + 1)));
      // log / weight < best_log / best weight; 2^38 x 2^17 fits
      const uint64_t left = best == nullptr ? 0 : log * best->weight;
      const uint64_t right = best == nullptr ? 1 : best_log * contender.weight;
      if (left > right || (left == right && contender.endpoint > best->endpoint)) continue;
      best = &contender;
      best_log = log;
    }
    slots[slot] = best->position;
  }
  return slots;
}

size_t hash_table_size(size_t configured) {
  return std::bit_ceil(std::clamp<size_t>(configured * 16, 128, 8192));
}

}  // namespace xlb
