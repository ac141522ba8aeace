// auth_hmac: the trailer that proves who sent an advertisement and when, as keepalived 2.4.2 sends
// it (draft-cassen-vrrp-auth-hmac). Pure: the hash function and both clocks are passed in.
//
//   | type 1 | key id | reserved 0 | seconds (4) | 2^-16 seconds (2) | counter (2) | HMAC (16) |
//
// The HMAC is HMAC-SHA-256, cut to 16 bytes, over {4 or 6, version, VRID, 0, source in 16 bytes},
// the message with its checksum read as zero, and the trailer with its HMAC read as zero. The three
// fields before it are one number of 64 bits that grows with every advertisement.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/config_vrrp_protocol.h"
#include "core/vrrp_packet.h"

namespace xlb::vrrp {

using HmacSha256 = std::array<uint8_t, 32> (*)(std::span<const uint8_t> key,
                                               std::span<const uint8_t> message);
// Since 1970-01-01 UTC.
using UnixTime = std::chrono::nanoseconds;

class HmacGuard {
 public:
  HmacGuard(VrrpHmac settings, HmacSha256 hmac) : settings_(std::move(settings)), hmac_(hmac) {}

  // Other keys or another mode; what was heard and sent is remembered.
  void configure(VrrpHmac settings) { settings_ = std::move(settings); }

  // Appends a trailer to a composed message, whose checksum is still to be filled in; returns its
  // size, 0 in receive-only mode.
  size_t sign(std::vector<uint8_t>& message, const IpAddress& source, UnixTime now);

  // Judges what has a trailer; nullopt: it is right, and remembered. Only what is signed rightly is
  // ever remembered.
  std::optional<Refusal> check(const Received& received, VrrpVersion version, UnixTime now);

 private:
  struct Heard {
    IpAddress sender;
    uint64_t sequence = 0;
    uint64_t used = 0;  // 0: an empty place
  };

  [[nodiscard]] const VrrpHmacKey* key(uint8_t id) const;
  [[nodiscard]] std::array<uint8_t, 32> digest(const VrrpHmacKey& key, const IpAddress& source,
                                               std::span<const uint8_t> message,
                                               std::span<const uint8_t> trailer) const;
  uint64_t next_sequence(UnixTime now);
  bool is_new(const IpAddress& sender, uint64_t sequence, UnixTime now);

  VrrpHmac settings_;
  HmacSha256 hmac_;
  uint64_t sent_ = 0;
  uint64_t uses_ = 0;
  std::array<Heard, 8> heard_{};  // several at once only while masters contend
};

}  // namespace xlb::vrrp
