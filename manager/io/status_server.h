// Read-only HTTP for people and monitoring: GET /, /v1/status, /metrics, /healthz, /readyz. Its own
// thread sees only the last published Status and the loop's heartbeat, never the daemon's state. It
// may ask the loop for a newer Status; the loop decides how often it makes one, so nothing a client
// does can delay the loop.
//
// cpp-httplib parses and routes, but gets no socket: HttpFront collects a bounded request head, of
// which the request line and Host go through httplib's Server::process_request on a stream in
// memory. What httplib 0.11 does not bound (slow clients, endless headers, Range through
// std::regex, compression for whoever asks) is thereby out of a client's reach.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "base/result.h"
#include "core/status.h"
#include "core/types.h"

namespace xlb {

// What the loop shows to the server's thread. Every member may be called from any thread.
class StatusSlot {
 public:
  void publish(std::shared_ptr<const Status> status);
  // nullptr before the first publish().
  [[nodiscard]] std::shared_ptr<const Status> current() const;

  // `ask` is called from the asking thread and leads to accept() and then publish() in the loop. To
  // be set before the server starts.
  void on_wanted(std::function<void()> ask) { ask_ = std::move(ask); }
  // The loop has been asked: the next publish() is an answer to every request so far.
  void accept();
  // A Status not older than the call; the current one if none is published in time. While the loop
  // owes an answer to an earlier call, nobody waits a second time.
  std::shared_ptr<const Status> fresh(std::chrono::milliseconds patience);

  // Says "the loop turns"; to be called at least every second.
  void beat(TimePoint now);
  [[nodiscard]] TimePoint last_beat() const;  // the clock's epoch before the first

 private:
  // Not std::atomic<std::shared_ptr>: libstdc++ 12's hides its lock from ThreadSanitizer.
  mutable std::mutex mutex_;
  std::condition_variable published_;
  std::shared_ptr<const Status> status_;
  // Numbers of requests: the last made, the last the loop knows of, the last answered.
  uint64_t wanted_ = 0;
  uint64_t accepted_ = 0;
  uint64_t answered_ = 0;
  std::function<void()> ask_;
  std::atomic<Duration::rep> last_beat_{0};
};

class StatusServer {
 public:
  static constexpr std::chrono::seconds kHeartbeatLimit{5};  // older: /healthz says 503

  // Listens and serves; `slot` must outlive the server. Port 0: the kernel chooses.
  static Result<std::unique_ptr<StatusServer>> start(const Endpoint& endpoint, StatusSlot& slot);
  ~StatusServer();  // stops
  StatusServer(const StatusServer&) = delete;
  StatusServer& operator=(const StatusServer&) = delete;

  [[nodiscard]] uint16_t port() const;
  // Closes all connections and joins the thread; within milliseconds.
  void stop();

 private:
  StatusServer();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace xlb
