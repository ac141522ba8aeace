// What the model sees in a frame: header places and fields, and whether the lengths fit. It knows
// no table. RFC 791, 8200, 9293, 768, 792, 4443.
#pragma once

#include "tables.h"

namespace xlb::oracle {

enum class Kind {
  other,           // not understood, or nothing that is ever balanced
  transport,       // a whole TCP or UDP packet
  first_fragment,  // of one; it has the ports
  later_fragment,  // without ports
  icmp_error,      // one that quotes a TCP or UDP packet
};

struct Parsed {
  Kind kind = Kind::other;
  uint8_t family = 0;
  size_t ip = 0;  // where the IP header is in the frame
  size_t l4 = 0;  // what follows the IP headers
  uint8_t protocol = 0;
  Address source{};
  Address destination{};
  uint16_t source_port = 0;  // host order, as all numbers here
  uint16_t destination_port = 0;
  uint32_t identification_word = 0;  // of a fragment, as loaded from the header
  uint8_t tcp_flags = 0;
  uint8_t ttl = 0;
  uint32_t ip_bytes = 0;  // total length as the header claims
  bool dont_fragment = false;
  // icmp_error: the packet it quotes
  Address inner_source{};
  Address inner_destination{};
  uint8_t inner_protocol = 0;
  uint16_t inner_source_port = 0;
  uint16_t inner_destination_port = 0;
};

inline constexpr uint8_t kTcp = 6;
inline constexpr uint8_t kUdp = 17;
inline constexpr uint8_t kFin = 0x01;
inline constexpr uint8_t kSyn = 0x02;
inline constexpr uint8_t kRst = 0x04;
inline constexpr uint8_t kAck = 0x10;

Parsed parse(const Bytes& frame);
// Do the lengths that the headers claim fit into each other and the frame?
bool lengths_fit(const Bytes& frame, const Parsed& parsed);
bool flags_possible(const Parsed& parsed);
bool opens(const Parsed& parsed);
bool is_syn(const Parsed& parsed);

uint16_t be16(const Bytes& bytes, size_t at);
void put_be16(Bytes& bytes, size_t at, uint32_t value);
Mac mac_at(const Bytes& frame, size_t at);
// RFC 1071: the one's complement sum of bytes [from, to), not folded.
uint64_t ones_sum(const Bytes& bytes, size_t from, size_t to);
uint16_t checksum_of(uint64_t sum);

}  // namespace xlb::oracle
