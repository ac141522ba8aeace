#include "io/address_announce.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "io/arp.h"

namespace xlb {

Result<Announcer> Announcer::open() {
  // Protocol 0: the socket receives nothing.
  UniqueFd fd(::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail_errno(errno, "cannot open socket for gratuitous ARP");
  return Announcer(std::move(fd));
}

Result<void> Announcer::send_gratuitous_arp(int ifindex, const MacAddress& mac,
                                            const IpAddress& address) {
  const arp::Frame frame = arp::gratuitous(mac, address);
  sockaddr_ll link{};
  link.sll_family = AF_PACKET;
  link.sll_protocol = htons(ETH_P_ARP);
  link.sll_ifindex = ifindex;
  if (::sendto(fd_.get(), frame.data(), frame.size(), MSG_DONTWAIT,
               reinterpret_cast<const sockaddr*>(&link), sizeof link) < 0) {
    return fail_errno(errno, "cannot announce {} on interface {}", address, ifindex);
  }
  return {};
}

Result<void> Announcer::announce(int ifindex, const MacAddress& mac, const IpAddress& address) {
  for (int i = 0; i < kRepeats; ++i) {
    if (auto sent = send_gratuitous_arp(ifindex, mac, address); !sent) return sent;
  }
  return {};
}

}  // namespace xlb
