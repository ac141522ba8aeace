// The socket side of the status server: accepts, collects one request head a connection, writes one
// answer, closes. It knows HTTP only as "a head ends at an empty line": what the head means is the
// caller's. Everything a client can make it hold is bounded: connections, bytes and time, so that
// slow or hostile clients cost themselves a slot, not the others an answer. The time is the
// client's own: while an answer is made, nobody's runs.
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

struct FrontResponse {
  std::string head;                         // empty line included; a short body may follow
  std::shared_ptr<const std::string> body;  // shared by all who are sent the same; may be absent
};

struct HttpLimits {
  // For the whole response, and so much longer as its size takes at this rate.
  std::chrono::milliseconds write{5000};
  size_t bytes_per_s = 256UL * 1024;
  // Of bodies that are being sent, each counted once. Above it, who is served longest is dropped.
  size_t held_bytes = 128UL * 1024 * 1024;
};

class HttpFront {
 public:
  // From a complete request head (empty line included) to a complete response.
  using Answer = std::function<FrontResponse(std::string_view head)>;

  static constexpr size_t kMaxConnections = 32;  // one more: the least useful one is closed
  static constexpr size_t kMaxHeadBytes = 8192;
  static constexpr std::chrono::seconds kHeadDeadline{2};   // from accept to the end of the head
  static constexpr std::chrono::seconds kDrainDeadline{1};  // for the client to close after it

  // Binds and listens; an address in use is an error (never shared by SO_REUSEPORT).
  static Result<std::unique_ptr<HttpFront>> listen(const Endpoint& endpoint, Answer answer,
                                                   const HttpLimits& limits = {});

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
    FrontResponse response;
    size_t written = 0;  // of head and body
    bool open = true;
  };

  HttpFront() = default;
  void accept_all(TimePoint now);
  void give_up_one();
  void serve(Connection& connection, TimePoint now);
  void read_head(Connection& connection);
  static void write_response(Connection& connection, TimePoint now);
  void respond(Connection& connection, FrontResponse response);
  [[nodiscard]] FrontResponse answer(std::string_view head);
  void keep_within_memory(const Connection& newest);
  static void close_at_deadline(Connection& connection, TimePoint now);
  static void drain(Connection& connection);
  void erase_closed();
  [[nodiscard]] int poll_timeout_ms(TimePoint now) const;

  Answer answer_;
  HttpLimits limits_;
  UniqueFd listener_;
  UniqueFd wakeup_;  // eventfd: readable once stop() was called
  uint16_t port_ = 0;
  uint64_t accepted_ = 0;
  TimePoint accept_after_{};  // out of descriptors: leave the backlog alone until then
  std::vector<Connection> connections_;
};

}  // namespace xlb
