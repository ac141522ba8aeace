// What the event loop, its watches and its timers share: whom to call, and by what they are known.
// Private to event_loop*.cpp.
//
// Identities: every watch and timer has a number that is never used again, so an event that epoll
// reported before a handler destroyed its watch finds nobody. A handler is held by shared_ptr while
// it runs: it may destroy its own watch or timer.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "core/timer_queue.h"
#include "io/event_loop.h"

namespace xlb {

// Identities of the loop's own descriptors; watches and timers follow.
inline constexpr uint64_t kTimerId = 1;
inline constexpr uint64_t kPostId = 2;
inline constexpr uint64_t kSignalId = 3;
inline constexpr uint64_t kUrgentId = 4;
inline constexpr uint64_t kFirstFreeId = 5;

struct EventLoop::Impl {
  struct WatchEntry {
    int fd = -1;
    int epoll = -1;  // that watches it
    std::function<void(uint32_t)> handler;
  };

  struct TimerEntry {
    Urgency urgency = Urgency::normal;
    std::function<void()> handler;
  };

  UniqueFd epoll;
  UniqueFd urgent_epoll;  // of the urgent watches; itself in `epoll`
  UniqueFd timer_fd;
  UniqueFd post_fd;
  UniqueFd signal_fd;
  std::function<void(int)> signal_handler;

  uint64_t next_id = kFirstFreeId;
  std::unordered_map<uint64_t, std::shared_ptr<WatchEntry>> watches;
  // The watch that a descriptor number stands for now: an owner that closed its descriptor too
  // early must not unwatch the next owner of the number.
  std::unordered_map<int, uint64_t> watch_of_fd;
  std::unordered_map<uint64_t, std::shared_ptr<TimerEntry>> timers;
  TimerQueue urgent;
  TimerQueue normal;
  std::optional<TimePoint> timer_fd_set_to;

  std::mutex posted_mutex;
  std::vector<std::function<void()>> posted;

  TimePoint handler_time;
  bool in_handler = false;
  bool serving_urgent = false;
  bool stopping = false;
  LagHistogram lag;

  TimerQueue& queue(Urgency urgency) { return urgency == Urgency::urgent ? urgent : normal; }
  TimerQueue& queue_of(uint64_t timer) { return queue(timers.at(timer)->urgency); }

  static Result<void> watch_by(const UniqueFd& epoll, int fd, uint32_t events, uint64_t id);
  // Whose descriptor the kernel still watches, unless it is closed by now.
  std::shared_ptr<WatchEntry> forget(uint64_t id);
  void unwatch(uint64_t id);

  Result<void> turn();
  void serve_urgent();
  // Fails only when the counter is full, and then the loop wakes anyway.
  void wake() const;

 private:
  template <typename Handler, typename... Args>
  void call(const Handler& handler, Args... args);
  // Serves the timers that are due now, each at most once: one that re-arms itself in the past
  // waits for the next pass.
  void serve_timers(Urgency urgency);
  void read_urgent();
  Result<void> set_timer_fd();
  void run_posted();
  void read_signals();
  void dispatch(uint64_t id, uint32_t events);
};

}  // namespace xlb
