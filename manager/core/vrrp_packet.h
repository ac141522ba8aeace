// VRRP on the wire: encoding and validating advertisements. RFC 3768 (v2), RFC 5798 and RFC 9568
// (v3, both IP versions), RFC 2338's authentication type 1 (PASS) as keepalived speaks it. Pure:
// bytes in, values out; receiving allocates nothing. It must not know interfaces, sockets or the
// election.
//
//    0                   1                   2                   3
//   |Version| Type  | Virtual Rtr ID|   Priority    |     Count     |
//   |v2: Auth Type  | v2: Adver Int |           Checksum            |
//   |v3: Rsvd, Max Advertise Int    |                               |
//   |             Addresses, 4 bytes each, IPv6: 16 each            |
//   |              v2 only: authentication, 8 bytes                 |
//   |         auth_hmac: trailer, 28 bytes (core/vrrp_hmac.h)       |
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "core/config.h"
#include "core/types.h"
#include "core/vrrp_refusal.h"

namespace xlb::vrrp {

inline constexpr uint8_t kIpProtocol = 112;
inline constexpr IpAddress kMulticastGroup = IpAddress::v4(224, 0, 0, 18);
extern const IpAddress kMulticastGroup6;        // ff02::12
inline constexpr uint8_t kPriorityStop = 0;     // "I am leaving"
inline constexpr uint8_t kPriorityOwner = 255;  // the address owner
inline constexpr size_t kTrailerSize = 28;      // of auth_hmac
inline constexpr size_t kChecksumOffset = 6;    // in the message
inline constexpr size_t kMostAddresses = 255;   // the count is one byte

struct Advertisement {
  VrrpVersion version = VrrpVersion::v2;
  uint8_t virtual_router_id = 0;
  uint8_t priority = 0;
  std::chrono::milliseconds interval{1000};  // v2: whole seconds, v3: centiseconds on the wire
  std::vector<IpAddress> addresses;          // of one IP version, at most 255
  std::string password;                      // v2 PASS, 8 bytes count; empty: authentication type 0
  bool plain_checksum = false;               // v3 over IPv4: without the pseudo header

  bool operator==(const Advertisement&) const = default;
};

// The message with its checksum left 0: a trailer may be appended before it is sealed.
std::vector<uint8_t> compose(const Advertisement& advertisement);
// Fills in the checksum, for this source and destination. A trailer of `trailer_size` bytes counts
// in IPv6's checksum and not in IPv4's, as keepalived has it.
void seal(std::vector<uint8_t>& message, const Advertisement& advertisement,
          const IpAddress& source, const IpAddress& destination, size_t trailer_size = 0);
// Both: the VRRP message (no IP header). `source` and `destination` enter the v3 checksum's pseudo
// header (the form keepalived and FRR send; RFC 9568's form without it is accepted on receive).
std::vector<uint8_t> encode(const Advertisement& advertisement, const IpAddress& source,
                            const IpAddress& destination);

// Whose advertisements a unicast router heeds.
struct Sender {
  IpAddress address;
  uint8_t min_ttl = 255;
  uint8_t max_ttl = 255;
};

enum class Trailer : uint8_t { none, allowed, required };

// What a router expects of an advertisement, taken from its configuration.
struct Expectation {
  VrrpVersion version = VrrpVersion::v2;
  uint8_t virtual_router_id = 0;
  std::chrono::milliseconds interval{1000};
  std::string password;   // 8 bytes count; empty: authentication type 0
  IpAddress own_address;  // what we send from; unspecified: not known
  AddressFamily family = AddressFamily::ipv4;
  IpAddress group = kMulticastGroup;
  std::vector<Sender> senders = {};       // empty: multicast
  std::vector<IpAddress> addresses = {};  // ours, ascending; empty: not compared
  bool refuse_other_addresses = false;    // v2, unless their owner says so
  Trailer trailer = Trailer::none;
};

// An IP packet as far as VRRP looks at it. The bytes belong to the receiver's buffer.
struct IpPacket {
  IpAddress source;
  IpAddress destination;
  uint8_t ttl = 0;                   // hop limit
  std::span<const uint8_t> message;  // at least the 8 bytes of a VRRP header
};
// From a raw IPv4 packet, header included; bytes beyond the IP total length are ignored.
std::optional<IpPacket> parse_ipv4(std::span<const uint8_t> packet);
// From the payload of an IPv6 packet and what its socket tells beside it.
std::optional<IpPacket> ipv6_packet(const IpAddress& source, const IpAddress& destination,
                                    uint8_t hop_limit, std::span<const uint8_t> message);

// An accepted advertisement. The spans point into the packet.
struct Received {
  IpAddress source;
  uint8_t priority = 0;
  std::chrono::milliseconds interval{};
  std::span<const uint8_t> message;  // without the trailer
  std::span<const uint8_t> trailer;  // empty: none; not yet verified
  bool plain_checksum = false;       // v3 over IPv4: without the pseudo header
  bool other_addresses = false;      // not those expected
};
Advertisement advertisement_in(const Received& received, const Expectation& expected);

// A well-formed packet for another virtual router on the same link: none of our business, so it is
// told before any check that could count against us.
struct OtherRouter {
  uint8_t virtual_router_id = 0;
};

// Validates a packet against `expected`. A v3 interval other than the expected one is fine: the
// election learns it. A trailer is the caller's to verify.
using DecodeResult = std::variant<Received, Refusal, OtherRouter>;
DecodeResult decode(const IpPacket& packet, const Expectation& expected);
// Of a raw IPv4 packet.
DecodeResult decode(std::span<const uint8_t> ip_packet, const Expectation& expected);

// What a configured instance expects and, with its priority of the moment (0 when leaving), says.
// Peers without bounds of their own must be on our link: the caller widens them.
Expectation expectation_of(const VrrpInstanceConfig& config, const IpAddress& own_address);
Advertisement advertisement_of(const VrrpInstanceConfig& config, uint8_t priority);

}  // namespace xlb::vrrp
