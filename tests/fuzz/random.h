// Numbers that a seed repeats on every machine (splitmix64).
#pragma once

#include <cstddef>
#include <cstdint>

namespace xlb::oracle {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    state_ += 0x9e3779b97f4a7c15;
    uint64_t word = state_;
    word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9;
    word = (word ^ word >> 27) * 0x94d049bb133111eb;
    return word ^ word >> 31;
  }
  uint32_t below(uint32_t limit) { return static_cast<uint32_t>((next() >> 32) * limit >> 32); }
  uint32_t between(uint32_t from, uint32_t to) { return from + below(to - from + 1); }
  bool percent(uint32_t chance) { return below(100) < chance; }
  template <typename Container>
  const auto& pick(const Container& from) {
    return from[below(static_cast<uint32_t>(from.size()))];
  }

 private:
  uint64_t state_;
};

}  // namespace xlb::oracle
