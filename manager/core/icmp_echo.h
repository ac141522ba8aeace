// The echo messages of PING_CHECK (RFC 792, RFC 4443). A reply counts only with the request's own
// random token, so nobody off the way can answer in the server's place.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "core/types.h"

namespace xlb {

struct EchoRequest {
  uint16_t identifier = 0;
  uint16_t sequence = 0;
  std::array<uint8_t, 16> token{};
};

// The ICMP message. Of IPv6 the checksum is the kernel's to fill in.
std::vector<uint8_t> encode_echo(const EchoRequest& request, AddressFamily family);

// Whether the ICMP message `bytes` is the reply. `with_identifier`: an ICMP datagram socket chooses
// the identifier itself.
bool answers_echo(std::span<const uint8_t> bytes, const EchoRequest& request, AddressFamily family,
                  bool with_identifier = true);

// What of a datagram from a raw socket is the ICMP message: an IPv4 header is taken off.
std::span<const uint8_t> icmp_of_raw(std::span<const uint8_t> bytes, AddressFamily family);

}  // namespace xlb
