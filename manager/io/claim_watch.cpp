#include "io/claim_watch.h"

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>

#include "io/arp.h"

namespace xlb {
namespace {

constexpr uint32_t kSenderAddress = 28;  // in an ARP frame
constexpr int kFramesPerCall = 64;

// Load the sender, compare with each address, take the frame or not.
std::vector<sock_filter> filter_for(const std::vector<IpAddress>& addresses) {
  std::vector<uint32_t> watched;
  for (const IpAddress& address : addresses) {
    if (address.is_v4() && watched.size() < ClaimWatch::kMostAddresses) {
      watched.push_back(ntohl(address.v4_network_order()));
    }
  }
  std::vector<sock_filter> program = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kSenderAddress)};
  for (size_t i = 0; i < watched.size(); ++i) {
    // Past the other comparisons and the refusal.
    const auto to_take = static_cast<uint8_t>(watched.size() - i);
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, watched[i], to_take, 0));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, 0));
  program.push_back(BPF_STMT(BPF_RET | BPF_K, 0xffffffff));
  return program;
}

}  // namespace

Result<std::unique_ptr<ClaimWatch>> ClaimWatch::open(EventLoop& loop, int ifindex,
                                                     const std::vector<IpAddress>& addresses,
                                                     Claimed claimed) {
  // Protocol 0: nothing is received before the filter is in place.
  UniqueFd fd(::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail_errno(errno, "cannot watch for claims of addresses");
  std::vector<sock_filter> program = filter_for(addresses);
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  const int on = 1;
  sockaddr_ll link{};
  link.sll_family = AF_PACKET;
  link.sll_protocol = htons(ETH_P_ARP);
  link.sll_ifindex = ifindex;
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) != 0 ||
      ::setsockopt(fd.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) != 0 ||
      ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&link), sizeof link) != 0) {
    return fail_errno(errno, "cannot watch for claims of addresses on interface {}", ifindex);
  }
  std::unique_ptr<ClaimWatch> result(new ClaimWatch(std::move(fd), std::move(claimed)));
  auto watch =
      loop.watch(result->fd_.get(), EPOLLIN, [self = result.get()](uint32_t) { self->receive(); });
  if (!watch) return watch.error();
  result->watch_ = std::move(*watch);
  return result;
}

void ClaimWatch::receive() {
  std::array<uint8_t, 128> frame{};
  for (int i = 0; i < kFramesPerCall; ++i) {
    const ssize_t size = ::recv(fd_.get(), frame.data(), frame.size(), MSG_DONTWAIT);
    if (size <= 0) return;
    const auto sender = arp::sender_of(std::span(frame.data(), static_cast<size_t>(size)));
    if (sender) claimed_(sender->address, sender->mac);
  }
}

}  // namespace xlb
