// Frames captured from keepalived 2.2.7, and what the codec's tests do to them.
#pragma once

#include <algorithm>
#include <string>
#include <variant>
#include <vector>

#include "core/vrrp_packet.h"

namespace xlb::vrrp::test {

using std::chrono::milliseconds;

using Packet = std::vector<uint8_t>;

// IP packets as keepalived 2.2.7 sent them from 10.99.0.1.
// version 2, VRID 51, priority 200, advert_int 1, auth PASS "1111", 10.99.0.100
inline const Packet kKeepalivedPass = {0x45, 0xc0, 0x00, 0x28, 0x00, 0x01, 0x00, 0x00, 0xff, 0x70,
                                       0xd0, 0x2e, 0x0a, 0x63, 0x00, 0x01, 0xe0, 0x00, 0x00, 0x12,
                                       0x21, 0x33, 0xc8, 0x01, 0x01, 0x01, 0xa8, 0xa0, 0x0a, 0x63,
                                       0x00, 0x64, 0x31, 0x31, 0x31, 0x31, 0x00, 0x00, 0x00, 0x00};
// the same instance leaving
inline const Packet kKeepalivedFarewell = {
    0x45, 0xc0, 0x00, 0x28, 0x00, 0x0b, 0x00, 0x00, 0xff, 0x70, 0xd0, 0x24, 0x0a, 0x63,
    0x00, 0x01, 0xe0, 0x00, 0x00, 0x12, 0x21, 0x33, 0x00, 0x01, 0x01, 0x01, 0x70, 0xa1,
    0x0a, 0x63, 0x00, 0x64, 0x31, 0x31, 0x31, 0x31, 0x00, 0x00, 0x00, 0x00};
// version 2, VRID 52, priority 100, advert_int 2, no authentication, 10.99.0.101 and .102
inline const Packet kKeepalivedTwoAddresses = {
    0x45, 0xc0, 0x00, 0x2c, 0x00, 0x01, 0x00, 0x00, 0xff, 0x70, 0xd0, 0x2a, 0x0a, 0x63, 0x00,
    0x01, 0xe0, 0x00, 0x00, 0x12, 0x21, 0x34, 0x64, 0x02, 0x00, 0x02, 0x65, 0x36, 0x0a, 0x63,
    0x00, 0x65, 0x0a, 0x63, 0x00, 0x66, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00};
// version 3, VRID 53, priority 150, advert_int 0.1, 10.99.0.103
inline const Packet kKeepalivedV3 = {
    0x45, 0xc0, 0x00, 0x20, 0x00, 0x01, 0x00, 0x00, 0xff, 0x70, 0xd0, 0x36, 0x0a, 0x63, 0x00, 0x01,
    0xe0, 0x00, 0x00, 0x12, 0x31, 0x35, 0x96, 0x01, 0x00, 0x0a, 0x43, 0x02, 0x0a, 0x63, 0x00, 0x67};

inline constexpr size_t kIpHeader = 20;
inline const IpAddress kSource = IpAddress::v4(10, 99, 0, 1);

inline const Expectation kExpectPass{VrrpVersion::v2, 51, milliseconds(1000), "1111", {}};
inline const Expectation kExpectTwo{VrrpVersion::v2, 52, milliseconds(2000), "", {}};
inline const Expectation kExpectV3{VrrpVersion::v3, 53, milliseconds(100), "", {}};

inline Advertisement pass_advertisement() {
  return {VrrpVersion::v2, 51, 200, milliseconds(1000), {IpAddress::v4(10, 99, 0, 100)}, "1111"};
}
inline Advertisement v3_advertisement() {
  return {VrrpVersion::v3, 53, 150, milliseconds(100), {IpAddress::v4(10, 99, 0, 103)}, ""};
}

inline Packet message_of(const Packet& packet) {
  return {packet.begin() + static_cast<ptrdiff_t>(kIpHeader), packet.end()};
}

// An IP packet around a message; the fields a test wants to spoil come after.
inline Packet wrap(const Packet& message) {
  Packet packet(kIpHeader + message.size());
  std::copy_n(kKeepalivedPass.begin(), kIpHeader, packet.begin());
  std::copy(message.begin(), message.end(), packet.begin() + static_cast<ptrdiff_t>(kIpHeader));
  packet[2] = static_cast<uint8_t>(packet.size() >> 8);
  packet[3] = static_cast<uint8_t>(packet.size() & 0xff);
  return packet;
}

// A reference implementation, on 64 bits and without carries in between.
inline uint16_t reference_checksum(const Packet& message) {
  uint64_t sum = 0;
  for (size_t i = 0; i < message.size(); ++i) {
    sum += i % 2 == 0 ? uint64_t{message[i]} << 8 : message[i];
  }
  return static_cast<uint16_t>(~(sum % 0xffff == 0 && sum != 0 ? 0xffff : sum % 0xffff) & 0xffff);
}

// Makes the checksum right again (without pseudo header) after spoiling a field.
inline Packet rechecksummed(Packet message) {
  message[6] = message[7] = 0;
  const uint16_t sum = reference_checksum(message);
  message[6] = static_cast<uint8_t>(sum >> 8);
  message[7] = static_cast<uint8_t>(sum & 0xff);
  return message;
}

inline std::string verdict(const Packet& packet, const Expectation& expected) {
  const DecodeResult result = decode(packet, expected);
  if (const auto* refusal = std::get_if<Refusal>(&result)) return std::string(name_of(*refusal));
  return std::holds_alternative<OtherRouter>(result) ? "other router" : "accepted";
}

}  // namespace xlb::vrrp::test
