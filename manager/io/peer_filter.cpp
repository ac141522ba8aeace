#include "io/peer_filter.h"

#include <xlb/hash.h>

#include <atomic>
#include <cstring>

namespace xlb {

uint32_t PeerFilter::bit_of(const MacAddress& mac) {
  uint32_t low = 0;
  std::memcpy(&low, &mac.bytes[2], sizeof low);
  return xlb_peer_bit(low);
}

void PeerFilter::set(uint32_t bit, bool value) {
  std::atomic_ref word(words_[bit / 64]);
  const uint64_t mask = uint64_t{1} << (bit % 64);
  if (value) {
    word.fetch_or(mask);
  } else {
    word.fetch_and(~mask);
  }
}

void PeerFilter::add(const MacAddress& mac) {
  const uint32_t bit = bit_of(mac);
  if (users_[bit]++ == 0) set(bit, true);
}

void PeerFilter::remove(const MacAddress& mac) {
  const auto found = users_.find(bit_of(mac));
  if (found == users_.end() || --found->second > 0) return;
  set(found->first, false);
  users_.erase(found);
}

void PeerFilter::clear_others() {
  for (uint32_t bit = 0; bit < words_.size() * 64; ++bit) {
    if (!users_.contains(bit)) set(bit, false);
  }
}

}  // namespace xlb
