// A small TCP server on 127.0.0.1, on the test's own event loop, that answers its clients well or
// badly.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <utility>

#include "base/unique_fd.h"
#include "io/event_loop.h"
#include "loopback_socket.h"

namespace xlb::test {

struct Behaviour {
  enum class End { close, reset, stay_open };

  std::string answer{};          // sent once the request's empty line is in
  std::string repeat{};          // then sent again and again; empty: nothing
  Duration pause{};              // not 0: one byte each `pause`
  End end = End::close;          // after the answer
  bool reset_on_accept = false;  // without reading a byte
};

// Runs the loop until `done()`; a test that waits longer than its patience has failed.
inline void run_until(EventLoop& loop, const std::function<bool()>& done) {
  const TimePoint patience = TimePoint::clock::now() + std::chrono::seconds(20);
  bool tired = false;
  EventLoop::Timer tick;
  tick = loop.timer(EventLoop::Urgency::normal, [&] {
    tired = TimePoint::clock::now() > patience;
    if (tired || done()) return loop.stop();
    tick.arm(loop.now() + std::chrono::milliseconds(1));
  });
  tick.arm(loop.now());
  REQUIRE(loop.run().ok());
  REQUIRE_FALSE(tired);
}

class LoopbackServer {
 public:
  LoopbackServer(EventLoop& loop, Behaviour behaviour)
      : loop_(loop), behaviour_(std::move(behaviour)) {
    socket_ = loopback_socket(SOCK_STREAM, endpoint_);
    auto watch = loop_.watch(socket_.get(), EPOLLIN, [this](uint32_t) { accept(); });
    REQUIRE(watch.ok());
    watch_ = std::move(watch).value();
  }

  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }
  [[nodiscard]] const std::string& last_request() const { return last_request_; }
  [[nodiscard]] int accepted() const { return accepted_; }

  // A port on which nobody listens.
  static Endpoint refusing(EventLoop& loop) { return LoopbackServer(loop, {}).endpoint(); }

 private:
  struct Connection {
    UniqueFd socket;
    std::string request;
    std::string unsent;
    EventLoop::Watch watch;
    EventLoop::Timer pause;
  };

  void accept() {
    UniqueFd accepted(::accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!accepted.valid()) return;
    ++accepted_;
    if (behaviour_.reset_on_accept) return reset(accepted);
    connections_.emplace_back();
    Connection& connection = connections_.back();
    connection.socket = std::move(accepted);
    connection.pause = loop_.timer(EventLoop::Urgency::normal, [&] { send(connection); });
    auto watch = loop_.watch(connection.socket.get(), EPOLLIN,
                             [this, &connection](uint32_t events) { ready(connection, events); });
    REQUIRE(watch.ok());
    connection.watch = std::move(watch).value();
  }

  void ready(Connection& connection, uint32_t events) {
    if ((events & EPOLLOUT) != 0) return send(connection);
    char bytes[4096];
    const ssize_t size = ::recv(connection.socket.get(), bytes, sizeof bytes, 0);
    if (size <= 0) return close(connection);
    const bool answering = connection.request.find("\r\n\r\n") != std::string::npos;
    connection.request.append(bytes, static_cast<size_t>(size));
    if (answering || connection.request.find("\r\n\r\n") == std::string::npos) return;
    last_request_ = connection.request;
    connection.unsent = behaviour_.answer;
    send(connection);
  }

  void send(Connection& connection) {
    const bool slow = behaviour_.pause > Duration{};
    for (;;) {
      if (connection.unsent.empty()) connection.unsent = behaviour_.repeat;
      if (connection.unsent.empty()) break;
      const size_t size = slow ? 1 : connection.unsent.size();
      const ssize_t sent =
          ::send(connection.socket.get(), connection.unsent.data(), size, MSG_NOSIGNAL);
      if (sent < 0 && errno == EAGAIN) return connection.watch.set_events(EPOLLIN | EPOLLOUT);
      if (sent < 0) return close(connection);
      connection.unsent.erase(0, static_cast<size_t>(sent));
      if (slow) return connection.pause.arm(loop_.now() + behaviour_.pause);
    }
    if (behaviour_.end == Behaviour::End::stay_open) return connection.watch.set_events(EPOLLIN);
    if (behaviour_.end == Behaviour::End::reset) {
      connection.watch.reset();
      reset(connection.socket);
    }
    close(connection);
  }

  // Closing with a linger time of 0 sends RST.
  static void reset(UniqueFd& socket) {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    socket.reset();
  }

  void close(Connection& connection) {
    connections_.remove_if([&](const Connection& other) { return &other == &connection; });
  }

  EventLoop& loop_;
  Behaviour behaviour_;
  UniqueFd socket_;
  EventLoop::Watch watch_;
  Endpoint endpoint_;
  std::string last_request_;
  int accepted_ = 0;
  std::list<Connection> connections_;
};

}  // namespace xlb::test
