#include "frame.h"

#include <arpa/inet.h>

#include <stdexcept>

namespace xlb::oracle {
namespace {

constexpr uint8_t kTcp = 6;
constexpr uint8_t kUdp = 17;
constexpr uint8_t kIcmp = 1;
constexpr uint8_t kIcmp6 = 58;
constexpr uint8_t kFragmentHeader = 44;
constexpr uint8_t kAuthentication = 51;

void put16(Bytes& bytes, size_t value) {
  bytes.push_back(static_cast<uint8_t>(value >> 8));
  bytes.push_back(static_cast<uint8_t>(value));
}

void put32(Bytes& bytes, uint32_t value) {
  put16(bytes, value >> 16);
  put16(bytes, value & 0xffff);
}

void set16(Bytes& bytes, size_t at, size_t value) {
  bytes[at] = static_cast<uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<uint8_t>(value);
}

// RFC 1071, most significant byte first.
uint32_t sum16(const uint8_t* bytes, size_t count) {
  uint32_t sum = 0;
  for (size_t i = 0; i < count; i += 2)
    sum += static_cast<uint32_t>(bytes[i] << 8) | (i + 1 < count ? bytes[i + 1] : 0U);
  return sum;
}

uint16_t folded(uint32_t sum) {
  while (sum >> 16 != 0)
    sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

size_t address_bytes(const FrameSpec& spec) {
  return spec.family == XLB_IPV4 ? 4 : 16;
}

uint32_t pseudo_sum(const FrameSpec& spec, size_t length) {
  return sum16(spec.source.data(), address_bytes(spec)) +
         sum16(spec.destination.data(), address_bytes(spec)) + spec.protocol +
         static_cast<uint32_t>(length);
}

void put_payload(Bytes& bytes, const FrameSpec& spec) {
  for (unsigned i = 0; i < spec.payload; i++)
    bytes.push_back(static_cast<uint8_t>(i));
}

void put_tcp(Bytes& bytes, const FrameSpec& spec) {
  put16(bytes, spec.source_port);
  put16(bytes, spec.destination_port);
  put32(bytes, 0x11223344);  // sequence
  put32(bytes, 0x55667788);  // acknowledgment
  bytes.push_back(static_cast<uint8_t>(spec.tcp_words << 4));
  bytes.push_back(spec.flags);
  put16(bytes, 65535);  // window
  put32(bytes, 0);      // checksum, urgent pointer
  if (spec.tcp_words > 5) bytes.insert(bytes.end(), (spec.tcp_words - 5U) * 4, 1);
}

Bytes transport(const FrameSpec& spec) {
  Bytes bytes;
  size_t check_at = 0;
  if (spec.headless || (spec.protocol != kTcp && spec.protocol != kUdp && spec.protocol != kIcmp &&
                        spec.protocol != kIcmp6)) {
    bytes = spec.body;
    put_payload(bytes, spec);
    return bytes;
  }
  if (spec.protocol == kTcp) {
    put_tcp(bytes, spec);
    check_at = 16;
  } else if (spec.protocol == kUdp) {
    put16(bytes, spec.source_port);
    put16(bytes, spec.destination_port);
    put16(bytes, spec.udp_length.value_or(static_cast<uint16_t>(8 + spec.payload)));
    put16(bytes, 0);
    check_at = 6;
  } else {
    bytes.push_back(spec.icmp_type);
    bytes.push_back(spec.icmp_code);
    put16(bytes, 0);
    put32(bytes, spec.icmp_rest);
    bytes.insert(bytes.end(), spec.body.begin(), spec.body.end());
    check_at = 2;
  }
  put_payload(bytes, spec);
  const uint32_t pseudo = spec.protocol == kIcmp ? 0 : pseudo_sum(spec, bytes.size());
  set16(bytes, check_at, folded(pseudo + sum16(bytes.data(), bytes.size())));
  return bytes;
}

Bytes ipv4_packet(const FrameSpec& spec, const Bytes& body) {
  Bytes bytes;
  const unsigned header = 20 + spec.option_bytes;
  bytes.push_back(
      static_cast<uint8_t>(spec.version.value_or(4) << 4 |
                           spec.header_words.value_or(static_cast<uint8_t>(header / 4))));
  bytes.push_back(spec.tos);
  put16(bytes, spec.total_length.value_or(static_cast<uint16_t>(header + body.size())));
  put16(bytes, spec.identification & 0xffff);
  put16(bytes, spec.fragment);
  bytes.push_back(spec.ttl);
  bytes.push_back(spec.protocol);
  put16(bytes, 0);
  bytes.insert(bytes.end(), spec.source.begin(), spec.source.begin() + 4);
  bytes.insert(bytes.end(), spec.destination.begin(), spec.destination.begin() + 4);
  bytes.insert(bytes.end(), spec.option_bytes, 1);  // NOP
  set16(bytes, 10, folded(sum16(bytes.data(), bytes.size())));
  bytes.insert(bytes.end(), body.begin(), body.end());
  return bytes;
}

void put_extension(Bytes& bytes, const FrameSpec& spec, const Extension& extension, uint8_t next) {
  bytes.push_back(next);
  if (extension.type == kFragmentHeader) {
    bytes.push_back(0);
    put16(bytes, spec.fragment);
    put32(bytes, spec.identification);
    return;
  }
  bytes.push_back(extension.length);
  const size_t total =
      extension.type == kAuthentication ? (extension.length + 2U) * 4 : (extension.length + 1U) * 8;
  bytes.insert(bytes.end(), total - 2, 0);
}

Bytes ipv6_packet(const FrameSpec& spec, const Bytes& body) {
  Bytes rest;
  for (size_t i = 0; i < spec.extensions.size(); i++)
    put_extension(rest, spec, spec.extensions[i],
                  i + 1 < spec.extensions.size() ? spec.extensions[i + 1].type : spec.protocol);
  rest.insert(rest.end(), body.begin(), body.end());
  Bytes bytes;
  put32(bytes, static_cast<uint32_t>(spec.version.value_or(6)) << 28 |
                   static_cast<uint32_t>(spec.tos) << 20 | spec.flow_label);
  put16(bytes, spec.total_length.value_or(static_cast<uint16_t>(rest.size())));
  bytes.push_back(spec.extensions.empty() ? spec.protocol : spec.extensions.front().type);
  bytes.push_back(spec.ttl);
  bytes.insert(bytes.end(), spec.source.begin(), spec.source.end());
  bytes.insert(bytes.end(), spec.destination.begin(), spec.destination.end());
  bytes.insert(bytes.end(), rest.begin(), rest.end());
  return bytes;
}

}  // namespace

Bytes encode_ip(const FrameSpec& spec) {
  const Bytes body = transport(spec);
  return spec.family == XLB_IPV4 ? ipv4_packet(spec, body) : ipv6_packet(spec, body);
}

Bytes encode(const FrameSpec& spec) {
  Bytes bytes(spec.to.begin(), spec.to.end());
  bytes.insert(bytes.end(), spec.from.begin(), spec.from.end());
  for (const Tag& tag : spec.tags) {
    put16(bytes, tag.type);
    put16(bytes, tag.control);
  }
  put16(bytes, spec.ether_type.value_or(spec.family == XLB_IPV4 ? 0x0800 : 0x86dd));
  const Bytes packet = encode_ip(spec);
  bytes.insert(bytes.end(), packet.begin(), packet.end());
  bytes.insert(bytes.end(), spec.padding, 0xa5);
  if (spec.cut && *spec.cut < bytes.size()) bytes.resize(*spec.cut);
  return bytes;
}

uint8_t family_of(const std::string& text) {
  return text.find(':') == std::string::npos ? XLB_IPV4 : XLB_IPV6;
}

Address address_of(const std::string& text) {
  Address address{};
  if (inet_pton(family_of(text) == XLB_IPV4 ? AF_INET : AF_INET6, text.c_str(), address.data()) !=
      1)
    throw std::invalid_argument("not an address: " + text);
  return address;
}

}  // namespace xlb::oracle
