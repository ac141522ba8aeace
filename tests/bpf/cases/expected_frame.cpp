#include "expected_frame.h"

#include <arpa/inet.h>

#include <algorithm>

#include "world.h"

namespace xlb::cases {
namespace {

constexpr uint8_t kUdp = 17;
constexpr size_t kQuoted = 128;  // bytes of a packet in an ICMP error

oracle::Address address_in(const __be32 (&from)[4]) {
  oracle::Address address{};
  std::memcpy(address.data(), from, sizeof(from));
  return address;
}

template <typename MacBytes>
oracle::Mac mac_in(const MacBytes& from) {
  oracle::Mac mac{};
  std::copy(std::begin(from), std::end(from), mac.begin());
  return mac;
}

void put16(Bytes& bytes, size_t value) {
  bytes.push_back(static_cast<uint8_t>(value >> 8));
  bytes.push_back(static_cast<uint8_t>(value));
}

// An IP packet around `inner`, and the tags and padding of the frame that it came in.
FrameSpec tunnelled(const FrameSpec& packet, const Bytes& inner, const xlb_real_server& to) {
  FrameSpec outer;
  outer.tags = packet.tags;
  outer.padding = packet.padding;
  outer.family = to.family;
  outer.source = address_in(to.tunnel_source);
  outer.destination = address_in(to.address);
  outer.tos = packet.tos;
  outer.identification = 0;
  outer.fragment = to.family == XLB_IPV4 ? 0x4000 : 0;
  const uint8_t carried = packet.family == XLB_IPV4 ? 4 : 41;
  outer.protocol = carried;
  outer.headless = true;
  outer.body = inner;
  if (to.encapsulation == XLB_GUE) {
    outer.protocol = kUdp;
    Bytes headers;
    put16(headers, 0);  // the source port: see below
    put16(headers, ntohs(to.tunnel_port));
    put16(headers, 12 + inner.size());
    put16(headers, 0);  // no checksum
    put16(headers, carried);
    put16(headers, 0);
    outer.body.insert(outer.body.begin(), headers.begin(), headers.end());
  }
  return outer;
}

// GUE's source port spreads the flows: any of 49152 to 65535, the same for all of a connection.
// xlb/hash.h has the rule; the model has it again; here it is told by an example of each family.
uint16_t source_port_of(const FrameSpec& packet) {
  uint64_t words[2] = {0, 0};
  std::memcpy(packet.family == XLB_IPV4 ? &words[1] : &words[0], packet.source.data(),
              packet.family == XLB_IPV4 ? 4 : 16);
  const bool ports = (packet.protocol == 6 || packet.protocol == kUdp) && !packet.headless &&
                     (packet.fragment & (packet.family == XLB_IPV4 ? 0x3fff : 0xfff9)) == 0;
  uint64_t hash = words[0] ^ words[1] ^
                  (ports ? static_cast<uint64_t>(htons(packet.source_port)) << 48 : uint64_t{0});
  for (const uint64_t factor : {0xff51afd7ed558ccdU, 0xc4ceb9fe1a85ec53U, uint64_t{1}}) {
    hash ^= hash >> 33;
    hash *= factor;
  }
  return static_cast<uint16_t>(49152 + (hash & 16383));
}

Bytes sent_frame(const FrameSpec& packet, const xlb_real_server& to) {
  if ((to.flags & XLB_RS_LOCAL) != 0) return oracle::encode(packet);
  FrameSpec out = packet;
  out.ttl--;
  if ((to.flags & XLB_RS_TUNNEL) != 0) {
    const Bytes inner = oracle::encode_ip(out);
    const uint16_t port = source_port_of(packet);
    out = tunnelled(packet, inner, to);
    if (to.encapsulation == XLB_GUE) {
      out.body[0] = static_cast<uint8_t>(port >> 8);
      out.body[1] = static_cast<uint8_t>(port);
    }
  }
  out.to = mac_in(to.destination_mac);
  out.from = mac_in(to.source_mac);
  return oracle::encode(out);
}

Bytes answer_frame(const FrameSpec& packet, uint16_t mtu) {
  FrameSpec answer;
  const bool v4 = packet.family == XLB_IPV4;
  answer.to = packet.from;
  answer.from = packet.to;
  answer.tags = packet.tags;
  answer.family = packet.family;
  answer.source = address_named("director", packet.family);
  answer.destination = packet.source;
  answer.identification = 0;
  answer.ttl = v4 ? 64 : 255;
  answer.protocol = v4 ? 1 : 58;
  if (mtu == 0) {
    answer.icmp_type = v4 ? 11 : 3;
  } else {
    answer.icmp_type = v4 ? 3 : 2;
    answer.icmp_code = v4 ? 4 : 0;
    answer.icmp_rest = mtu;
  }
  answer.body = oracle::encode_ip(packet);
  answer.body.resize(std::min(answer.body.size(), kQuoted) / 4 * 4);
  return oracle::encode(answer);
}

}  // namespace

Bytes expected_frame(const Step& step, const Tables& tables) {
  switch (step.expected.kind) {
    case Expectation::Kind::sent:
      return sent_frame(step.packet, tables.real_servers[step.expected.real_server]);
    case Expectation::Kind::time_exceeded:
      return answer_frame(step.packet, 0);
    case Expectation::Kind::too_big:
      return answer_frame(step.packet, step.expected.mtu);
    default:
      return oracle::encode(step.packet);
  }
}

uint64_t claimed_ip_bytes(const FrameSpec& packet) {
  if (!packet.total_length) return oracle::encode_ip(packet).size();
  return *packet.total_length + (packet.family == XLB_IPV4 ? 0U : 40U);
}

}  // namespace xlb::cases
