// The VRRP advertisements of one virtual router on one interface: a raw socket that is a member of
// the multicast group there, or speaks unicast; it sends with TTL 255 and hears nothing of its own
// (RFC 3768 and RFC 9568, section 5). Other virtual routers' packets are dropped in the kernel, by
// a filter on the VRID. It must not know what the bytes mean. Needs CAP_NET_RAW.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "core/types.h"
#include "core/vrrp_packet.h"

namespace xlb {

struct VrrpSocketOptions {
  std::string interface;
  int interface_index = 0;
  // Where the group is joined too, so that switches that look for members send it to this host; 0:
  // nowhere else.
  int lower_index = 0;
  AddressFamily family = AddressFamily::ipv4;
  IpAddress group = vrrp::kMulticastGroup;  // unspecified: unicast only
  uint8_t ttl = 255;                        // of unicast
  uint8_t virtual_router_id = 0;            // 0: all are heard

  bool operator==(const VrrpSocketOptions&) const = default;
};

class VrrpSocket {
 public:
  // nullopt: no VRRP packet at all.
  using PacketHandler = std::function<void(const std::optional<vrrp::IpPacket>& packet)>;

  // Bound to the interface as it is now: open a new one when the interface is created anew.
  static Result<std::unique_ptr<VrrpSocket>> open(const VrrpSocketOptions& options);

  // Readable when receive() has something.
  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const VrrpSocketOptions& options() const { return options_; }

  // Sends one VRRP message; `source` must be an address of this host, of the socket's family. Never
  // blocks.
  Result<void> send(std::span<const uint8_t> message, const IpAddress& source,
                    const IpAddress& destination);

  // Hands over what has arrived, at most kMaxPacketsPerCall: more stays readable, so a flood cannot
  // hold the caller. The packet's bytes are valid during the call.
  Result<void> receive(const PacketHandler& handle);
  static constexpr int kMaxPacketsPerCall = 64;

 private:
  VrrpSocket(UniqueFd fd, VrrpSocketOptions options);

  // The longest message and IP header; what is longer arrives cut and is refused.
  static constexpr size_t kBufferSize = 8192;

  UniqueFd fd_;
  VrrpSocketOptions options_;
  std::array<uint8_t, kBufferSize> buffer_{};
};

}  // namespace xlb
