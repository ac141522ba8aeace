// The table that decides by a packet's hash which real server it goes to, by weighted rendezvous
// hashing: each slot belongs to the candidate with the best score for it. A score depends on the
// slot, the endpoint and the weight alone, in integers, so every director computes the same table
// whatever order its configuration has, and a candidate that goes frees only its own slots.
//
// It must not know why a server may be chosen, nor map offsets: it gives positions in the
// candidates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/types.h"

namespace xlb {

// A server that may be chosen by hash; weight 0 is never chosen.
struct HashCandidate {
  Endpoint endpoint;
  int weight = 1;
};

// Remembers its winners, so that a change costs only the slots and the candidates concerned: a
// table of a thousand servers takes tens of milliseconds to compute from nothing.
class HashTable {
 public:
  // `size` positions; empty when nobody can be chosen.
  std::vector<uint32_t> update(std::span<const HashCandidate> candidates, size_t size);

 private:
  struct Contender {
    Endpoint endpoint;
    uint64_t hash = 0;
    uint64_t weight = 0;
    uint32_t position = 0;  // among the candidates
  };
  struct Slot {
    uint32_t contender = kNobody;
    uint64_t value = 0;  // the higher the better, for equal weights
    uint64_t log = 0;    // of value: the lower the better, divided by the weight
  };
  // Contenders of one weight; the hashes close together, as all of them are gone through for a
  // slot.
  struct Class {
    std::vector<uint64_t> hashes;
    std::vector<uint32_t> numbers;
  };
  static constexpr uint32_t kNobody = UINT32_MAX;

  [[nodiscard]] std::vector<Class> classes_of(std::span<const uint32_t> numbers) const;
  void contend(Slot& slot, uint32_t contender, uint64_t value) const;
  void contend(Slot& slot, uint64_t slot_hash, std::span<const Class> classes) const;
  std::vector<uint32_t> take_over(std::vector<Contender> contenders);

  std::vector<Contender> contenders_;  // by weight, the heaviest first, then by endpoint
  std::vector<Slot> slots_;
};

// A table from nothing.
std::vector<uint32_t> hash_slots(std::span<const HashCandidate> candidates, size_t size);

// The table size for a virtual server with `configured` real servers, up or down: it must not
// change with their health.
size_t hash_table_size(size_t configured);

}  // namespace xlb
