// The control socket's server, on the loop: DIR/control, mode 0660. Requests and answers are
// control_protocol.h's. An answer is produced piece by piece as its reader takes it, one piece a
// turn, so that a listing of a million connections neither blocks the loop nor piles up in memory.
// Clients are bounded in number, request size and time.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "io/control_protocol.h"
#include "io/event_loop.h"

namespace xlb {

// The answer to one request, destroyed when it is complete or its client has gone.
class ControlReply {
 public:
  ControlReply() = default;
  ControlReply(const ControlReply&) = delete;
  ControlReply& operator=(const ControlReply&) = delete;
  virtual ~ControlReply() = default;

  // Appends whole lines to `out`, about a millisecond's worth of work; false when these were the
  // last. May append nothing and return true: is called again in the next turn.
  virtual bool next(std::string& out) = 0;
  // Asked after the last next().
  [[nodiscard]] virtual std::optional<ControlFailure> failure() const { return std::nullopt; }
};

// `lines` as they are: whole lines of JSON.
std::unique_ptr<ControlReply> document_reply(std::string lines);
std::unique_ptr<ControlReply> failure_reply(ControlFailure failure);
std::unique_ptr<ControlReply> stream_reply(std::function<bool(std::string& out)> next);

class ControlServer {
 public:
  using Handler = std::function<std::unique_ptr<ControlReply>(const ControlRequest&)>;

  static constexpr size_t kMaxClients =
      16;  // one more: the one that stands still longest is dropped
  static constexpr size_t kMaxRequestBytes = 4096;
  static constexpr std::chrono::seconds kRequestDeadline{5};
  static constexpr std::chrono::seconds kStallDeadline{60};  // an answer of which nothing is taken

  // Replaces the socket file of a daemon that is gone; the caller holds the run directory's lock.
  static Result<std::unique_ptr<ControlServer>> open(EventLoop& loop, const std::string& path,
                                                     Handler handler);
  // Drops the clients and removes the socket file.
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

 private:
  struct Client {
    UniqueFd socket;
    EventLoop::Watch watch;
    EventLoop::Timer deadline;
    TimePoint last_progress;
    std::string request;
    std::unique_ptr<ControlReply> reply;  // null while the request is incomplete
    bool produced_all = false;
    std::string pending;  // produced, of which `written` bytes are sent
    size_t written = 0;
  };
  using Clients = std::map<uint64_t, Client>;

  ControlServer(EventLoop& loop, std::string path, Handler handler);
  Result<void> bind();
  void accept_clients();
  Result<void> admit(UniqueFd socket);
  void serve(uint64_t id, uint32_t events);
  // Both: false when the client is done with.
  bool read_request(Client& client);
  bool write_reply(Client& client);
  void begin_reply(Client& client, std::unique_ptr<ControlReply> reply);
  std::unique_ptr<ControlReply> answer(std::string_view line);

  EventLoop& loop_;
  std::string path_;
  Handler handler_;
  bool bound_ = false;
  UniqueFd listener_;
  EventLoop::Watch listener_watch_;
  EventLoop::Timer accept_pause_;  // out of descriptors: leave the backlog alone for a while
  Clients clients_;
  uint64_t next_id_ = 0;
};

}  // namespace xlb
