// Frames for the tests: a value with every header field, good by default (a TCP SYN of a client to
// the virtual server), and the bytes it makes. Host order; checksums are right unless said
// otherwise. It knows nothing of the program or its maps.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace xlb::test {

using Mac = std::array<uint8_t, 6>;
using Frame = std::vector<uint8_t>;

inline constexpr Mac kDirectorMac{0x02, 0, 0, 0, 0, 0x01};
inline constexpr Mac kRouterMac{0x02, 0, 0, 0, 0, 0x02};
inline constexpr Mac kPeerMac{0x02, 0, 0, 0, 0, 0x03};
inline constexpr Mac kOtherMac{0x02, 0, 0, 0, 0, 0x04};
inline constexpr Mac kBroadcastMac{0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
inline constexpr Mac kMulticastMac{0x01, 0, 0x5e, 0, 0, 0x12};

constexpr uint32_t ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
  return static_cast<uint32_t>(a) << 24 | static_cast<uint32_t>(b) << 16 |
         static_cast<uint32_t>(c) << 8 | d;
}

inline constexpr uint32_t kClient = ipv4(198, 51, 100, 7);
inline constexpr uint32_t kVip = ipv4(10, 10, 0, 3);
inline constexpr uint16_t kPort = 80;
inline constexpr uint8_t kTcp = 6;
inline constexpr uint8_t kUdp = 17;

inline constexpr uint8_t kFin = 0x01;
inline constexpr uint8_t kSyn = 0x02;
inline constexpr uint8_t kRst = 0x04;
inline constexpr uint8_t kPush = 0x08;
inline constexpr uint8_t kAck = 0x10;

inline constexpr uint16_t kDontFragment = 0x4000;
inline constexpr uint16_t kMoreFragments = 0x2000;

struct Packet {
  Mac to = kDirectorMac;
  Mac from = kRouterMac;
  std::optional<uint16_t> vlan = std::nullopt;  // 802.1Q tag
  uint16_t ether_type = 0x0800;

  uint8_t version = 4;  // 6: an IPv6 header
  uint8_t protocol = kTcp;
  uint8_t ttl = 64;
  uint16_t id = 0x1234;
  // Flags and offset as on the wire of IPv4; not 0: a fragment header of IPv6.
  uint16_t fragment = 0;
  unsigned option_bytes = 0;                            // IP options, a multiple of 4 up to 40
  std::optional<uint8_t> header_words = std::nullopt;   // IHL that lies
  std::optional<uint16_t> total_length = std::nullopt;  // that lies
  uint32_t client = kClient;                            // IPv6: 2001:db8:NET::CLIENT
  uint32_t server = kVip;                               // IPv6: 2001:db8::SERVER
  uint16_t client_net = 1;                              // IPv6

  uint16_t client_port = 40000;
  uint16_t port = kPort;
  uint8_t flags = kSyn;                               // TCP
  uint8_t tcp_words = 5;                              // data offset; its options are real when >= 5
  std::optional<uint16_t> udp_length = std::nullopt;  // that lies
  unsigned payload = 0;                               // bytes

  unsigned padding = 0;                        // bytes after the IP packet
  std::optional<unsigned> cut = std::nullopt;  // frame ends after so many bytes

  [[nodiscard]] Frame frame() const;
  // The IP packet's true length in bytes.
  [[nodiscard]] unsigned ip_bytes() const;
};

// The same packet over IPv6.
Packet v6(Packet packet);

// As it stands in the IPv6 header.
std::array<uint8_t, 16> address6(uint16_t net, uint32_t low);

}  // namespace xlb::test
