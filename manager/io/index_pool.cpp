#include "io/index_pool.h"

#include <iterator>

namespace xlb {

std::optional<uint32_t> IndexPool::take() {
  if (available() == 0) return std::nullopt;
  while (taken_[next_])
    next_ = next_ + 1 < taken_.size() ? next_ + 1 : 1;
  const uint32_t index = next_;
  take(index);
  return index;
}

bool IndexPool::take(uint32_t index) {
  if (index >= taken_.size() || taken_[index]) return false;
  taken_[index] = true;
  ++used_;
  if (index == next_) next_ = next_ + 1 < taken_.size() ? next_ + 1 : 1;
  return true;
}

void IndexPool::give_back(uint32_t index) {
  if (index == 0 || index >= taken_.size() || !taken_[index]) return;
  taken_[index] = false;
  --used_;
}

std::optional<uint32_t> RegionPool::take(uint32_t length) {
  if (length == 0) return 0;
  for (const auto& [offset, available] : free_) {
    if (available < length) continue;
    const uint32_t found = offset;
    take(found, length);
    return found;
  }
  return std::nullopt;
}

bool RegionPool::take(uint32_t offset, uint32_t length) {
  if (length == 0) return true;
  auto region = free_.upper_bound(offset);
  if (region == free_.begin()) return false;
  --region;
  const auto [start, available] = *region;
  if (offset - start >= available || available - (offset - start) < length) return false;
  free_.erase(region);
  if (offset > start) free_.emplace(start, offset - start);
  const uint32_t rest = available - (offset - start) - length;
  if (rest > 0) free_.emplace(offset + length, rest);
  return true;
}

void RegionPool::give_back(uint32_t offset, uint32_t length) {
  if (length == 0) return;
  auto region = free_.emplace(offset, length).first;
  if (const auto next = std::next(region);
      next != free_.end() && region->first + region->second == next->first) {
    region->second += next->second;
    free_.erase(next);
  }
  if (region == free_.begin()) return;
  const auto previous = std::prev(region);
  if (previous->first + previous->second != region->first) return;
  previous->second += region->second;
  free_.erase(region);
}

}  // namespace xlb
