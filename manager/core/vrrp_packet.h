// VRRP on the wire: encoding and validating advertisements. RFC 3768 (v2), RFC 5798 and RFC 9568
// (v3), RFC 2338's authentication type 1 (PASS) as keepalived speaks it. IPv4 only. Pure: bytes in,
// values out. It must not know interfaces, sockets or the election.
//
//    0                   1                   2                   3
//   |Version| Type  | Virtual Rtr ID|   Priority    |     Count     |
//   |v2: Auth Type  | v2: Adver Int |           Checksum            |
//   |v3: Rsvd, Max Advertise Int    |                               |
//   |                       Addresses, 4 bytes each                 |
//   |              v2 only: authentication, 8 bytes                 |
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
  std::vector<IpAddress> addresses;          // IPv4, at most 255
  std::string password;                      // v2 PASS, 8 bytes count; empty: authentication type 0

  bool operator==(const Advertisement&) const = default;
};

// The VRRP message (no IP header). `source` and `destination` enter the v3 checksum's pseudo header
// (the form keepalived and FRR send; RFC 9568's form without it is accepted on receive).
std::vector<uint8_t> encode(const Advertisement& advertisement, const IpAddress& source,
                            const IpAddress& destination);

// What a router expects of an advertisement, taken from its configuration.
struct Expectation {
  VrrpVersion version = VrrpVersion::v2;
  uint8_t virtual_router_id = 0;
  std::chrono::milliseconds interval{1000};
  std::string password;   // 8 bytes count; empty: authentication type 0
  IpAddress own_address;  // what we send from; unspecified: not known
};

// Why an advertisement was refused, in the order of the checks; each has its own counter.
enum class Refusal : uint8_t {
  malformed,       // shorter than its headers say, fragment, not IPv4, not VRRP
  ttl,             // not 255: it did not start on this link
  destination,     // not sent to the multicast group
  version,         // another version than configured
  type,            // not an ADVERTISEMENT
  length,          // longer or shorter than its address count says
  checksum,        // neither form matches
  authentication,  // type or password differ
  interval,        // v2: advertisement interval differs; v3: 0
  address_count,   // 0
  own,             // our own address: a reflected advertisement, or a duplicate of us
};
inline constexpr size_t kRefusalCount = 11;
std::string_view name_of(Refusal refusal);  // the enumerator: "checksum"

struct Received {
  Advertisement advertisement;
  IpAddress source;
};

// A well-formed packet for another virtual router on the same link: none of our business, so it is
// told before any check that could count against us.
struct OtherRouter {
  uint8_t virtual_router_id = 0;
};

// Validates a raw IPv4 packet (IP header included, as a raw socket delivers it) against `expected`.
// Bytes beyond the IP total length are ignored. A v3 interval other than the expected one is fine:
// the election learns it. An address list other than ours is the caller's to notice.
using DecodeResult = std::variant<Received, Refusal, OtherRouter>;
DecodeResult decode(std::span<const uint8_t> ip_packet, const Expectation& expected);

// What a configured instance expects and, with its priority of the moment (0 when leaving), says.
Expectation expectation_of(const VrrpInstanceConfig& config, const IpAddress& own_address);
Advertisement advertisement_of(const VrrpInstanceConfig& config, uint8_t priority);

}  // namespace xlb::vrrp
