// Which numbers and which stretches of an array are taken. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace xlb {

// Numbers from 1 to `end` - 1. A number given back is the last to be taken again.
class IndexPool {
 public:
  explicit IndexPool(uint32_t end) : taken_(end, false) { taken_[0] = true; }

  std::optional<uint32_t> take();
  // False when it is taken already or out of range.
  bool take(uint32_t index);
  void give_back(uint32_t index);
  [[nodiscard]] uint32_t available() const { return available_ - used_; }

 private:
  std::vector<bool> taken_;
  uint32_t available_ = static_cast<uint32_t>(taken_.size()) - 1;
  uint32_t used_ = 0;
  uint32_t next_ = 1;
};

// Stretches of an array of `size` elements, first fit. A stretch of length 0 takes nothing and
// starts at 0.
class RegionPool {
 public:
  explicit RegionPool(uint32_t size) { free_.emplace(0, size); }

  std::optional<uint32_t> take(uint32_t length);
  // False when any part of it is taken already.
  bool take(uint32_t offset, uint32_t length);
  void give_back(uint32_t offset, uint32_t length);

 private:
  std::map<uint32_t, uint32_t> free_;  // offset -> length; neighbours are merged
};

}  // namespace xlb
