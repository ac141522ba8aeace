// VRRP on the wire: encoding and validating advertisements. RFC 3768 (v2), RFC 5798 / RFC 9568 (v3), RFC 2338's
// authentication type 1 (PASS) as keepalived speaks it. Pure: bytes in, values out.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/config.h"
#include "core/types.h"

namespace xlb::vrrp {

inline constexpr uint8_t kIpProtocol = 112;
inline constexpr IpAddress kMulticastGroup = IpAddress::v4(224, 0, 0, 18);
inline constexpr uint8_t kPriorityStop = 0;     // "I am leaving"
inline constexpr uint8_t kPriorityOwner = 255;  // the address owner

struct Advertisement {
  VrrpVersion version = VrrpVersion::v2;
  uint8_t virtual_router_id = 0;
  uint8_t priority = 0;
  std::chrono::milliseconds interval{1000};  // v2: whole seconds, v3: centiseconds on the wire
  std::vector<IpAddress> addresses;
  std::string password;  // v2 PASS; empty: authentication type 0

  bool operator==(const Advertisement&) const = default;
};

// The VRRP message (no IP header). `source` and `destination` enter the v3 checksum's pseudo header (the form keepalived
// and FRR send; RFC 9568's form without it is accepted on receive).
std::vector<uint8_t> encode(const Advertisement& advertisement, const IpAddress& source,
                            const IpAddress& destination);

// What a router expects of an advertisement, taken from its configuration.
struct Expectation {
  VrrpVersion version = VrrpVersion::v2;
  uint8_t virtual_router_id = 0;
  std::chrono::milliseconds interval{1000};
  std::string password;
};

// Why an advertisement was refused, in the order of the checks; each has its own counter.
enum class Refusal : uint8_t {
  malformed,        // shorter than its headers say, fragment, not VRRP
  ttl,              // not 255
  version,          // another version than configured
  type,             // not an ADVERTISEMENT
  length,           // longer or shorter than its address count says
  checksum,         // neither form matches
  authentication,   // type or password differ
  interval,         // v2: advertisement interval differs; v3: 0
  address_count,    // 0
  own,              // our own address: a reflected advertisement
};
inline constexpr size_t kRefusalCount = 10;
std::string_view name_of(Refusal refusal);

struct Received {
  Advertisement advertisement;
  IpAddress source;
};

// Validates a raw IPv4 packet (IP header included, as a raw socket delivers it) against `expected`. A packet for another
// VRID is not refused: it is nullopt-like `OtherRouter`.
struct OtherRouter {
  uint8_t virtual_router_id = 0;
};
using DecodeResult = std::variant<Received, Refusal, OtherRouter>;
DecodeResult decode(std::span<const uint8_t> ip_packet, const Expectation& expected);

}  // namespace xlb::vrrp
