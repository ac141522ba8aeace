#include "io/vrrp_socket.h"

#include <linux/filter.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace xlb {
namespace {

constexpr int kTtl = 255;                   // of multicast
constexpr int kInternetworkControl = 0xc0;  // TOS and traffic class, as keepalived sends
#ifndef IPV6_MULTICAST_ALL
constexpr int IPV6_MULTICAST_ALL = 29;
#endif

template <typename T>
bool set(int fd, int level, int option, const T& value) {
  return ::setsockopt(fd, level, option, &value, sizeof value) == 0;
}

// The second byte of the message is the VRID. A filter sees IPv4 packets from their header on,
// IPv6 packets from their payload. What is too short for it is dropped as well.
bool filter(int fd, const VrrpSocketOptions& options) {
  if (options.virtual_router_id == 0) return true;
  const bool v4 = options.family == AddressFamily::ipv4;
  const sock_filter header = v4 ? sock_filter BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0)
                                : sock_filter BPF_STMT(BPF_LDX | BPF_IMM, 0);
  sock_filter program[] = {
      header,
      BPF_STMT(BPF_LD | BPF_B | BPF_IND, 1),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, options.virtual_router_id, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  const sock_fprog code{static_cast<unsigned short>(std::size(program)), program};
  return set(fd, SOL_SOCKET, SO_ATTACH_FILTER, code);
}

in6_addr to_in6(const IpAddress& address) {
  in6_addr result{};
  std::memcpy(&result, address.bytes().data(), sizeof result);
  return result;
}

// Each: nullptr, or the option that could not be set, errno telling why.

const char* join_v4(int fd, const VrrpSocketOptions& options) {
  // Only the group joined here, whatever other sockets of this host joined.
  if (!set(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0)) return "restrict to the joined group";
  if (options.group.is_unspecified()) return nullptr;
  ip_mreqn group{};
  group.imr_multiaddr.s_addr = options.group.v4_network_order();
  group.imr_ifindex = options.interface_index;
  if (!set(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, group)) return "join the multicast group";
  ip_mreqn below = group;
  below.imr_ifindex = options.lower_index;
  if (below.imr_ifindex != 0 && !set(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, below)) {
    return "join the multicast group on the interface below";
  }
  if (!set(fd, IPPROTO_IP, IP_MULTICAST_IF, group)) return "select the interface";
  if (!set(fd, IPPROTO_IP, IP_MULTICAST_TTL, kTtl)) return "set the TTL";
  if (!set(fd, IPPROTO_IP, IP_MULTICAST_LOOP, 0)) return "turn the loop off";
  return nullptr;
}

const char* configure_v4(int fd, const VrrpSocketOptions& options) {
  if (const char* option = join_v4(fd, options)) return option;
  if (!set(fd, IPPROTO_IP, IP_TTL, int{options.ttl})) return "set the TTL";
  if (!set(fd, IPPROTO_IP, IP_TOS, kInternetworkControl)) return "set the type of service";
  // As keepalived's: no "don't fragment"; an advertisement fits one frame anyway.
  if (!set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)) return "clear don't fragment";
  return nullptr;
}

const char* join_v6(int fd, const VrrpSocketOptions& options) {
  if (!set(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0)) return "restrict to the joined group";
  if (options.group.is_unspecified()) return nullptr;
  ipv6_mreq group{};
  group.ipv6mr_multiaddr = to_in6(options.group);
  group.ipv6mr_interface = static_cast<unsigned>(options.interface_index);
  if (!set(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, group)) return "join the multicast group";
  ipv6_mreq below = group;
  below.ipv6mr_interface = static_cast<unsigned>(options.lower_index);
  if (options.lower_index != 0 && !set(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, below)) {
    return "join the multicast group on the interface below";
  }
  if (!set(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, options.interface_index)) {
    return "select the interface";
  }
  if (!set(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, kTtl)) return "set the hop limit";
  if (!set(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0)) return "turn the loop off";
  return nullptr;
}

const char* configure_v6(int fd, const VrrpSocketOptions& options) {
  if (const char* option = join_v6(fd, options)) return option;
  if (!set(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, int{options.ttl})) return "set the hop limit";
  if (!set(fd, IPPROTO_IPV6, IPV6_TCLASS, kInternetworkControl)) return "set the traffic class";
  if (!set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)) return "ask for destinations";
  if (!set(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1)) return "ask for hop limits";
  return nullptr;
}

const char* configure(int fd, const VrrpSocketOptions& options) {
  const std::string& interface = options.interface;
  if (::setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface.c_str(),
                   static_cast<socklen_t>(interface.size())) != 0) {
    return "bind to the interface";
  }
  if (!filter(fd, options)) return "filter virtual routers";
  return options.family == AddressFamily::ipv4 ? configure_v4(fd, options)
                                               : configure_v6(fd, options);
}

// An address to send to or from, and the control message that carries the source.
struct Envelope {
  sockaddr_storage to{};
  socklen_t to_size = 0;
  alignas(cmsghdr) std::array<uint8_t, CMSG_SPACE(sizeof(in6_pktinfo))> control{};
  size_t control_size = 0;
};

template <typename Info>
void put_source(Envelope& envelope, int level, int type, const Info& from) {
  auto* const option = reinterpret_cast<cmsghdr*>(envelope.control.data());
  option->cmsg_level = level;
  option->cmsg_type = type;
  option->cmsg_len = CMSG_LEN(sizeof from);
  std::memcpy(CMSG_DATA(option), &from, sizeof from);
  envelope.control_size = CMSG_SPACE(sizeof from);
}

Envelope address(const IpAddress& source, const IpAddress& destination, int interface_index) {
  Envelope result;
  if (destination.is_v4()) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = destination.v4_network_order();
    std::memcpy(&result.to, &to, sizeof to);
    result.to_size = sizeof to;
    in_pktinfo from{};
    from.ipi_ifindex = interface_index;
    from.ipi_spec_dst.s_addr = source.v4_network_order();
    put_source(result, IPPROTO_IP, IP_PKTINFO, from);
    return result;
  }
  sockaddr_in6 to{};
  to.sin6_family = AF_INET6;
  to.sin6_addr = to_in6(destination);
  if (IN6_IS_ADDR_LINKLOCAL(&to.sin6_addr)) {
    to.sin6_scope_id = static_cast<uint32_t>(interface_index);
  }
  std::memcpy(&result.to, &to, sizeof to);
  result.to_size = sizeof to;
  in6_pktinfo from{};
  from.ipi6_ifindex = static_cast<unsigned>(interface_index);
  from.ipi6_addr = to_in6(source);
  put_source(result, IPPROTO_IPV6, IPV6_PKTINFO, from);
  return result;
}

IpAddress from_in6(const in6_addr& address) {
  std::array<uint8_t, 16> bytes{};
  std::memcpy(bytes.data(), &address, bytes.size());
  return IpAddress::from_v6(bytes);
}

std::optional<vrrp::IpPacket> read_v6(msghdr& header, const sockaddr_in6& from,
                                      std::span<const uint8_t> message) {
  IpAddress destination = from_in6(in6_addr{});
  int hop_limit = 0;
  for (cmsghdr* item = CMSG_FIRSTHDR(&header); item != nullptr; item = CMSG_NXTHDR(&header, item)) {
    if (item->cmsg_level != IPPROTO_IPV6) continue;
    if (item->cmsg_type == IPV6_HOPLIMIT) std::memcpy(&hop_limit, CMSG_DATA(item), sizeof(int));
    if (item->cmsg_type != IPV6_PKTINFO) continue;
    in6_pktinfo to{};
    std::memcpy(&to, CMSG_DATA(item), sizeof to);
    destination = from_in6(to.ipi6_addr);
  }
  return vrrp::ipv6_packet(from_in6(from.sin6_addr), destination, static_cast<uint8_t>(hop_limit),
                           message);
}

}  // namespace

VrrpSocket::VrrpSocket(UniqueFd fd, VrrpSocketOptions options)
    : fd_(std::move(fd)), options_(std::move(options)) {}

Result<std::unique_ptr<VrrpSocket>> VrrpSocket::open(const VrrpSocketOptions& options) {
  const int family = options.family == AddressFamily::ipv4 ? AF_INET : AF_INET6;
  UniqueFd fd(::socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, vrrp::kIpProtocol));
  if (!fd.valid()) return fail_errno(errno, "cannot open VRRP socket on {}", options.interface);
  if (const char* option = configure(fd.get(), options)) {
    return fail_errno(errno, "cannot open VRRP socket on {}: cannot {}", options.interface, option);
  }
  return std::unique_ptr<VrrpSocket>(new VrrpSocket(std::move(fd), options));
}

Result<void> VrrpSocket::send(std::span<const uint8_t> message, const IpAddress& source,
                              const IpAddress& destination) {
  Envelope envelope = address(source, destination, options_.interface_index);
  iovec payload{const_cast<uint8_t*>(message.data()), message.size()};  // sendmsg only reads it
  msghdr header{};
  header.msg_name = &envelope.to;
  header.msg_namelen = envelope.to_size;
  header.msg_iov = &payload;
  header.msg_iovlen = 1;
  header.msg_control = envelope.control.data();
  header.msg_controllen = envelope.control_size;
  if (::sendmsg(fd_.get(), &header, MSG_DONTWAIT) < 0) {
    return fail_errno(errno, "cannot send VRRP advertisement from {} to {} on {}", source,
                      destination, options_.interface);
  }
  return {};
}

Result<void> VrrpSocket::receive(const PacketHandler& handle) {
  for (int i = 0; i < kMaxPacketsPerCall; ++i) {
    sockaddr_in6 from{};
    alignas(cmsghdr) std::array<uint8_t, 256> control{};
    iovec payload{buffer_.data(), buffer_.size()};
    msghdr header{};
    header.msg_name = &from;
    header.msg_namelen = sizeof from;
    header.msg_iov = &payload;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    const ssize_t length = ::recvmsg(fd_.get(), &header, MSG_DONTWAIT);
    if (length < 0) {
      const int cause = errno;
      if (cause == EAGAIN) return {};
      if (cause == EINTR) continue;
      return fail_errno(cause, "cannot receive VRRP advertisements on {}", options_.interface);
    }
    const std::span<const uint8_t> bytes(buffer_.data(), static_cast<size_t>(length));
    handle(options_.family == AddressFamily::ipv4 ? vrrp::parse_ipv4(bytes)
                                                  : read_v6(header, from, bytes));
  }
  return {};
}

}  // namespace xlb
