#include "io/probe/socket_probe.h"

#include <sys/socket.h>

#include <utility>

#include "io/probe/probe_socket.h"
#include "io/socket_address.h"

namespace xlb {

SocketProbe::SocketProbe(EventLoop& loop, const CheckConfig& check, ProbeCallback callback)
    : loop_(loop),
      timeout_(check.timing.connect_timeout),
      started_(loop.now()),
      callback_(std::move(callback)),
      deadline_(loop.timer(EventLoop::Urgency::normal, [this] { expired(); })) {
  deadline_.arm(started_ + timeout_);
}

Result<void> SocketProbe::connect(UniqueFd socket, const Endpoint& target, uint32_t events) {
  socket_ = std::move(socket);
  const SocketAddress address = socket_address(target);
  const int rc = ::connect(socket_.get(), address.get(), address.length);
  if (rc != 0 && errno != EINPROGRESS) return fail_errno(errno, "connect");
  Result<EventLoop::Watch> watch =
      loop_.watch(socket_.get(), events, [this](uint32_t) { ready(); });
  if (!watch) return watch.error();
  watch_ = std::move(watch).value();
  return {};
}

Result<void> SocketProbe::connected() const {
  int error = 0;
  socklen_t length = sizeof error;
  if (::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
  if (error != 0) return fail_errno(error, "connect");
  return {};
}

void SocketProbe::fail_soon(std::string reason) {
  failure_ = std::move(reason);
  deadline_.arm(loop_.now());
}

void SocketProbe::finish(const ProbeResult& result) {
  deadline_.disarm();
  watch_.close(socket_);
  const ProbeCallback callback = std::exchange(callback_, nullptr);
  callback(result);
}

std::string SocketProbe::limit_text() const {
  return seconds_text(timeout_);
}

double SocketProbe::elapsed_milliseconds() const {
  return std::chrono::duration<double, std::milli>(loop_.now() - started_).count();
}

void SocketProbe::expired() {
  finish(failure_.empty() ? out_of_time() : ProbeResult{false, failure_});
}

}  // namespace xlb
