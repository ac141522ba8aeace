// Frames as values: every header field, right by default, and the bytes they make. Shared by the
// fuzzer and the table tests; knows nothing of the program or its tables.
#pragma once

#include <optional>
#include <string>

#include "tables.h"

namespace xlb::oracle {

struct Tag {
  uint16_t type = 0x8100;
  uint16_t control = 0;  // priority and number
};

struct Extension {
  uint8_t type = 0;    // IPv6 next-header number; 44: a fragment header
  uint8_t length = 0;  // in units of 8 bytes beyond the first (AH: 4 bytes beyond two)
};

struct FrameSpec {
  Mac to{};
  Mac from{};
  std::vector<Tag> tags;
  std::optional<uint16_t> ether_type;

  uint8_t family = XLB_IPV4;
  Address source{};
  Address destination{};
  uint8_t ttl = 64;
  uint8_t tos = 0;  // IPv6: traffic class
  uint32_t flow_label = 0;
  uint32_t identification = 0x1234;
  uint16_t fragment = 0;      // IPv4: flags and offset as on the wire; IPv6: those of its header 44
  unsigned option_bytes = 0;  // IPv4 options, a multiple of 4 up to 40
  std::vector<Extension> extensions;
  std::optional<uint8_t> version;
  std::optional<uint8_t> header_words;   // IHL that lies
  std::optional<uint16_t> total_length;  // that lies; IPv6: payload length

  uint8_t protocol = 6;
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  uint8_t flags = 0x02;
  uint8_t tcp_words = 5;
  std::optional<uint16_t> udp_length;
  uint8_t icmp_type = 0;
  uint8_t icmp_code = 0;
  uint32_t icmp_rest = 0;
  Bytes body;             // before the payload: what ICMP quotes, what another protocol carries
  bool headless = false;  // a later fragment: payload only
  unsigned payload = 0;

  unsigned padding = 0;         // after the IP packet
  std::optional<unsigned> cut;  // frame ends after so many bytes
};

// The whole frame, and the IP packet alone.
Bytes encode(const FrameSpec& spec);
Bytes encode_ip(const FrameSpec& spec);

// "10.0.0.1", "2001:db8::1"; throws on anything else.
Address address_of(const std::string& text);
uint8_t family_of(const std::string& text);

}  // namespace xlb::oracle
