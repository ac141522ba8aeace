#include <arpa/inet.h>

#include <algorithm>

#include "generate.h"
#include "generate_world.h"
#include "model_parse.h"

namespace xlb::oracle {
namespace {

constexpr uint8_t kIcmp = 1;
constexpr uint8_t kIcmp6 = 58;
constexpr uint8_t kFragmentHeader = 44;

uint8_t random_flags(Random& random) {
  static constexpr std::array<uint8_t, 10> kUsual{
      kSyn, kSyn, kSyn, kAck, kAck, kAck | 0x08, kFin | kAck, kRst, kRst | kAck, kSyn | kAck};
  return random.percent(85) ? random.pick(kUsual) : static_cast<uint8_t>(random.next());
}

unsigned random_payload(Random& random) {
  switch (random.below(10)) {
    case 0:
      return random.between(1380, 1480);
    case 1:
      return random.between(60, 280);
    case 2:
      return random.percent(10) ? random.between(2900, 9000) : 0;
    default:
      return random.below(40);
  }
}

void add_link(Random& random, FrameSpec& spec) {
  spec.to = random.percent(95) ? kOwnMac : random.pick(kPeerMacs);
  if (random.percent(4)) {
    const auto version = static_cast<uint8_t>(random.below(3));
    spec.to = Mac{0, 0, 0x5e, 0, version, random.percent(80) ? kVrid : uint8_t{19}};
  }
  if (random.percent(2)) spec.to = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  spec.from = random.percent(88) ? kRouterMac : random.pick(kPeerMacs);
  if (random.percent(25)) {
    static constexpr std::array<uint16_t, 3> kTypes{0x8100, 0x88a8, 0x9100};
    const uint32_t tags = random.percent(90) ? random.between(1, 2) : 3;
    for (uint32_t i = 0; i < tags; i++)
      spec.tags.push_back({random.percent(97) ? kTypes[random.below(2)] : kTypes[2],
                           static_cast<uint16_t>(random.next())});
  }
  if (random.percent(10)) spec.padding = random.between(1, 60);
}

void add_extensions(Random& random, FrameSpec& spec) {
  static constexpr std::array<uint8_t, 5> kTypes{0, 43, 60, 51, 60};
  const uint32_t count = random.percent(80) ? random.between(1, 3) : random.between(4, 8);
  for (uint32_t i = 0; i < count; i++)
    spec.extensions.push_back(
        {random.pick(kTypes),
         static_cast<uint8_t>(random.percent(90) ? random.below(3) : random.below(40))});
}

// To one of the virtual servers, from one of the clients.
FrameSpec random_connection(Random& random, const Tables& tables) {
  FrameSpec spec;
  // Addresses alone have no port: most packets to them are nobody's.
  const auto count = static_cast<uint32_t>(tables.services.size());
  uint32_t number = random.below(count);
  for (int i = 0; i < 4 && tables.services[number].key.protocol == 0; i++)
    number = random.below(count);
  const xlb_service& service = tables.services[number];
  spec.family = service.key.family;
  std::memcpy(spec.destination.data(), service.key.address, sizeof(service.key.address));
  spec.source = client_address(spec.family, random.below(kClients));
  spec.protocol =
      service.key.protocol != 0 ? service.key.protocol : (random.percent(50) ? kTcp : kUdp);
  spec.destination_port = service.key.port != 0 && random.percent(92) ? ntohs(service.key.port)
                                                                      : random.pick(kServerPorts);
  spec.source_port = random_client_port(random);
  if (random.percent(20)) spec.source_port = static_cast<uint16_t>(random.next());
  if (random.percent(4)) spec.destination[random.below(spec.family == XLB_IPV4 ? 4 : 16)]++;
  if (random.percent(3)) spec.protocol = random.percent(50) ? kTcp : kUdp;
  return spec;
}

void vary_network(Random& random, FrameSpec& spec) {
  static constexpr std::array<uint8_t, 5> kTtls{64, 255, 2, 1, 0};
  spec.ttl = random.percent(80) ? uint8_t{64} : random.pick(kTtls);
  spec.identification = random.below(4);
  if (random.percent(20)) spec.tos = static_cast<uint8_t>(random.next());
  if (random.percent(20)) spec.flow_label = static_cast<uint32_t>(random.next() & 0xfffff);
  if (spec.family == XLB_IPV4) {
    if (random.percent(50)) spec.fragment = 0x4000;
    if (random.percent(10)) spec.option_bytes = random.between(1, 10) * 4;
  } else if (random.percent(15)) {
    add_extensions(random, spec);
  }
}

void make_fragment(Random& random, FrameSpec& spec) {
  const bool later = random.percent(50);
  const auto offset = static_cast<uint16_t>(random.percent(80) ? 185 : random.between(1, 0x1fff));
  const bool more = !later || random.percent(50);
  if (spec.family == XLB_IPV4) {
    spec.fragment = static_cast<uint16_t>((later ? offset : 0) | (more ? 0x2000 : 0) |
                                          (random.percent(10) ? 0xc000 : 0));
  } else {
    spec.fragment = static_cast<uint16_t>((later ? offset << 3 : 0) | (more ? 1 : 0) |
                                          (random.percent(10) ? 6 : 0));
    const auto at = random.below(static_cast<uint32_t>(spec.extensions.size() + 1));
    spec.extensions.insert(spec.extensions.begin() + at, Extension{kFragmentHeader, 0});
    if (random.percent(5)) spec.extensions.push_back({kFragmentHeader, 0});
  }
  spec.headless = later;
  if (later) spec.payload = random.percent(90) ? random.between(1, 60) : random.below(2);
  if (!later && random.percent(50)) spec.udp_length = 3000;
}

// An ICMP error about a packet that a real server sent to the client.
FrameSpec random_icmp(Random& random, const Tables& tables) {
  FrameSpec inner = random_connection(random, tables);
  std::swap(inner.source, inner.destination);
  std::swap(inner.source_port, inner.destination_port);
  inner.flags = kAck;
  inner.payload = random_payload(random) % 600;
  vary_network(random, inner);
  if (random.percent(5)) make_fragment(random, inner);
  FrameSpec spec;
  spec.family = inner.family;
  spec.source = random.percent(50) ? inner.destination : client_address(spec.family, 7);
  spec.destination = inner.source;
  if (random.percent(4)) spec.destination = virtual_address(spec.family, random.below(3));
  spec.protocol = spec.family == XLB_IPV4 ? kIcmp : kIcmp6;
  static constexpr std::array<uint8_t, 3> kTypes4{3, 11, 12};
  spec.icmp_type =
      spec.family == XLB_IPV4 ? random.pick(kTypes4) : static_cast<uint8_t>(random.between(1, 4));
  if (random.percent(10)) spec.icmp_type = static_cast<uint8_t>(random.below(140));
  spec.icmp_code = static_cast<uint8_t>(random.below(5));
  spec.icmp_rest = 1400;
  spec.body = encode_ip(inner);
  const size_t headers = inner.family == XLB_IPV4 ? 20 + inner.option_bytes : 40;
  if (random.percent(60)) spec.body.resize(std::min(spec.body.size(), headers + 8));
  if (random.percent(8)) spec.body.resize(random.below(static_cast<uint32_t>(headers + 9)));
  vary_network(random, spec);
  if (random.percent(5)) make_fragment(random, spec);
  return spec;
}

FrameSpec random_transport(Random& random, const Tables& tables) {
  FrameSpec spec = random_connection(random, tables);
  spec.flags = random_flags(random);
  spec.payload = random_payload(random);
  if (random.percent(10)) spec.tcp_words = static_cast<uint8_t>(random.between(5, 15));
  vary_network(random, spec);
  if (random.percent(12)) make_fragment(random, spec);
  if (random.percent(3)) spec.protocol = static_cast<uint8_t>(random.next());
  return spec;
}

void lie(Random& random, FrameSpec& spec) {
  switch (random.below(8)) {
    case 0:
      spec.total_length =
          static_cast<uint16_t>(random.percent(70) ? random.below(100) : random.next());
      break;
    case 1:
      spec.tcp_words = static_cast<uint8_t>(random.below(16));
      break;
    case 2:
      spec.udp_length =
          static_cast<uint16_t>(random.percent(70) ? random.below(60) : random.next());
      break;
    case 3:
      spec.header_words = static_cast<uint8_t>(random.below(16));
      break;
    case 4:
      spec.version = static_cast<uint8_t>(random.below(16));
      break;
    case 5:
      spec.cut = random.between(14, 140);
      break;
    case 6:
      spec.ether_type =
          random.percent(50) ? uint16_t{0x0806} : static_cast<uint16_t>(random.next());
      break;
    default:
      if (!spec.extensions.empty())
        spec.extensions[random.below(static_cast<uint32_t>(spec.extensions.size()))].length =
            static_cast<uint8_t>(random.next());
  }
}

void scramble(Random& random, Bytes& frame) {
  for (uint32_t i = random.between(1, 3); i > 0; i--) {
    const size_t at = random.below(static_cast<uint32_t>(std::min<size_t>(frame.size(), 100)));
    if (random.percent(50))
      frame[at] ^= static_cast<uint8_t>(1U << random.below(8));
    else
      frame[at] = static_cast<uint8_t>(random.next());
  }
  if (random.percent(20)) frame.resize(random.between(14, static_cast<uint32_t>(frame.size())));
}

}  // namespace

Bytes random_packet(Random& random, const Tables& tables) {
  if (random.percent(1)) {
    Bytes noise(random.between(14, 120));
    for (uint8_t& byte : noise)
      byte = static_cast<uint8_t>(random.next());
    return noise;
  }
  FrameSpec spec =
      random.percent(12) ? random_icmp(random, tables) : random_transport(random, tables);
  add_link(random, spec);
  if (random.percent(8)) lie(random, spec);
  Bytes frame = encode(spec);
  if (random.percent(6)) scramble(random, frame);
  // Checksums around the two zeros of one's complement: the program does not verify them.
  if (spec.family == XLB_IPV4 && random.percent(4)) {
    static constexpr std::array<uint16_t, 6> kEdges{0xffff, 0xfffe, 0xfeff, 0xfefe, 0xff00, 0x0000};
    const size_t at = 14 + 4 * spec.tags.size() + 10;
    if (frame.size() >= at + 2) put_be16(frame, at, random.pick(kEdges));
  }
  return frame;
}

}  // namespace xlb::oracle
