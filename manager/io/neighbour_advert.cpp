#include "io/neighbour_advert.h"

#include <algorithm>

namespace xlb::neighbour_advert {
namespace {

// Offsets into the frame.
constexpr size_t kEthernetSource = 6;
constexpr size_t kIpv6 = 14;
constexpr size_t kIpv6Source = kIpv6 + 8;
constexpr size_t kIpv6Destination = kIpv6 + 24;
constexpr size_t kIcmp = kIpv6 + 40;
constexpr size_t kChecksum = kIcmp + 2;
constexpr size_t kTarget = kIcmp + 8;
constexpr size_t kOption = kTarget + 16;

constexpr uint8_t kIcmpSize = kFrameSize - kIcmp;
constexpr uint8_t kNextHeaderIcmp = 58;
constexpr uint8_t kHopLimit = 255;
constexpr uint8_t kNeighbourAdvertisement = 136;
constexpr uint8_t kRouterAndOverride = 0xa0;
constexpr uint8_t kTargetLinkLayerAddress = 2;

constexpr std::array<uint8_t, 6> kAllNodesMac = {0x33, 0x33, 0, 0, 0, 1};
constexpr std::array<uint8_t, 16> kAllNodes = {0xff, 0x02, 0, 0, 0, 0, 0, 0,
                                               0,    0,    0, 0, 0, 0, 0, 1};

template <typename Bytes>
void put(Frame& frame, size_t offset, const Bytes& bytes) {
  std::copy(bytes.begin(), bytes.end(), frame.begin() + static_cast<ptrdiff_t>(offset));
}

// Over the pseudo header (RFC 8200 8.1) and the message.
uint16_t checksum(const Frame& frame) {
  uint32_t sum = uint32_t{kIcmpSize} + kNextHeaderIcmp;
  for (size_t i = kIpv6Source; i < kFrameSize; i += 2)
    sum += (uint32_t{frame[i]} << 8) | frame[i + 1];
  while (sum > 0xffff)
    sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

}  // namespace

Frame unsolicited(const MacAddress& mac, const IpAddress& address) {
  Frame frame{};
  put(frame, 0, kAllNodesMac);
  put(frame, kEthernetSource, mac.bytes);
  frame[12] = 0x86;
  frame[13] = 0xdd;
  frame[kIpv6] = 0x60;
  frame[kIpv6 + 5] = kIcmpSize;
  frame[kIpv6 + 6] = kNextHeaderIcmp;
  frame[kIpv6 + 7] = kHopLimit;
  put(frame, kIpv6Source, address.bytes());
  put(frame, kIpv6Destination, kAllNodes);
  frame[kIcmp] = kNeighbourAdvertisement;
  frame[kIcmp + 4] = kRouterAndOverride;
  put(frame, kTarget, address.bytes());
  frame[kOption] = kTargetLinkLayerAddress;
  frame[kOption + 1] = 1;  // in units of eight bytes
  put(frame, kOption + 2, mac.bytes);
  const uint16_t sum = checksum(frame);
  frame[kChecksum] = static_cast<uint8_t>(sum >> 8);
  frame[kChecksum + 1] = static_cast<uint8_t>(sum & 0xff);
  return frame;
}

}  // namespace xlb::neighbour_advert
