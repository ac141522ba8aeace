#include "io/http_front.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>

#include "io/socket_address.h"

namespace xlb {
namespace {

using std::chrono::steady_clock;

constexpr int kBacklog = 64;
constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr std::string_view kHeadTooLarge =
    "HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: "
    "0\r\n\r\n";

// Where the head ends, its empty line included; npos: not yet. Bare LF counts, as RFC 9112 2.2
// allows.
size_t end_of_head(std::string_view text) {
  const size_t crlf = text.find("\r\n\r\n");
  const size_t lf = text.find("\n\n");
  if (lf < crlf) return lf + 2;
  return crlf == std::string_view::npos ? crlf : crlf + 4;
}

bool would_block(int code) {
  return code == EAGAIN || code == EWOULDBLOCK || code == EINTR;
}

size_t size_of(const FrontResponse& response) {
  return response.head.size() + (response.body ? response.body->size() : 0);
}

// What is left of it after `written` bytes.
ssize_t send_rest(int socket, const FrontResponse& response, size_t written) {
  const std::string_view head =
      std::string_view(response.head).substr(std::min(written, response.head.size()));
  const std::string_view body = response.body
                                    ? std::string_view(*response.body)
                                          .substr(written - std::min(written, response.head.size()))
                                    : std::string_view();
  std::array<iovec, 2> parts{{{const_cast<char*>(head.data()), head.size()},
                              {const_cast<char*>(body.data()), body.size()}}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  return ::sendmsg(socket, &message, MSG_NOSIGNAL);
}

}  // namespace

Result<std::unique_ptr<HttpFront>> HttpFront::listen(const Endpoint& endpoint, Answer answer,
                                                     const HttpLimits& limits) {
  std::unique_ptr<HttpFront> front(new HttpFront());
  front->answer_ = std::move(answer);
  front->limits_ = limits;
  SocketAddress address = socket_address(endpoint);
  front->listener_.reset(
      ::socket(address.get()->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int socket = front->listener_.get();
  if (socket < 0) return fail_errno(errno, "cannot create a socket for {}", endpoint);
  // Lets a restarted daemon bind while old connections are in TIME_WAIT; two listeners still
  // conflict.
  const int on = 1;
  if (::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0) {
    return fail_errno(errno, "cannot set SO_REUSEADDR for {}", endpoint);
  }
  if (::bind(socket, address.get(), address.length) < 0) {
    return fail_errno(errno, "cannot listen on {}", endpoint);
  }
  if (::listen(socket, kBacklog) < 0) return fail_errno(errno, "cannot listen on {}", endpoint);
  if (::getsockname(socket, address.get(), &address.length) < 0) {
    return fail_errno(errno, "cannot read the port bound for {}", endpoint);
  }
  front->port_ = ntohs(endpoint.address.is_v4()
                           ? reinterpret_cast<sockaddr_in*>(&address.storage)->sin_port
                           : reinterpret_cast<sockaddr_in6*>(&address.storage)->sin6_port);
  front->wakeup_.reset(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!front->wakeup_.valid()) return fail_errno(errno, "cannot create an eventfd");
  return front;
}

void HttpFront::stop() {
  (void)::eventfd_write(wakeup_.get(), 1);
}

void HttpFront::run() {
  std::array<pollfd, kMaxConnections + 2> polled{};
  while (true) {
    TimePoint now = steady_clock::now();
    polled[0] = {wakeup_.get(), POLLIN, 0};
    polled[1] = {now < accept_after_ ? -1 : listener_.get(), POLLIN, 0};
    nfds_t count = 2;
    for (const Connection& connection : connections_) {
      const bool writing = connection.phase == Phase::writing;
      polled[count++] = {connection.socket.get(), static_cast<short>(writing ? POLLOUT : POLLIN),
                         0};
    }
    if (::poll(polled.data(), count, poll_timeout_ms(now)) < 0)
      continue;  // EINTR; no memory: retry
    if (polled[0].revents != 0) break;
    now = steady_clock::now();
    for (size_t i = 0; i < connections_.size(); ++i) {
      if (polled[i + 2].revents != 0) serve(connections_[i], now);
      close_at_deadline(connections_[i], now);
    }
    erase_closed();
    if (polled[1].revents != 0) accept_all(steady_clock::now());
    erase_closed();
  }
  connections_.clear();
  listener_.reset();  // refuses also those still in the backlog
}

int HttpFront::poll_timeout_ms(TimePoint now) const {
  TimePoint next = TimePoint::max();
  for (const Connection& connection : connections_)
    next = std::min(next, connection.deadline);
  if (accept_after_ > now) next = std::min(next, accept_after_);
  if (next == TimePoint::max()) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - now).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 60'000));
}

void HttpFront::accept_all(TimePoint now) {
  for (size_t i = 0; i < kMaxConnections; ++i) {
    UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    const int code = errno;
    if (!socket.valid()) {
      if (code == ECONNABORTED || code == EINTR) continue;
      if (!would_block(code)) accept_after_ = now + kAcceptPause;
      return;
    }
    if (connections_.size() == kMaxConnections) give_up_one();
    Connection connection;
    connection.socket = std::move(socket);
    connection.deadline = now + kHeadDeadline;
    connection.number = ++accepted_;
    connections_.push_back(std::move(connection));
    serve(connections_.back(), now);  // the request is often there already
    if (!connections_.back().open) connections_.pop_back();
  }
}

// A client that asks at once never is the oldest of those who have not asked, so it gets its answer
// however many sit idle.
void HttpFront::give_up_one() {
  const auto least = std::min_element(
      connections_.begin(), connections_.end(), [](const Connection& a, const Connection& b) {
        return std::pair(a.phase, a.number) < std::pair(b.phase, b.number);
      });
  connections_.erase(least);
}

void HttpFront::erase_closed() {
  std::erase_if(connections_, [](const Connection& connection) { return !connection.open; });
}

// Who does not take its answer is told by a reset that it is not whole, and what the kernel holds
// of it goes at once.
void HttpFront::close_at_deadline(Connection& connection, TimePoint now) {
  if (!connection.open || connection.deadline > now) return;
  connection.open = false;
  if (connection.phase != Phase::writing) return;
  const linger at_once{1, 0};
  (void)::setsockopt(connection.socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

void HttpFront::serve(Connection& connection, TimePoint now) {
  if (!connection.open) return;
  switch (connection.phase) {
    case Phase::reading:
      read_head(connection);
      break;
    case Phase::writing:
      write_response(connection, now);
      break;
    case Phase::draining:
      drain(connection);
      break;
  }
}

void HttpFront::read_head(Connection& connection) {
  std::array<char, kMaxHeadBytes> buffer{};
  const size_t room = kMaxHeadBytes - connection.head.size();
  const ssize_t got = ::recv(connection.socket.get(), buffer.data(), room, 0);
  if (got < 0 && would_block(errno)) return;
  if (got <= 0) {
    connection.open = false;
    return;
  }
  connection.head.append(buffer.data(), static_cast<size_t>(got));
  const size_t end = end_of_head(connection.head);
  if (end != std::string::npos) {
    respond(connection, answer(std::string_view(connection.head).substr(0, end)));
  } else if (connection.head.size() == kMaxHeadBytes) {
    respond(connection, {std::string(kHeadTooLarge), nullptr});
  }
}

// A large answer takes long to make: that is not the others' slowness.
FrontResponse HttpFront::answer(std::string_view head) {
  const TimePoint begun = steady_clock::now();
  FrontResponse response = answer_(head);
  const Duration busy = steady_clock::now() - begun;
  for (Connection& connection : connections_)
    connection.deadline += busy;
  return response;
}

void HttpFront::respond(Connection& connection, FrontResponse response) {
  const TimePoint now = steady_clock::now();
  const auto size = static_cast<double>(size_of(response));
  const std::chrono::duration<double> reading(size / static_cast<double>(limits_.bytes_per_s));
  connection.response = std::move(response);
  connection.phase = Phase::writing;
  connection.deadline = now + limits_.write + std::chrono::duration_cast<Duration>(reading);
  keep_within_memory(connection);
  write_response(connection, now);
}

void HttpFront::keep_within_memory(const Connection& newest) {
  while (true) {
    size_t held = 0;
    std::set<const std::string*> bodies;
    Connection* oldest = nullptr;
    for (Connection& connection : connections_) {
      const std::string* const body = connection.response.body.get();
      if (!connection.open || body == nullptr) continue;
      if (bodies.insert(body).second) held += body->size();
      if (body == newest.response.body.get()) continue;
      if (oldest == nullptr || connection.number < oldest->number) oldest = &connection;
    }
    if (held <= limits_.held_bytes || oldest == nullptr) return;
    close_at_deadline(*oldest, oldest->deadline);
    oldest->response = {};
  }
}

void HttpFront::write_response(Connection& connection, TimePoint now) {
  const ssize_t sent = send_rest(connection.socket.get(), connection.response, connection.written);
  if (sent < 0 && would_block(errno)) return;
  if (sent < 0) {
    connection.open = false;
    return;
  }
  connection.written += static_cast<size_t>(sent);
  if (connection.written < size_of(connection.response)) return;
  // Closing now, with a body or a pipelined request still unread, would send a reset that can
  // overtake the answer: say there is no more and let the client close.
  connection.response = {};
  connection.phase = Phase::draining;
  connection.deadline = now + kDrainDeadline;
  if (::shutdown(connection.socket.get(), SHUT_WR) < 0) connection.open = false;
}

void HttpFront::drain(Connection& connection) {
  std::array<char, kMaxHeadBytes> discarded{};
  const ssize_t got = ::recv(connection.socket.get(), discarded.data(), discarded.size(), 0);
  if (got < 0 && would_block(errno)) return;
  if (got <= 0) connection.open = false;
}

}  // namespace xlb
