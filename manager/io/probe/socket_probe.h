// A check that speaks on one connected socket of its own: opening it, waiting for it, its deadline
// and the one report at the end. What is said and how it is judged is the deriving check's.
#pragma once

#include <string>

#include "base/unique_fd.h"
#include "core/config_check.h"
#include "io/event_loop.h"
#include "io/probe/probe.h"

namespace xlb {

class SocketProbe : public Probe {
 protected:
  // The deadline of `check` runs from here.
  SocketProbe(EventLoop& loop, const CheckConfig& check, ProbeCallback callback);

  // Takes `socket`, connects it to `target` and calls ready() on `events` (EPOLLIN, EPOLLOUT).
  // A stream socket may still be connecting when this returns.
  Result<void> connect(UniqueFd socket, const Endpoint& target, uint32_t events);
  // Why connecting has failed; success: it has not.
  [[nodiscard]] Result<void> connected() const;
  void await(uint32_t events) { watch_.set_events(events); }

  // A failure known before the loop runs: reported in its next turn, never from a constructor.
  void fail_soon(std::string reason);
  // Reports and closes. The callback may destroy this probe: touch nothing of it afterwards.
  void finish(const ProbeResult& result);

  [[nodiscard]] int socket() const { return socket_.get(); }
  [[nodiscard]] std::string limit_text() const;       // "0.5 s"
  [[nodiscard]] double elapsed_milliseconds() const;  // since the check began

 private:
  virtual void ready() = 0;
  // The verdict when the deadline has come.
  [[nodiscard]] virtual ProbeResult out_of_time() const = 0;

  void expired();

  EventLoop& loop_;
  Duration timeout_;
  TimePoint started_;
  ProbeCallback callback_;
  std::string failure_;  // known before the loop's next turn
  UniqueFd socket_;
  EventLoop::Watch watch_;  // destroyed before the socket it watches
  EventLoop::Timer deadline_;
};

}  // namespace xlb
