#include "io/probe/tcp_probe.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "base/unique_fd.h"

namespace xlb {
namespace {

// Returns the length in use.
socklen_t fill(const Endpoint& endpoint, sockaddr_storage& storage) {
  const auto& bytes = endpoint.address.bytes();
  if (endpoint.address.is_v4()) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    v4.sin_addr.s_addr = endpoint.address.v4_network_order();
    return sizeof v4;
  }
  auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(endpoint.port);
  std::copy(bytes.begin(), bytes.end(), v6.sin6_addr.s6_addr);
  return sizeof v6;
}

class TcpProbe final : public Probe {
 public:
  TcpProbe(EventLoop& loop, const CheckConfig& check, ProbeCallback callback)
      : loop_(loop),
        timeout_(check.timing.connect_timeout),
        started_(loop.now()),
        callback_(std::move(callback)),
        deadline_(loop.timer(EventLoop::Urgency::normal, [this] { expired(); })) {
    deadline_.arm(started_ + timeout_);
    connect_to(check.target);
  }

 private:
  void connect_to(const Endpoint& target) {
    sockaddr_storage address{};
    const socklen_t length = fill(target, address);
    socket_.reset(
        socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
    if (!socket_.valid()) return fail_soon(fail_errno(errno, "cannot open a socket").text);
    const int rc = connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), length);
    if (rc != 0 && errno != EINPROGRESS) return fail_soon(fail_errno(errno, "connect").text);
    // Writable once the connection is open or refused, also when connect() has succeeded already.
    Result<EventLoop::Watch> watch =
        loop_.watch(socket_.get(), EPOLLOUT, [this](uint32_t) { decided(); });
    if (!watch) return fail_soon(watch.error().text);
    watch_ = std::move(watch).value();
  }

  void fail_soon(std::string reason) {
    failure_ = std::move(reason);
    deadline_.arm(loop_.now());
  }

  void decided() {
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
    if (error != 0) return finish({false, fail_errno(error, "connect").text});
    const std::chrono::duration<double, std::milli> elapsed = loop_.now() - started_;
    finish({true, fmt::format("connected in {:.1f} ms", elapsed.count())});
  }

  void expired() {
    if (!failure_.empty()) return finish({false, failure_});
    const double limit = std::chrono::duration<double>(timeout_).count();
    finish({false, fmt::format("connect: no answer within {:g} s", limit)});
  }

  // The callback may destroy this probe: nothing of it is touched after the call.
  void finish(const ProbeResult& result) {
    deadline_.disarm();
    watch_.reset();
    socket_.reset();
    const ProbeCallback callback = std::exchange(callback_, nullptr);
    callback(result);
  }

  EventLoop& loop_;
  Duration timeout_;
  TimePoint started_;
  ProbeCallback callback_;
  std::string failure_;  // known before the loop's next turn
  UniqueFd socket_;
  EventLoop::Watch watch_;  // destroyed before the socket it watches
  EventLoop::Timer deadline_;
};

}  // namespace

std::unique_ptr<Probe> start_tcp_probe(EventLoop& loop, const CheckConfig& check,
                                       ProbeCallback callback) {
  return std::make_unique<TcpProbe>(loop, check, std::move(callback));
}

}  // namespace xlb
