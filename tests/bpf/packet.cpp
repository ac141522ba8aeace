#include "packet.h"

#include <cstddef>

namespace xlb::test {
namespace {

constexpr unsigned kIpHeader = 20;
constexpr unsigned kIp6Header = 40;
constexpr unsigned kFragmentHeader = 8;
constexpr uint8_t kNextFragment = 44;
constexpr unsigned kUdpHeader = 8;

void put16(Frame& frame, unsigned value) {
  frame.push_back(static_cast<uint8_t>(value >> 8));
  frame.push_back(static_cast<uint8_t>(value));
}

void put32(Frame& frame, uint32_t value) {
  put16(frame, value >> 16);
  put16(frame, value & 0xffff);
}

void set16(Frame& frame, size_t at, unsigned value) {
  frame[at] = static_cast<uint8_t>(value >> 8);
  frame[at + 1] = static_cast<uint8_t>(value);
}

// RFC 1071 over frame[from, to).
uint32_t sum16(const Frame& frame, size_t from, size_t to) {
  uint32_t sum = 0;
  for (size_t i = from; i < to; i += 2)
    sum += static_cast<uint32_t>(frame[i] << 8) | (i + 1 < to ? frame[i + 1] : 0U);
  return sum;
}

uint16_t folded(uint32_t sum) {
  while (sum >> 16 != 0)
    sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

// TCP with at least its fixed header; words beyond it are NOP options.
unsigned tcp_header_bytes(const Packet& packet) {
  return packet.tcp_words > 5 ? packet.tcp_words * 4U : 20U;
}

unsigned transport_bytes(const Packet& packet) {
  return (packet.protocol == kUdp ? kUdpHeader : tcp_header_bytes(packet)) + packet.payload;
}

void put_ethernet(Frame& frame, const Packet& packet) {
  frame.insert(frame.end(), packet.to.begin(), packet.to.end());
  frame.insert(frame.end(), packet.from.begin(), packet.from.end());
  if (packet.vlan) {
    put16(frame, 0x8100);
    put16(frame, *packet.vlan);
  }
  put16(frame, packet.ether_type);
}

void put_ipv6(Frame& frame, const Packet& packet) {
  const auto client = address6(packet.client_net, packet.client);
  const auto server = address6(0, packet.server);
  put32(frame, 6U << 28);
  put16(frame, packet.total_length.value_or(static_cast<uint16_t>(packet.ip_bytes())) - kIp6Header);
  frame.push_back(packet.fragment != 0 ? kNextFragment : packet.protocol);
  frame.push_back(packet.ttl);
  frame.insert(frame.end(), client.begin(), client.end());
  frame.insert(frame.end(), server.begin(), server.end());
  if (packet.fragment == 0) return;
  put16(frame, static_cast<unsigned>(packet.protocol) << 8);
  put16(frame, (packet.fragment & 0x1fffU) << 3 | ((packet.fragment & kMoreFragments) != 0));
  put32(frame, packet.id);
}

void put_ip(Frame& frame, const Packet& packet) {
  if (packet.version == 6) {
    put_ipv6(frame, packet);
    return;
  }
  const size_t start = frame.size();
  const unsigned words =
      packet.header_words.value_or(static_cast<uint8_t>((kIpHeader + packet.option_bytes) / 4));
  frame.push_back(static_cast<uint8_t>(packet.version << 4 | words));
  frame.push_back(0);
  put16(frame, packet.total_length.value_or(static_cast<uint16_t>(packet.ip_bytes())));
  put16(frame, packet.id);
  put16(frame, packet.fragment);
  frame.push_back(packet.ttl);
  frame.push_back(packet.protocol);
  put16(frame, 0);
  put32(frame, packet.client);
  put32(frame, packet.server);
  frame.insert(frame.end(), packet.option_bytes, 1);  // NOP
  set16(frame, start + 10, folded(sum16(frame, start, frame.size())));
}

void put_transport(Frame& frame, const Packet& packet) {
  const size_t start = frame.size();
  const unsigned length = transport_bytes(packet);
  put16(frame, packet.client_port);
  put16(frame, packet.port);
  if (packet.protocol == kUdp) {
    put16(frame, packet.udp_length.value_or(static_cast<uint16_t>(length)));
    put16(frame, 0);
  } else {
    put32(frame, 0x11223344);  // sequence
    put32(frame, 0x55667788);  // acknowledgment
    frame.push_back(static_cast<uint8_t>(packet.tcp_words << 4));
    frame.push_back(packet.flags);
    put16(frame, 65535);  // window
    put32(frame, 0);      // checksum, urgent pointer
    frame.insert(frame.end(), tcp_header_bytes(packet) - 20, 1);
  }
  for (unsigned i = 0; i < packet.payload; i++)
    frame.push_back(static_cast<uint8_t>(i));
  uint32_t sum = sum16(frame, start, frame.size()) + packet.protocol + length;
  sum += (packet.client >> 16) + (packet.client & 0xffff);
  sum += (packet.server >> 16) + (packet.server & 0xffff);
  if (packet.version == 6) sum += 2 * (0x2001U + 0x0db8U) + packet.client_net;
  set16(frame, start + (packet.protocol == kUdp ? 6 : 16), folded(sum));
}

}  // namespace

Packet v6(Packet packet) {
  packet.version = 6;
  packet.ether_type = 0x86dd;
  return packet;
}

std::array<uint8_t, 16> address6(uint16_t net, uint32_t low) {
  std::array<uint8_t, 16> result{0x20, 0x01, 0x0d, 0xb8};
  result[4] = static_cast<uint8_t>(net >> 8);
  result[5] = static_cast<uint8_t>(net);
  for (unsigned i = 0; i < 4; i++)
    result[12 + i] = static_cast<uint8_t>(low >> (24 - 8 * i));
  return result;
}

unsigned Packet::ip_bytes() const {
  if (version == 6) {
    return kIp6Header + (fragment != 0 ? kFragmentHeader : 0) + transport_bytes(*this);
  }
  return kIpHeader + option_bytes + transport_bytes(*this);
}

Frame Packet::frame() const {
  Frame frame;
  put_ethernet(frame, *this);
  put_ip(frame, *this);
  put_transport(frame, *this);
  frame.insert(frame.end(), padding, 0xa5);
  if (cut) frame.resize(*cut);
  return frame;
}

}  // namespace xlb::test
