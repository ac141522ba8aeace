// The VRRP advertisements of one interface: a raw socket that is a member of 224.0.0.18 there,
// sends with TTL 255 and hears nothing of its own (RFC 3768 and RFC 9568, section 5). It must not
// know what the bytes mean. Needs CAP_NET_RAW.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "core/types.h"

namespace xlb {

class VrrpSocket {
 public:
  using PacketHandler = std::function<void(std::span<const uint8_t> ip_packet)>;

  // Bound to the interface as it is now: open a new one when the interface is created anew.
  static Result<std::unique_ptr<VrrpSocket>> open(const std::string& interface, int ifindex);

  // Readable when receive() has something.
  [[nodiscard]] int fd() const { return fd_.get(); }

  // Sends one VRRP message to the group; `source` must be an IPv4 address of this host. Never
  // blocks.
  Result<void> send(std::span<const uint8_t> message, const IpAddress& source);

  // Hands over what has arrived, IP header included, at most kMaxPacketsPerCall: more stays
  // readable, so a flood cannot hold the caller. The span is valid during the call.
  Result<void> receive(const PacketHandler& handle);
  static constexpr int kMaxPacketsPerCall = 64;

 private:
  VrrpSocket(UniqueFd fd, std::string interface, int ifindex);

  // The longest IP header and v3 message; what is longer arrives cut and is refused as malformed.
  static constexpr size_t kBufferSize = 2048;

  UniqueFd fd_;
  std::string interface_;
  int ifindex_;
  std::array<uint8_t, kBufferSize> buffer_{};
};

}  // namespace xlb
