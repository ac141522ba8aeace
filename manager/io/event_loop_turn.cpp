// A turn of the loop: waiting for events, and who is served in which order.
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <utility>

#include "io/event_loop_impl.h"

namespace xlb {
namespace {

// Few: the timers that are due wait for all of their handlers.
constexpr size_t kEventsPerTurn = 16;
// Of those that are not urgent: when more is due than can be done, descriptors have their turn.
constexpr size_t kTimersPerTurn = 32;

// Deadlines that are not urgent are woken for together: setting the timer costs more than serving
// it where a hypervisor has to be asked.
constexpr auto kNormalGrain = std::chrono::milliseconds(1);

timespec to_timespec(TimePoint when) {
  // steady_clock is CLOCK_MONOTONIC. An all-zero value would disarm the timerfd.
  const auto since_boot = std::max(when.time_since_epoch(), Duration(1));
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
  const auto rest = std::chrono::duration_cast<std::chrono::nanoseconds>(since_boot - seconds);
  return {.tv_sec = seconds.count(), .tv_nsec = rest.count()};
}

}  // namespace

Result<void> EventLoop::Impl::watch_by(const UniqueFd& epoll, int fd, uint32_t events,
                                       uint64_t id) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = id;
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return fail_errno(errno, "cannot watch descriptor {}", fd);
  }
  return {};
}

template <typename Handler, typename... Args>
void EventLoop::Impl::call(const Handler& handler, Args... args) {
  const TimePoint outer_time = std::exchange(handler_time, TimePoint::clock::now());
  const bool in_outer = std::exchange(in_handler, true);
  handler(args...);
  in_handler = in_outer;
  handler_time = outer_time;
}

void EventLoop::Impl::serve_timers(Urgency urgency) {
  TimerQueue& waiting = queue(urgency);
  const size_t most = urgency == Urgency::normal ? kTimersPerTurn : timers.size();
  for (const auto& deadline : waiting.due(TimePoint::clock::now(), most)) {
    if (urgency == Urgency::normal) serve_urgent();
    if (stopping) return;
    if (!waiting.take(deadline)) continue;  // destroyed or armed anew
    const std::shared_ptr<TimerEntry> entry = timers.at(deadline.second);
    lag.note(TimePoint::clock::now() - deadline.first);
    call(entry->handler);
  }
}

// What urgent timers wait for may have arrived already: it is read before they are told that it
// has not.
void EventLoop::Impl::serve_urgent() {
  const std::optional<TimePoint> first = urgent.first();
  if (serving_urgent || !first || *first > TimePoint::clock::now()) return;
  serving_urgent = true;
  read_urgent();
  if (!stopping) serve_timers(Urgency::urgent);
  serving_urgent = false;
}

void EventLoop::Impl::read_urgent() {
  std::array<epoll_event, kEventsPerTurn> events{};
  const int count =
      ::epoll_wait(urgent_epoll.get(), events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < count && !stopping; ++i) {
    const epoll_event& event = events[static_cast<size_t>(i)];
    dispatch(event.data.u64, event.events);
  }
}

Result<void> EventLoop::Impl::set_timer_fd() {
  std::optional<TimePoint> earliest = urgent.first();
  if (const std::optional<TimePoint> first = normal.first()) {
    const TimePoint together = rounded_up(*first, kNormalGrain);
    earliest = earliest ? std::min(*earliest, together) : together;
  }
  if (earliest == timer_fd_set_to) return {};
  itimerspec spec{};
  if (earliest) spec.it_value = to_timespec(*earliest);
  if (::timerfd_settime(timer_fd.get(), TFD_TIMER_ABSTIME, &spec, nullptr) != 0) {
    return fail_errno(errno, "cannot set the event loop's timer");
  }
  timer_fd_set_to = earliest;
  return {};
}

void EventLoop::Impl::wake() const {
  const uint64_t one = 1;
  (void)!::write(post_fd.get(), &one, sizeof one);
}

void EventLoop::Impl::run_posted() {
  uint64_t count = 0;
  (void)!::read(post_fd.get(), &count, sizeof count);
  std::vector<std::function<void()>> work;
  {
    const std::lock_guard lock(posted_mutex);
    work.swap(posted);
  }
  for (auto next = work.begin(); next != work.end(); ++next) {
    serve_urgent();
    if (!stopping) {
      call(*next);
      continue;
    }
    // The next run() does the rest.
    const std::lock_guard lock(posted_mutex);
    posted.insert(posted.begin(), std::make_move_iterator(next),
                  std::make_move_iterator(work.end()));
    wake();
    return;
  }
}

void EventLoop::Impl::read_signals() {
  signalfd_siginfo received{};
  while (!stopping && ::read(signal_fd.get(), &received, sizeof received) ==
                          static_cast<ssize_t>(sizeof received)) {
    call(signal_handler, static_cast<int>(received.ssi_signo));
  }
}

void EventLoop::Impl::dispatch(uint64_t id, uint32_t events) {
  if (id == kTimerId) {
    uint64_t expirations = 0;
    (void)!::read(timer_fd.get(), &expirations, sizeof expirations);
    timer_fd_set_to.reset();
  } else if (id == kPostId) {
    run_posted();
  } else if (id == kSignalId) {
    read_signals();
  } else if (id == kUrgentId) {
    const bool outer = std::exchange(serving_urgent, true);
    read_urgent();
    serving_urgent = outer;
  } else if (const auto found = watches.find(id); found != watches.end()) {
    const std::shared_ptr<WatchEntry> entry = found->second;
    call(entry->handler, events);
  }
}

Result<void> EventLoop::Impl::turn() {
  if (auto set = set_timer_fd(); !set) return set;
  std::array<epoll_event, kEventsPerTurn> events{};
  const int count = ::epoll_wait(epoll.get(), events.data(), static_cast<int>(events.size()), -1);
  if (count < 0 && errno != EINTR) return fail_errno(errno, "cannot wait for events");
  for (int i = 0; i < count; ++i) {
    serve_urgent();
    if (stopping) return {};
    const epoll_event& event = events[static_cast<size_t>(i)];
    dispatch(event.data.u64, event.events);
  }
  if (!stopping) serve_urgent();
  if (!stopping) serve_timers(Urgency::normal);
  return {};
}

std::shared_ptr<EventLoop::Impl::WatchEntry> EventLoop::Impl::forget(uint64_t id) {
  const auto found = watches.find(id);
  if (found == watches.end()) return nullptr;
  std::shared_ptr<WatchEntry> entry = std::move(found->second);
  watches.erase(found);
  const auto current = watch_of_fd.find(entry->fd);
  if (current == watch_of_fd.end() || current->second != id) return nullptr;
  watch_of_fd.erase(current);
  return entry;
}

void EventLoop::Impl::unwatch(uint64_t id) {
  // Fails only when the owner closed the descriptor already, which unwatches it too.
  if (const auto entry = forget(id))
    (void)::epoll_ctl(entry->epoll, EPOLL_CTL_DEL, entry->fd, nullptr);
}
}  // namespace xlb
