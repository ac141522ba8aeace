#include "io/address_announce.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <span>

#include "io/arp.h"
#include "io/neighbour_advert.h"

namespace xlb {

Result<Announcer> Announcer::open() {
  // Protocol 0: the socket receives nothing.
  UniqueFd fd(::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail_errno(errno, "cannot open a socket for announcements");
  return Announcer(std::move(fd));
}

Result<void> Announcer::announce(int ifindex, const MacAddress& mac, const IpAddress& address) {
  arp::Frame arp_frame{};
  neighbour_advert::Frame advert_frame{};
  std::span<const uint8_t> frame;
  if (address.is_v4()) {
    arp_frame = arp::gratuitous(mac, address);
    frame = arp_frame;
  } else {
    advert_frame = neighbour_advert::unsolicited(mac, address);
    frame = advert_frame;
  }
  sockaddr_ll link{};
  link.sll_family = AF_PACKET;
  link.sll_protocol = htons(address.is_v4() ? ETH_P_ARP : ETH_P_IPV6);
  link.sll_ifindex = ifindex;
  if (::sendto(fd_.get(), frame.data(), frame.size(), MSG_DONTWAIT,
               reinterpret_cast<const sockaddr*>(&link), sizeof link) < 0) {
    return fail_errno(errno, "cannot announce {} on interface {}", address, ifindex);
  }
  return {};
}

}  // namespace xlb
