#include "io/http_front.h"

#include <doctest/doctest.h>
#include <poll.h>

#include <cerrno>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "core/metrics.h"
#include "core/status.h"
#include "core/status_page.h"
#include "io/status_server.h"
#include "loopback_client.h"

using namespace xlb;
using namespace xlb::test;

namespace {

const Endpoint kAnyLoopbackPort{IpAddress::v4(127, 0, 0, 1), 0};
constexpr std::chrono::hours kPatient{1};
// No socket buffers hold it.
constexpr size_t kLarge = 32 * 1024 * 1024;

Status with_thousands_of_real_servers() {
  Status status;
  status.version = "0.1.0";
  for (uint16_t service = 0; service < 100; ++service) {
    Status::VirtualServer virtual_server;
    virtual_server.key = {IpAddress::v4(10, 10, 0, 3), static_cast<uint16_t>(8000 + service),
                          Protocol::tcp};
    virtual_server.state = "up";
    for (uint8_t i = 0; i < 40; ++i) {
      Status::RealServer real_server;
      real_server.endpoint = {IpAddress::v4(10, 30, static_cast<uint8_t>(service), i), 80};
      real_server.state = "up";
      real_server.reason = "connected";
      real_server.checks.push_back({"TCP_CHECK", fmt::format("{}", real_server.endpoint), true, 0,
                                    "connected", WallTime{}, 1, false});
      virtual_server.real_servers.push_back(real_server);
    }
    status.virtual_servers.push_back(virtual_server);
  }
  return status;
}

// Answers each path with a body of its own, the same for everybody.
class Front {
 public:
  explicit Front(const HttpLimits& limits, size_t size = kLarge) {
    auto listening = HttpFront::listen(
        kAnyLoopbackPort,
        [this, size](std::string_view head) {
          const char name = head.at(5);  // GET /a
          auto& body = bodies_[name];
          if (!body) body = std::make_shared<const std::string>(size, name);
          return FrontResponse{"HTTP/1.1 200 OK\r\n\r\n", body};
        },
        limits);
    REQUIRE(listening.ok());
    front_ = std::move(*listening);
    thread_ = std::thread([this] { front_->run(); });
  }
  ~Front() {
    front_->stop();
    thread_.join();
  }
  [[nodiscard]] UniqueFd ask(const std::string& path) const {
    UniqueFd socket = connect_to(front_->port());
    REQUIRE(send_all(socket, "GET /" + path + " HTTP/1.1\r\n\r\n"));
    return socket;
  }
  // Also waits until it is being answered.
  [[nodiscard]] UniqueFd ask_and_not_read(const std::string& path) const {
    UniqueFd socket = ask(path);
    pollfd polled{socket.get(), POLLIN, 0};
    REQUIRE(::poll(&polled, 1, 60'000) == 1);
    return socket;
  }

 private:
  std::map<char, std::shared_ptr<const std::string>> bodies_;
  std::unique_ptr<HttpFront> front_;
  std::thread thread_;
};

// Waits for it.
bool is_reset(const UniqueFd& socket) {
  pollfd polled{socket.get(), POLLERR, 0};
  if (::poll(&polled, 1, 60'000) != 1) return false;
  int code = 0;
  socklen_t length = sizeof code;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &code, &length);
  return code == ECONNRESET;
}

}  // namespace

TEST_CASE("a status of thousands of real servers arrives whole, in every form and at any pace") {
  StatusSlot slot;
  const auto status = std::make_shared<const Status>(with_thousands_of_real_servers());
  slot.publish(status);
  auto server = StatusServer::start(kAnyLoopbackPort, slot);
  REQUIRE(server.ok());
  const auto ask = [&](const std::string& path) {
    UniqueFd socket = connect_to((*server)->port());
    REQUIRE(send_all(socket, "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    return socket;
  };
  const UniqueFd slow = ask("/v1/status");
  std::string begun(1000, '\0');
  REQUIRE(::recv(slow.get(), begun.data(), begun.size(), MSG_WAITALL) == 1000);
  CHECK(body_of(read_to_end(ask("/metrics"))) == open_metrics(*status));
  CHECK(body_of(read_to_end(ask("/"))) == status_page(*status));
  const std::string document = to_json(*status);
  CHECK(document.size() > 3'000'000);
  CHECK(body_of(read_to_end(ask("/v1/status"))) == document);
  CHECK(body_of(begun + read_to_end(slow)) == document);
}

TEST_CASE("a large answer is given the time that it takes at a modest rate") {
  // A minute for its size, none besides.
  const Front front({.write = {}, .bytes_per_s = kLarge / 60, .held_bytes = kLarge});
  CHECK(body_of(read_to_end(front.ask("a"))) == std::string(kLarge, 'a'));
}

TEST_CASE("who does not read its answer in time is reset") {
  const Front front({.write = {}, .bytes_per_s = kLarge * 1000, .held_bytes = kLarge});
  CHECK(is_reset(front.ask("a")));
}

TEST_CASE("clients that do not read cannot fill the memory: the oldest make room") {
  const Front front({.write = kPatient, .held_bytes = kLarge});
  const UniqueFd first = front.ask_and_not_read("a");
  const UniqueFd second = front.ask_and_not_read("a");  // the same body is held once
  const UniqueFd third = front.ask_and_not_read("b");
  CHECK(is_reset(first));
  CHECK(is_reset(second));
  CHECK(body_of(read_to_end(third)) == std::string(kLarge, 'b'));
}
