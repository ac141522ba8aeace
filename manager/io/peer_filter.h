// The bits that spare the program a look-up of each source address among the peers: clear means
// that it is nobody's peer. Several addresses may share a bit. Pure apart from the memory it shares
// with the running program.
#pragma once

#include <xlb/abi.h>

#include <cstdint>
#include <map>
#include <span>

#include "core/types.h"

namespace xlb {

class PeerFilter {
 public:
  PeerFilter() = default;
  // XLB_PEER_FILTER_WORDS words, which must outlive this; what they hold stays until
  // clear_others().
  explicit PeerFilter(std::span<uint64_t> words) : words_(words) {}

  // A peer of one more, or of one fewer virtual server. To be told before the entry in xlb_peers is
  // made, and after it is erased.
  void add(const MacAddress& mac);
  void remove(const MacAddress& mac);
  // Bits that no peer was added for are cleared: a predecessor's.
  void clear_others();

 private:
  static uint32_t bit_of(const MacAddress& mac);
  void set(uint32_t bit, bool value);

  std::span<uint64_t> words_;
  std::map<uint32_t, uint32_t> users_;  // by bit
};

}  // namespace xlb
