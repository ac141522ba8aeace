#include "io/http_front.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

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

}  // namespace

Result<std::unique_ptr<HttpFront>> HttpFront::listen(const Endpoint& endpoint, Answer answer) {
  std::unique_ptr<HttpFront> front(new HttpFront());
  front->answer_ = std::move(answer);
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
      if (connections_[i].deadline <= now) connections_[i].open = false;
    }
    std::erase_if(connections_, [](const Connection& connection) { return !connection.open; });
    if (polled[1].revents != 0) accept_all(now);
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

void HttpFront::serve(Connection& connection, TimePoint now) {
  switch (connection.phase) {
    case Phase::reading:
      read_head(connection, now);
      break;
    case Phase::writing:
      write_response(connection, now);
      break;
    case Phase::draining:
      drain(connection);
      break;
  }
}

void HttpFront::read_head(Connection& connection, TimePoint now) {
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
    respond(connection, answer_(std::string_view(connection.head).substr(0, end)), now);
  } else if (connection.head.size() == kMaxHeadBytes) {
    respond(connection, std::string(kHeadTooLarge), now);
  }
}

void HttpFront::respond(Connection& connection, std::string response, TimePoint now) {
  connection.response = std::move(response);
  connection.phase = Phase::writing;
  connection.deadline = now + kWriteDeadline;
  write_response(connection, now);
}

void HttpFront::write_response(Connection& connection, TimePoint now) {
  const std::string& response = connection.response;
  const ssize_t sent = ::send(connection.socket.get(), response.data() + connection.written,
                              response.size() - connection.written, MSG_NOSIGNAL);
  if (sent < 0 && would_block(errno)) return;
  if (sent < 0) {
    connection.open = false;
    return;
  }
  connection.written += static_cast<size_t>(sent);
  if (connection.written < response.size()) return;
  // Closing now, with a body or a pipelined request still unread, would send a reset that can
  // overtake the answer: say there is no more and let the client close.
  connection.response = std::string();
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
