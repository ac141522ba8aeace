// A UDP server on 127.0.0.1, on the test's own event loop, that answers as a function says.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "io/event_loop.h"
#include "loopback_socket.h"

namespace xlb::test {

class DatagramServer {
 public:
  // What to send back for a datagram, one after the other.
  using Answers = std::function<std::vector<std::string>(const std::string& request)>;

  DatagramServer(EventLoop& loop, Answers answers) : answers_(std::move(answers)) {
    socket_ = loopback_socket(SOCK_DGRAM, endpoint_);
    auto watch = loop.watch(socket_.get(), EPOLLIN, [this](uint32_t) { answer(); });
    REQUIRE(watch.ok());
    watch_ = std::move(watch).value();
  }

  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }
  [[nodiscard]] const std::string& last_request() const { return last_request_; }
  [[nodiscard]] const IpAddress& last_client() const { return last_client_; }

  // A port on which nobody listens.
  static Endpoint closed(EventLoop& loop) { return DatagramServer(loop, {}).endpoint(); }

 private:
  void answer() {
    char bytes[4096];
    sockaddr_in client{};
    socklen_t length = sizeof client;
    auto* const generic = reinterpret_cast<sockaddr*>(&client);
    const ssize_t size = ::recvfrom(socket_.get(), bytes, sizeof bytes, 0, generic, &length);
    if (size < 0) return;
    last_request_.assign(bytes, static_cast<size_t>(size));
    last_client_ = IpAddress::from_v4(client.sin_addr.s_addr);
    for (const std::string& reply : answers_(last_request_))
      (void)::sendto(socket_.get(), reply.data(), reply.size(), 0, generic, length);
  }

  Answers answers_;
  UniqueFd socket_;
  Endpoint endpoint_;
  std::string last_request_;
  IpAddress last_client_;
  EventLoop::Watch watch_;
};

}  // namespace xlb::test
