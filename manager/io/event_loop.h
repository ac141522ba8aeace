// The one event loop: epoll, one timerfd for all deadlines, a signalfd. It owns no state but whom
// to call. Urgent timers (VRRP) are served first in each turn and again before each further
// handler, and a handler with much to do serves them itself; before them, urgent descriptors, so
// that nobody is timed out whose word has arrived. Then descriptors and signals, then other timers.
// How late it serves deadlines is measured. Single-threaded: only post() may be called from another
// thread.
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "core/lag_histogram.h"
#include "core/types.h"

namespace xlb {

class EventLoop {
 public:
  enum class Urgency : uint8_t { urgent, normal };

  // Keeps a descriptor watched until destroyed; must not outlive the loop. Does not own the
  // descriptor: destroy the watch first, then close.
  class Watch {
   public:
    Watch() = default;
    Watch(Watch&&) noexcept;
    Watch& operator=(Watch&&) noexcept;
    ~Watch();
    void set_events(uint32_t epoll_events);
    void reset();
    // Closes the descriptor that is watched, and no other, which ends the watching too: half of
    // what reset() and close() ask of the kernel. Nobody may hold a copy of it.
    void close(UniqueFd& watched);

   private:
    friend class EventLoop;
    EventLoop* loop_ = nullptr;
    uint64_t id_ = 0;
  };

  // A one-shot timer, armed as often as wanted; cancelled by destruction. Must not outlive the
  // loop.
  class Timer {
   public:
    Timer() = default;
    Timer(Timer&&) noexcept;
    Timer& operator=(Timer&&) noexcept;
    ~Timer();
    void arm(TimePoint when);
    void disarm();
    [[nodiscard]] bool armed() const;

   private:
    friend class EventLoop;
    void destroy();
    EventLoop* loop_ = nullptr;
    uint64_t id_ = 0;
  };

  static Result<std::unique_ptr<EventLoop>> create();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  [[nodiscard]] Result<Watch> watch(int fd, uint32_t epoll_events,
                                    std::function<void(uint32_t epoll_events)> handler,
                                    Urgency urgency = Urgency::normal);
  [[nodiscard]] Timer timer(Urgency urgency, std::function<void()> handler);
  // Blocks these signals for the process and delivers them here. Call once.
  Result<void> on_signals(const std::vector<int>& signals, std::function<void(int signal)> handler);
  // Runs `work` in the loop's next turn; the only call another thread may make.
  void post(std::function<void()> work);

  // The monotonic time: read at the start of each handler, so equal within one.
  [[nodiscard]] TimePoint now() const;
  // For handlers with more to do than a millisecond: serves what is urgent and due, now. Never
  // while somebody's state is half written that urgent handlers use.
  void serve_urgent();
  // Whether an urgent handler runs, perhaps in the middle of another one: what it causes elsewhere
  // is to be posted.
  [[nodiscard]] bool serving_urgent() const;
  // Runs until stop(). A handler may create and destroy watches and timers, its own included.
  Result<void> run();
  // Ends run() after the current handler; before run(), makes it return at once.
  void stop();

  // Of the timers since start, or since restart_lag(). One that is not urgent is late by up to a
  // millisecond of its own accord.
  [[nodiscard]] const LagHistogram& lag() const;
  void restart_lag();

 private:
  EventLoop();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace xlb
