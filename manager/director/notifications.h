// The FIFOs and scripts of global_defs that hear of the daemon as a whole: notify_fifo,
// vrrp_notify_fifo and lvs_notify_fifo with their readers, startup_script and shutdown_script.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/config.h"
#include "core/notify_line.h"
#include "core/status.h"
#include "io/event_loop.h"
#include "io/notify_fifo.h"
#include "io/script.h"

namespace xlb {

class Notifications {
 public:
  Notifications(EventLoop& loop, ScriptRunner& scripts);
  Notifications(const Notifications&) = delete;
  Notifications& operator=(const Notifications&) = delete;

  // Opens the FIFOs and runs startup_script; `then` when it has ended, at once without one.
  void start(const GlobalSettings& global, const std::function<void()>& then);
  // FIFOs that did not change stay open, their readers go on.
  void reconfigure(const GlobalSettings& global);
  void tell(const VrrpNotice& notice);
  void tell(const ServiceKey& service, const QuorumEvent& event);
  // Every reader that a script is has read all.
  [[nodiscard]] bool drained() const;
  // Closes the FIFOs and runs shutdown_script; `then` when it has ended.
  void end(const GlobalSettings& global, const std::function<void()>& then);
  void describe(Status& status) const;

 private:
  // A FIFO and its reader.
  struct Channel {
    std::string word;
    NotifyFifoConfig config;
    std::unique_ptr<NotifyFifo> fifo;
    EventLoop::Timer reader_timer;  // to start the reader again
    bool loss_told = false;
  };

  void follow(Channel& channel, const NotifyFifoConfig& config);
  void start_reader(Channel& channel);
  void write(Channel& channel, const std::string& line);
  void run_hook(const std::string& word, const std::optional<ScriptCommand>& command,
                std::chrono::seconds timeout, const std::function<void()>& then);

  EventLoop& loop_;
  ScriptRunner& scripts_;
  ScriptRunner readers_;  // nobody waits for their end
  Channel all_;
  Channel vrrp_;
  Channel lvs_;
  bool ended_ = false;
};

}  // namespace xlb
