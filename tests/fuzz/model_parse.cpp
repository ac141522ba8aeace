#include "model_parse.h"

#include <algorithm>
#include <optional>

namespace xlb::oracle {
namespace {

constexpr size_t kEthernet = 14;
constexpr size_t kIpv4Header = 20;
constexpr size_t kIpv6Header = 40;
constexpr size_t kIcmpHeader = 8;
constexpr unsigned kMaxTags = 2;
constexpr unsigned kMaxExtensions = 6;
constexpr uint8_t kHopByHop = 0;
constexpr uint8_t kRouting = 43;
constexpr uint8_t kFragment = 44;
constexpr uint8_t kAuthentication = 51;
constexpr uint8_t kDestinationOptions = 60;
constexpr uint8_t kIcmp = 1;
constexpr uint8_t kIcmp6 = 58;

uint32_t load32(const Bytes& bytes, size_t at) {
  uint32_t word = 0;
  std::memcpy(&word, &bytes[at], sizeof(word));
  return word;
}

Address address_at(const Bytes& bytes, size_t at, size_t length) {
  Address address{};
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), length, address.begin());
  return address;
}

// The IP header at `at` and what follows it, as far as any of it matters.
struct IpHeader {
  uint8_t family = 0;
  uint8_t protocol = 0;
  size_t l4 = 0;
  Address source{};
  Address destination{};
  bool fragmented = false;
  bool later = false;
  uint32_t identification_word = 0;
};

std::optional<IpHeader> ipv4_header(const Bytes& bytes, size_t at) {
  if (bytes.size() < at + kIpv4Header || bytes[at] >> 4 != 4) return std::nullopt;
  const size_t header = size_t{bytes[at] & 0x0fU} * 4;
  if (header < kIpv4Header) return std::nullopt;
  const unsigned fragment = be16(bytes, at + 6);
  uint32_t identification = 0;
  std::memcpy(&identification, &bytes[at + 4], 2);
  return IpHeader{.family = XLB_IPV4,
                  .protocol = bytes[at + 9],
                  .l4 = at + header,
                  .source = address_at(bytes, at + 12, 4),
                  .destination = address_at(bytes, at + 16, 4),
                  .fragmented = (fragment & 0x3fff) != 0,
                  .later = (fragment & 0x1fff) != 0,
                  .identification_word = identification};
}

bool is_extension(uint8_t protocol) {
  return protocol == kHopByHop || protocol == kRouting || protocol == kFragment ||
         protocol == kAuthentication || protocol == kDestinationOptions;
}

std::optional<IpHeader> ipv6_header(const Bytes& bytes, size_t at) {
  if (bytes.size() < at + kIpv6Header || bytes[at] >> 4 != 6) return std::nullopt;
  IpHeader header{.family = XLB_IPV6,
                  .protocol = bytes[at + 6],
                  .l4 = at + kIpv6Header,
                  .source = address_at(bytes, at + 8, 16),
                  .destination = address_at(bytes, at + 24, 16)};
  for (unsigned count = 0; is_extension(header.protocol); count++) {
    if (count == kMaxExtensions || bytes.size() < header.l4 + 8) return std::nullopt;
    const size_t here = header.l4;
    if (header.protocol == kFragment) {
      const unsigned fragment = be16(bytes, here + 2);
      header.fragmented = header.fragmented || (fragment & 0xfff9) != 0;
      header.later = (fragment & 0xfff8) != 0;
      header.identification_word = load32(bytes, here + 4);
      header.l4 = here + 8;
    } else if (header.protocol == kAuthentication) {
      header.l4 = here + (size_t{bytes[here + 1]} + 2) * 4;
    } else {
      header.l4 = here + (size_t{bytes[here + 1]} + 1) * 8;
    }
    header.protocol = bytes[here];
    if (header.later) break;  // what follows is not a header
  }
  return header;
}

std::optional<IpHeader> ip_header(const Bytes& bytes, size_t at, uint8_t family) {
  return family == XLB_IPV4 ? ipv4_header(bytes, at) : ipv6_header(bytes, at);
}

bool is_error(uint8_t family, uint8_t type) {
  if (family == XLB_IPV4) return type == 3 || type == 11 || type == 12;
  return type >= 1 && type <= 4;
}

// The quoted packet's ports suffice; extension headers in it are not followed.
void read_quoted(const Bytes& frame, Parsed& parsed) {
  const size_t quoted = parsed.l4 + kIcmpHeader;
  if (frame.size() < quoted || !is_error(parsed.family, frame[parsed.l4])) return;
  const auto inner = ip_header(frame, quoted, parsed.family);
  if (!inner || inner->later || (inner->protocol != kTcp && inner->protocol != kUdp)) return;
  if (inner->family == XLB_IPV6 && inner->l4 != quoted + kIpv6Header) return;
  if (frame.size() < inner->l4 + 4) return;
  if (inner->source != parsed.destination) return;
  parsed.kind = Kind::icmp_error;
  parsed.inner_source = inner->source;
  parsed.inner_destination = inner->destination;
  parsed.inner_protocol = inner->protocol;
  parsed.inner_source_port = be16(frame, inner->l4);
  parsed.inner_destination_port = be16(frame, inner->l4 + 2);
}

void read_l4(const Bytes& frame, const IpHeader& header, Parsed& parsed) {
  const bool is_transport = parsed.protocol == kTcp || parsed.protocol == kUdp;
  if (header.later) {
    // IPv6 tells only what follows the fragment header, which may be another header.
    const bool unknown_yet = parsed.family == XLB_IPV6 && is_extension(parsed.protocol);
    if (is_transport || unknown_yet) parsed.kind = Kind::later_fragment;
    return;
  }
  if (parsed.protocol == (parsed.family == XLB_IPV4 ? kIcmp : kIcmp6)) {
    if (!header.fragmented) read_quoted(frame, parsed);
    return;
  }
  if (!is_transport || frame.size() < parsed.l4 + 4) return;
  parsed.kind = header.fragmented ? Kind::first_fragment : Kind::transport;
  parsed.source_port = be16(frame, parsed.l4);
  parsed.destination_port = be16(frame, parsed.l4 + 2);
  if (parsed.protocol == kTcp && frame.size() > parsed.l4 + 13)
    parsed.tcp_flags = frame[parsed.l4 + 13];
}

}  // namespace

Parsed parse(const Bytes& frame) {
  Parsed parsed;
  if (frame.size() < kEthernet) return parsed;
  size_t at = 12;
  for (unsigned tags = 0; tags < kMaxTags; tags++) {
    const uint16_t type = be16(frame, at);
    if (type != 0x8100 && type != 0x88a8) break;
    at += 4;
    if (frame.size() < at + 2) return parsed;
  }
  const uint16_t type = be16(frame, at);
  if (type != 0x0800 && type != 0x86dd) return parsed;
  parsed.ip = at + 2;
  parsed.family = type == 0x0800 ? XLB_IPV4 : XLB_IPV6;
  const auto header = ip_header(frame, parsed.ip, parsed.family);
  if (!header) return parsed;
  parsed.l4 = header->l4;
  parsed.protocol = header->protocol;
  parsed.source = header->source;
  parsed.destination = header->destination;
  parsed.identification_word = header->identification_word;
  if (parsed.family == XLB_IPV4) {
    parsed.ttl = frame[parsed.ip + 8];
    parsed.ip_bytes = be16(frame, parsed.ip + 2);
    parsed.dont_fragment = (frame[parsed.ip + 6] & 0x40) != 0;
  } else {
    parsed.ttl = frame[parsed.ip + 7];
    parsed.ip_bytes = be16(frame, parsed.ip + 4) + static_cast<uint32_t>(kIpv6Header);
    parsed.dont_fragment = true;
  }
  read_l4(frame, *header, parsed);
  return parsed;
}

bool lengths_fit(const Bytes& frame, const Parsed& parsed) {
  const size_t available = frame.size() - parsed.ip;
  const size_t headers = parsed.l4 - parsed.ip;
  if (parsed.ip_bytes > available || parsed.ip_bytes < headers) return false;
  if (parsed.kind == Kind::later_fragment) return true;
  if (parsed.kind == Kind::icmp_error) return parsed.ip_bytes >= headers + kIcmpHeader;
  const size_t minimum = parsed.protocol == kTcp ? 20 : 8;
  if (parsed.ip_bytes < headers + minimum) return false;
  const size_t claimed =
      parsed.protocol == kTcp ? size_t{frame[parsed.l4 + 12]} / 16 * 4 : be16(frame, parsed.l4 + 4);
  if (claimed < minimum) return false;
  if (parsed.protocol == kUdp && parsed.kind == Kind::first_fragment) return true;
  return headers + claimed <= parsed.ip_bytes;
}

bool flags_possible(const Parsed& parsed) {
  if (parsed.protocol != kTcp) return true;
  const unsigned flags = parsed.tcp_flags & (kFin | kSyn | kRst | kAck);
  const auto has = [&](unsigned wanted) { return (flags & wanted) == wanted; };
  return flags != 0 && !has(kSyn | kFin) && !has(kSyn | kRst) && !has(kFin | kRst) && flags != kFin;
}

bool is_syn(const Parsed& parsed) {
  return parsed.protocol == kTcp && (parsed.tcp_flags & (kSyn | kAck | kRst | kFin)) == kSyn;
}

bool opens(const Parsed& parsed) {
  return parsed.protocol == kUdp || is_syn(parsed);
}

uint16_t be16(const Bytes& bytes, size_t at) {
  return static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

void put_be16(Bytes& bytes, size_t at, uint32_t value) {
  bytes[at] = static_cast<uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<uint8_t>(value);
}

Mac mac_at(const Bytes& frame, size_t at) {
  Mac mac{};
  std::copy_n(frame.begin() + static_cast<std::ptrdiff_t>(at), mac.size(), mac.begin());
  return mac;
}

uint64_t ones_sum(const Bytes& bytes, size_t from, size_t to) {
  uint64_t sum = 0;
  for (size_t i = from; i < to; i += 2)
    sum += static_cast<uint64_t>(bytes[i]) << 8 | (i + 1 < to ? bytes[i + 1] : 0U);
  return sum;
}

uint16_t checksum_of(uint64_t sum) {
  while (sum >> 16 != 0)
    sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

}  // namespace xlb::oracle
