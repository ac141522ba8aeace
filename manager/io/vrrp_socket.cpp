#include "io/vrrp_socket.h"

#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "core/vrrp_packet.h"

namespace xlb {
namespace {

constexpr int kTtl = 255;
constexpr int kInternetworkControl = 0xc0;  // TOS, as keepalived sends

template <typename T>
bool set(int fd, int level, int option, const T& value) {
  return ::setsockopt(fd, level, option, &value, sizeof value) == 0;
}

// nullptr, or the option that could not be set, errno telling why.
const char* configure(int fd, const std::string& interface, int ifindex) {
  ip_mreqn group{};
  group.imr_multiaddr.s_addr = vrrp::kMulticastGroup.v4_network_order();
  group.imr_ifindex = ifindex;
  if (::setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface.c_str(),
                   static_cast<socklen_t>(interface.size())) != 0) {
    return "bind to the interface";
  }
  // Only the group joined here, whatever other sockets of this host joined.
  if (!set(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0)) return "restrict to the joined group";
  if (!set(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, group)) return "join 224.0.0.18";
  if (!set(fd, IPPROTO_IP, IP_MULTICAST_IF, group)) return "select the interface";
  if (!set(fd, IPPROTO_IP, IP_MULTICAST_TTL, kTtl)) return "set the TTL";
  if (!set(fd, IPPROTO_IP, IP_MULTICAST_LOOP, 0)) return "turn the loop off";
  if (!set(fd, IPPROTO_IP, IP_TOS, kInternetworkControl)) return "set the type of service";
  // As keepalived's: no "don't fragment"; an advertisement fits one frame anyway.
  if (!set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)) return "clear don't fragment";
  return nullptr;
}

}  // namespace

VrrpSocket::VrrpSocket(UniqueFd fd, std::string interface, int ifindex)
    : fd_(std::move(fd)), interface_(std::move(interface)), ifindex_(ifindex) {}

Result<std::unique_ptr<VrrpSocket>> VrrpSocket::open(const std::string& interface, int ifindex) {
  UniqueFd fd(::socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, vrrp::kIpProtocol));
  if (!fd.valid()) return fail_errno(errno, "cannot open VRRP socket on {}", interface);
  if (const char* option = configure(fd.get(), interface, ifindex)) {
    return fail_errno(errno, "cannot open VRRP socket on {}: cannot {}", interface, option);
  }
  return std::unique_ptr<VrrpSocket>(new VrrpSocket(std::move(fd), interface, ifindex));
}

Result<void> VrrpSocket::send(std::span<const uint8_t> message, const IpAddress& source) {
  sockaddr_in group{};
  group.sin_family = AF_INET;
  group.sin_addr.s_addr = vrrp::kMulticastGroup.v4_network_order();
  iovec payload{const_cast<uint8_t*>(message.data()), message.size()};  // sendmsg only reads it

  alignas(cmsghdr) std::array<uint8_t, CMSG_SPACE(sizeof(in_pktinfo))> control{};
  msghdr header{};
  header.msg_name = &group;
  header.msg_namelen = sizeof group;
  header.msg_iov = &payload;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  cmsghdr* option = CMSG_FIRSTHDR(&header);
  option->cmsg_level = IPPROTO_IP;
  option->cmsg_type = IP_PKTINFO;
  option->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
  in_pktinfo from{};
  from.ipi_ifindex = ifindex_;
  from.ipi_spec_dst.s_addr = source.v4_network_order();
  std::memcpy(CMSG_DATA(option), &from, sizeof from);

  if (::sendmsg(fd_.get(), &header, MSG_DONTWAIT) < 0) {
    return fail_errno(errno, "cannot send VRRP advertisement from {} on {}", source, interface_);
  }
  return {};
}

Result<void> VrrpSocket::receive(const PacketHandler& handle) {
  for (int i = 0; i < kMaxPacketsPerCall; ++i) {
    const ssize_t length = ::recv(fd_.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (length < 0) {
      const int cause = errno;
      if (cause == EAGAIN) return {};
      if (cause == EINTR) continue;
      return fail_errno(cause, "cannot receive VRRP advertisements on {}", interface_);
    }
    handle(std::span<const uint8_t>(buffer_.data(), static_cast<size_t>(length)));
  }
  return {};
}

}  // namespace xlb
