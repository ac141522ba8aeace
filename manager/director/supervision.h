// What systemd hears of the daemon: the states of sd_notify(3) in their order, a line of status,
// and the watchdog's pings. These come from a timer of the loop, so a loop that does not turn
// sends none and the daemon is started anew. Without systemd all of it does nothing.
#pragma once

#include <string>

#include "core/status.h"
#include "io/event_loop.h"

namespace xlb {

class Supervision {
 public:
  explicit Supervision(EventLoop& loop);
  Supervision(const Supervision&) = delete;
  Supervision& operator=(const Supervision&) = delete;

  void ready();
  // A reload begins; ready() says that it ended, whether or not it changed anything.
  void reloading();
  void stopping();
  // Sent when the line differs from the last one.
  void describe(const Status& status);

 private:
  void ping();

  EventLoop& loop_;
  Duration interval_{};  // between two pings; 0: nobody waits for them
  EventLoop::Timer timer_;
  std::string line_;
};

}  // namespace xlb
