// The socket side of the status server: accepts, collects one request head a connection, writes one
// answer, closes. It knows HTTP only as "a head ends at an empty line": what the head means is the
// caller's. Everything a client can make it hold is bounded: connections, bytes and time, so that
// slow or hostile clients cost themselves a slot, not the others an answer.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "core/types.h"

namespace xlb {

class HttpFront {
 public:
  // From a complete request head (empty line included) to a complete response.
  using Answer = std::function<std::string(std::string_view head)>;

  static constexpr size_t kMaxConnections = 32;  // one more: the least useful one is closed
  static constexpr size_t kMaxHeadBytes = 8192;
  static constexpr std::chrono::seconds kHeadDeadline{2};   // from accept to the end of the head
  static constexpr std::chrono::seconds kWriteDeadline{5};  // for the whole response
  static constexpr std::chrono::seconds kDrainDeadline{1};  // for the client to close after it

  // Binds and listens; an address in use is an error (never shared by SO_REUSEPORT).
  static Result<std::unique_ptr<HttpFront>> listen(const Endpoint& endpoint, Answer answer);

  // Serves on the calling thread until stop(), then closes everything. Once.
  void run();
  // From any thread, any number of times.
  void stop();
  // The bound port: the one asked for, or the kernel's choice for port 0.
  [[nodiscard]] uint16_t port() const { return port_; }

 private:
  enum class Phase : uint8_t { draining, reading, writing };  // in the order they are given up
  struct Connection {
    UniqueFd socket;
    Phase phase = Phase::reading;
    TimePoint deadline;
    uint64_t number = 0;  // order of acceptance
    std::string head;
    std::string response;
    size_t written = 0;
    bool open = true;
  };

  HttpFront() = default;
  void accept_all(TimePoint now);
  void give_up_one();
  void serve(Connection& connection, TimePoint now);
  void read_head(Connection& connection, TimePoint now);
  void write_response(Connection& connection, TimePoint now);
  void respond(Connection& connection, std::string response, TimePoint now);
  void drain(Connection& connection);
  [[nodiscard]] int poll_timeout_ms(TimePoint now) const;

  Answer answer_;
  UniqueFd listener_;
  UniqueFd wakeup_;  // eventfd: readable once stop() was called
  uint16_t port_ = 0;
  uint64_t accepted_ = 0;
  TimePoint accept_after_{};  // out of descriptors: leave the backlog alone until then
  std::vector<Connection> connections_;
};

}  // namespace xlb
