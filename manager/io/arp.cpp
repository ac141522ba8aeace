#include "io/arp.h"

#include <algorithm>

namespace xlb::arp {
namespace {

constexpr MacAddress kBroadcast{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
constexpr size_t kMacSize = 6;
constexpr size_t kAddressSize = 4;

// Offsets into the frame.
constexpr size_t kEthernetDestination = 0;
constexpr size_t kEthernetSource = 6;
constexpr size_t kFixedPart = 12;  // Ethernet type .. operation
constexpr size_t kOperation = 21;  // its low byte
constexpr size_t kSenderMac = 22;
constexpr size_t kSenderAddress = 28;
constexpr size_t kTargetMac = 32;
constexpr size_t kTargetAddress = 38;

constexpr uint8_t kRequest = 1;
constexpr uint8_t kReply = 2;
// Ethernet type ARP; hardware Ethernet, protocol IPv4, their sizes; a request.
constexpr std::array<uint8_t, 10> kFixed = {0x08, 0x06, 0, 1, 0x08, 0x00, 6, 4, 0, kRequest};

void put(Frame& frame, size_t offset, const MacAddress& mac) {
  std::copy(mac.bytes.begin(), mac.bytes.end(), frame.begin() + static_cast<ptrdiff_t>(offset));
}

void put(Frame& frame, size_t offset, const IpAddress& address) {
  std::copy_n(address.bytes().begin(), kAddressSize,
              frame.begin() + static_cast<ptrdiff_t>(offset));
}

Frame compose(const MacAddress& sender_mac, const IpAddress& sender, const MacAddress& target_mac,
              const IpAddress& target) {
  Frame frame{};
  put(frame, kEthernetDestination, kBroadcast);
  put(frame, kEthernetSource, sender_mac);
  std::copy(kFixed.begin(), kFixed.end(), frame.begin() + kFixedPart);
  put(frame, kSenderMac, sender_mac);
  put(frame, kSenderAddress, sender);
  put(frame, kTargetMac, target_mac);
  put(frame, kTargetAddress, target);
  return frame;
}

}  // namespace

Frame gratuitous(const MacAddress& mac, const IpAddress& address) {
  return compose(mac, address, kBroadcast, address);
}

Frame request(const MacAddress& own_mac, const IpAddress& own_address, const IpAddress& target) {
  return compose(own_mac, own_address, MacAddress{}, target);
}

std::optional<Sender> sender_of(std::span<const uint8_t> frame) {
  if (frame.size() < kFrameSize) return std::nullopt;
  // All of the fixed part but the operation's low byte.
  if (!std::equal(kFixed.begin(), kFixed.end() - 1, frame.begin() + kFixedPart)) {
    return std::nullopt;
  }
  if (frame[kOperation] != kRequest && frame[kOperation] != kReply) return std::nullopt;
  Sender sender;
  std::copy_n(frame.begin() + kSenderMac, kMacSize, sender.mac.bytes.begin());
  if (sender.mac.is_zero() || sender.mac.is_multicast()) return std::nullopt;
  sender.address = IpAddress::v4(frame[kSenderAddress], frame[kSenderAddress + 1],
                                 frame[kSenderAddress + 2], frame[kSenderAddress + 3]);
  return sender;
}

}  // namespace xlb::arp
