#include "io/neighbour_probe.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "io/arp.h"

namespace xlb {
namespace {

constexpr int kMaxFramesPerCall = 64;  // more stays readable: a storm cannot hold the loop

Result<UniqueFd> open_socket(int ifindex) {
  UniqueFd fd(::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail_errno(errno, "cannot open socket for ARP");
  // Only now the protocol: nothing of another interface gets in before the binding.
  sockaddr_ll link{};
  link.sll_family = AF_PACKET;
  link.sll_protocol = htons(ETH_P_ARP);
  link.sll_ifindex = ifindex;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&link), sizeof link) != 0) {
    return fail_errno(errno, "cannot bind socket for ARP to interface {}", ifindex);
  }
  return fd;
}

}  // namespace

// The watch goes before the descriptor.
struct NeighbourProbe::Running {
  Request request;
  Callback done;
  int attempts_left = 0;
  UniqueFd fd;
  EventLoop::Watch watch;
  EventLoop::Timer timer;
};

NeighbourProbe::NeighbourProbe(EventLoop& loop) : loop_(loop) {}
NeighbourProbe::~NeighbourProbe() = default;

Result<void> NeighbourProbe::probe(const Request& request, Callback done) {
  if (!request.target.is_v4()) return fail("cannot probe {}: not an IPv4 address", request.target);
  if (request.target == request.own_address) {  // nobody else would answer
    return fail("cannot probe {}: it is this host's own address", request.target);
  }
  auto fd = open_socket(request.ifindex);
  if (!fd) return fd.error().context(fmt::format("cannot probe {}", request.target));
  const uint64_t id = next_id_++;
  auto watch = loop_.watch(fd->get(), EPOLLIN, [this, id](uint32_t) { readable(id); });
  if (!watch) return watch.error().context(fmt::format("cannot probe {}", request.target));

  Running running{request,
                  std::move(done),
                  request.attempts,
                  std::move(*fd),
                  std::move(*watch),
                  loop_.timer(EventLoop::Urgency::normal, [this, id] { timer_expired(id); })};
  if (auto sent = send(running); !sent) return sent;
  --running.attempts_left;
  running.timer.arm(loop_.now() + request.interval);
  running_.emplace(id, std::move(running));
  return {};
}

Result<void> NeighbourProbe::send(const Running& running) {
  const Request& request = running.request;
  const arp::Frame frame = arp::request(request.own_mac, request.own_address, request.target);
  if (::send(running.fd.get(), frame.data(), frame.size(), MSG_DONTWAIT) < 0) {
    return fail_errno(errno, "cannot probe {}", request.target);
  }
  return {};
}

void NeighbourProbe::timer_expired(uint64_t id) {
  const auto found = running_.find(id);
  if (found == running_.end()) return;
  Running& running = found->second;
  if (running.attempts_left <= 0) {
    finish(id, false, MacAddress{});
    return;
  }
  --running.attempts_left;
  (void)send(running);  // a frame that cannot be sent is an attempt without an answer
  running.timer.arm(loop_.now() + running.request.interval);
}

void NeighbourProbe::readable(uint64_t id) {
  const auto found = running_.find(id);
  if (found == running_.end()) return;
  const Running& running = found->second;
  std::array<uint8_t, 128> buffer{};
  for (int i = 0; i < kMaxFramesPerCall; ++i) {
    const ssize_t length = ::recv(running.fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (length < 0) return;  // empty, or the interface went down: then the attempts run out
    const auto sender =
        arp::sender_of(std::span<const uint8_t>(buffer.data(), static_cast<size_t>(length)));
    // Our own MAC never answers for somebody else: a frame of ours, looped or reflected.
    if (sender && sender->address == running.request.target &&
        sender->mac != running.request.own_mac) {
      finish(id, true, sender->mac);
      return;
    }
  }
}

void NeighbourProbe::finish(uint64_t id, bool answered, const MacAddress& mac) {
  const auto found = running_.find(id);
  const Callback done = std::move(found->second.done);
  const MacAddress answer = mac;  // `mac` may live in what is erased
  running_.erase(found);
  done(answered, answer);
}

}  // namespace xlb
