// What an update costs: slots x new contenders, and for the slots of those who went, everybody.
#include "core/hash_table.h"

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <numeric>
#include <utility>

namespace xlb {
namespace {

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

// The same for all contenders.
uint64_t hash_of_slot(size_t slot) {
  return mixed(slot + 1);
}

}  // namespace

std::vector<HashTable::Class> HashTable::classes_of(std::span<const uint32_t> numbers) const {
  std::vector<Class> result;
  uint64_t weight = 0;
  for (const uint32_t number : numbers) {
    const Contender& contender = contenders_[number];
    if (result.empty() || contender.weight != weight) result.emplace_back();
    weight = contender.weight;
    result.back().hashes.push_back(contender.hash);
    result.back().numbers.push_back(number);
  }
  return result;
}

// What is better: less log / weight (2^38 x 2^17 fits), then more value, then the lesser endpoint.
// Where weights are equal or less, less value can never be better, so the log is seldom needed.
void HashTable::contend(Slot& slot, uint32_t contender, uint64_t value) const {
  if (slot.contender == kNobody) {
    slot = {contender, value, negative_log2(value)};
    return;
  }
  const Contender& challenger = contenders_[contender];
  const Contender& holder = contenders_[slot.contender];
  if (value < slot.value && challenger.weight <= holder.weight) return;
  const uint64_t log = negative_log2(value);
  const uint64_t left = log * holder.weight;
  const uint64_t right = slot.log * challenger.weight;
  if (left != right) {
    if (left > right) return;
  } else if (value != slot.value) {
    if (value < slot.value) return;
  } else if (challenger.endpoint > holder.endpoint) {
    return;
  }
  slot = {contender, value, log};
}

void HashTable::contend(Slot& slot, uint64_t slot_hash, std::span<const Class> classes) const {
  for (const Class& equals : classes) {
    size_t best = 0;
    uint64_t best_value = mixed(equals.hashes[0] ^ slot_hash);
    for (size_t i = 1; i < equals.hashes.size(); ++i) {
      const uint64_t value = mixed(equals.hashes[i] ^ slot_hash);
      if (value <= best_value) continue;
      best = i;
      best_value = value;
    }
    contend(slot, equals.numbers[best], best_value);
  }
}

// Winners that are still there stay until somebody better comes. Returns the numbers of those who
// are new.
std::vector<uint32_t> HashTable::take_over(std::vector<Contender> contenders) {
  std::map<Endpoint, uint32_t> number_of;
  for (uint32_t i = 0; i < contenders.size(); ++i)
    number_of.emplace(contenders[i].endpoint, i);
  std::vector<uint32_t> renumbered(contenders_.size(), kNobody);
  std::vector<bool> known(contenders.size());
  for (size_t i = 0; i < contenders_.size(); ++i) {
    const auto found = number_of.find(contenders_[i].endpoint);
    if (found == number_of.end()) continue;
    if (contenders[found->second].weight != contenders_[i].weight) continue;
    renumbered[i] = found->second;
    known[found->second] = true;
  }
  for (Slot& slot : slots_) {
    if (slot.contender != kNobody) slot.contender = renumbered[slot.contender];
  }
  contenders_ = std::move(contenders);
  std::vector<uint32_t> fresh;
  for (uint32_t i = 0; i < contenders_.size(); ++i) {
    if (!known[i]) fresh.push_back(i);
  }
  return fresh;
}

std::vector<uint32_t> HashTable::update(std::span<const HashCandidate> candidates, size_t size) {
  std::vector<Contender> contenders;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const auto& candidate = candidates[i];
    if (candidate.weight <= 0) continue;
    contenders.push_back({candidate.endpoint, hash_of(candidate.endpoint),
                          static_cast<uint64_t>(candidate.weight), static_cast<uint32_t>(i)});
  }
  std::sort(contenders.begin(), contenders.end(), [](const auto& a, const auto& b) {
    return a.weight != b.weight ? a.weight > b.weight : a.endpoint < b.endpoint;
  });
  if (slots_.size() != size) slots_.assign(size, Slot{});
  const std::vector<uint32_t> fresh = take_over(std::move(contenders));
  if (contenders_.empty()) return {};
  std::vector<uint32_t> everybody(contenders_.size());
  std::iota(everybody.begin(), everybody.end(), 0U);
  const std::vector<Class> all_classes = classes_of(everybody);
  const std::vector<Class> fresh_classes = classes_of(fresh);
  std::vector<uint32_t> result(size);
  for (size_t i = 0; i < size; ++i) {
    Slot& slot = slots_[i];
    const bool vacant = slot.contender == kNobody;
    contend(slot, hash_of_slot(i), vacant ? all_classes : fresh_classes);
    result[i] = contenders_[slot.contender].position;
  }
  return result;
}

std::vector<uint32_t> hash_slots(std::span<const HashCandidate> candidates, size_t size) {
  return HashTable().update(candidates, size);
}

size_t hash_table_size(size_t configured) {
  return std::bit_ceil(std::clamp<size_t>(configured * 16, 128, 8192));
}

}  // namespace xlb
