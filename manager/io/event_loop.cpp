// Identities: every watch and timer has a number that is never used again, so an event that epoll
// reported before a handler destroyed its watch finds nobody. A handler is held by shared_ptr while
// it runs: it may destroy its own watch or timer.
#include "io/event_loop.h"

#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

#include "core/timer_queue.h"

namespace xlb {
namespace {

// Identities of the loop's own descriptors; watches and timers follow.
constexpr uint64_t kTimerId = 1;
constexpr uint64_t kPostId = 2;
constexpr uint64_t kSignalId = 3;
constexpr uint64_t kUrgentId = 4;
constexpr uint64_t kFirstFreeId = 5;

// Few: the timers that are due wait for all of their handlers.
constexpr size_t kEventsPerTurn = 16;
// Of those that are not urgent: when more is due than can be done, descriptors have their turn.
constexpr size_t kTimersPerTurn = 32;

// Deadlines that are not urgent are woken for together: setting the timer costs more than serving
// it where a hypervisor has to be asked.
constexpr auto kNormalGrain = std::chrono::milliseconds(1);

struct WatchEntry {
  int fd = -1;
  int epoll = -1;  // that watches it
  std::function<void(uint32_t)> handler;
};

struct TimerEntry {
  EventLoop::Urgency urgency = EventLoop::Urgency::normal;
  std::function<void()> handler;
};

timespec to_timespec(TimePoint when) {
  // steady_clock is CLOCK_MONOTONIC. An all-zero value would disarm the timerfd.
  const auto since_boot = std::max(when.time_since_epoch(), Duration(1));
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
  const auto rest = std::chrono::duration_cast<std::chrono::nanoseconds>(since_boot - seconds);
  return {.tv_sec = seconds.count(), .tv_nsec = rest.count()};
}

}  // namespace

struct EventLoop::Impl {
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

  Result<void> add(int fd, uint32_t events, uint64_t id) const {
    return add_to(epoll, fd, events, id);
  }

  static Result<void> add_to(const UniqueFd& epoll, int fd, uint32_t events, uint64_t id) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = id;
    if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
      return fail_errno(errno, "cannot watch descriptor {}", fd);
    }
    return {};
  }

  template <typename Handler, typename... Args>
  void call(const Handler& handler, Args... args) {
    const TimePoint outer_time = std::exchange(handler_time, TimePoint::clock::now());
    const bool in_outer = std::exchange(in_handler, true);
    handler(args...);
    in_handler = in_outer;
    handler_time = outer_time;
  }

  // Serves the timers that are due now, each at most once: one that re-arms itself in the past
  // waits for the next pass.
  void serve_timers(Urgency urgency) {
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
  void serve_urgent() {
    const std::optional<TimePoint> first = urgent.first();
    if (serving_urgent || !first || *first > TimePoint::clock::now()) return;
    serving_urgent = true;
    read_urgent();
    if (!stopping) serve_timers(Urgency::urgent);
    serving_urgent = false;
  }

  void read_urgent() {
    std::array<epoll_event, kEventsPerTurn> events{};
    const int count =
        ::epoll_wait(urgent_epoll.get(), events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < count && !stopping; ++i) {
      const epoll_event& event = events[static_cast<size_t>(i)];
      dispatch(event.data.u64, event.events);
    }
  }

  Result<void> set_timer_fd() {
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

  // Fails only when the counter is full, and then the loop wakes anyway.
  void wake() const {
    const uint64_t one = 1;
    (void)!::write(post_fd.get(), &one, sizeof one);
  }

  void run_posted() {
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

  void read_signals() {
    signalfd_siginfo received{};
    while (!stopping && ::read(signal_fd.get(), &received, sizeof received) ==
                            static_cast<ssize_t>(sizeof received)) {
      call(signal_handler, static_cast<int>(received.ssi_signo));
    }
  }

  void dispatch(uint64_t id, uint32_t events) {
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

  Result<void> turn() {
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

  // Whose descriptor the kernel still watches, unless it is closed by now.
  std::shared_ptr<WatchEntry> forget(uint64_t id) {
    const auto found = watches.find(id);
    if (found == watches.end()) return nullptr;
    std::shared_ptr<WatchEntry> entry = std::move(found->second);
    watches.erase(found);
    const auto current = watch_of_fd.find(entry->fd);
    if (current == watch_of_fd.end() || current->second != id) return nullptr;
    watch_of_fd.erase(current);
    return entry;
  }

  void unwatch(uint64_t id) {
    // Fails only when the owner closed the descriptor already, which unwatches it too.
    if (const auto entry = forget(id))
      (void)::epoll_ctl(entry->epoll, EPOLL_CTL_DEL, entry->fd, nullptr);
  }
};

EventLoop::EventLoop() : impl_(std::make_unique<Impl>()) {}
EventLoop::~EventLoop() = default;

Result<std::unique_ptr<EventLoop>> EventLoop::create() {
  std::unique_ptr<EventLoop> loop(new EventLoop());
  Impl& impl = *loop->impl_;
  impl.epoll.reset(::epoll_create1(EPOLL_CLOEXEC));
  impl.urgent_epoll.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!impl.epoll.valid() || !impl.urgent_epoll.valid())
    return fail_errno(errno, "cannot create the event loop");
  impl.timer_fd.reset(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!impl.timer_fd.valid()) return fail_errno(errno, "cannot create the event loop's timer");
  impl.post_fd.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!impl.post_fd.valid()) return fail_errno(errno, "cannot create the event loop's eventfd");
  if (auto added = impl.add(impl.timer_fd.get(), EPOLLIN, kTimerId); !added) return added.error();
  if (auto added = impl.add(impl.post_fd.get(), EPOLLIN, kPostId); !added) return added.error();
  if (auto added = impl.add(impl.urgent_epoll.get(), EPOLLIN, kUrgentId); !added) {
    return added.error();
  }
  return loop;
}

Result<EventLoop::Watch> EventLoop::watch(int fd, uint32_t epoll_events,
                                          std::function<void(uint32_t)> handler, Urgency urgency) {
  const uint64_t id = impl_->next_id++;
  const UniqueFd& epoll = urgency == Urgency::urgent ? impl_->urgent_epoll : impl_->epoll;
  if (auto added = Impl::add_to(epoll, fd, epoll_events, id); !added) return added.error();
  impl_->watches.emplace(
      id, std::make_shared<WatchEntry>(WatchEntry{fd, epoll.get(), std::move(handler)}));
  impl_->watch_of_fd[fd] = id;
  Watch result;
  result.loop_ = this;
  result.id_ = id;
  return result;
}

EventLoop::Timer EventLoop::timer(Urgency urgency, std::function<void()> handler) {
  const uint64_t id = impl_->next_id++;
  impl_->timers.emplace(id, std::make_shared<TimerEntry>(TimerEntry{urgency, std::move(handler)}));
  Timer result;
  result.loop_ = this;
  result.id_ = id;
  return result;
}

Result<void> EventLoop::on_signals(const std::vector<int>& signals,
                                   std::function<void(int)> handler) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals)
    sigaddset(&set, signal);
  if (const int code = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); code != 0) {
    return fail_errno(code, "cannot block signals");
  }
  impl_->signal_fd.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!impl_->signal_fd.valid()) return fail_errno(errno, "cannot create a signalfd");
  impl_->signal_handler = std::move(handler);
  return impl_->add(impl_->signal_fd.get(), EPOLLIN, kSignalId);
}

void EventLoop::post(std::function<void()> work) {
  {
    const std::lock_guard lock(impl_->posted_mutex);
    impl_->posted.push_back(std::move(work));
  }
  impl_->wake();
}

TimePoint EventLoop::now() const {
  return impl_->in_handler ? impl_->handler_time : TimePoint::clock::now();
}

void EventLoop::serve_urgent() {
  impl_->serve_urgent();
}

bool EventLoop::serving_urgent() const {
  return impl_->serving_urgent;
}

Result<void> EventLoop::run() {
  Result<void> result;
  while (result && !impl_->stopping)
    result = impl_->turn();
  impl_->stopping = false;
  return result;
}

void EventLoop::stop() {
  impl_->stopping = true;
}

const LagHistogram& EventLoop::lag() const {
  return impl_->lag;
}

void EventLoop::restart_lag() {
  impl_->lag = LagHistogram();
}

EventLoop::Watch::Watch(Watch&& other) noexcept
    : loop_(std::exchange(other.loop_, nullptr)), id_(other.id_) {}

EventLoop::Watch& EventLoop::Watch::operator=(Watch&& other) noexcept {
  if (this != &other) {
    reset();
    loop_ = std::exchange(other.loop_, nullptr);
    id_ = other.id_;
  }
  return *this;
}

EventLoop::Watch::~Watch() {
  reset();
}

void EventLoop::Watch::set_events(uint32_t epoll_events) {
  if (loop_ == nullptr) return;
  const auto found = loop_->impl_->watches.find(id_);
  if (found == loop_->impl_->watches.end()) return;
  epoll_event event{};
  event.events = epoll_events;
  event.data.u64 = id_;
  (void)::epoll_ctl(found->second->epoll, EPOLL_CTL_MOD, found->second->fd, &event);
}

void EventLoop::Watch::reset() {
  if (loop_ != nullptr) std::exchange(loop_, nullptr)->impl_->unwatch(id_);
}

void EventLoop::Watch::close(UniqueFd& watched) {
  if (loop_ != nullptr) (void)std::exchange(loop_, nullptr)->impl_->forget(id_);
  watched.reset();
}

EventLoop::Timer::Timer(Timer&& other) noexcept
    : loop_(std::exchange(other.loop_, nullptr)), id_(other.id_) {}

EventLoop::Timer& EventLoop::Timer::operator=(Timer&& other) noexcept {
  if (this != &other) {
    destroy();
    loop_ = std::exchange(other.loop_, nullptr);
    id_ = other.id_;
  }
  return *this;
}

EventLoop::Timer::~Timer() {
  destroy();
}

void EventLoop::Timer::arm(TimePoint when) {
  if (loop_ != nullptr) loop_->impl_->queue_of(id_).arm(id_, when);
}

void EventLoop::Timer::disarm() {
  if (loop_ != nullptr) loop_->impl_->queue_of(id_).disarm(id_);
}

bool EventLoop::Timer::armed() const {
  return loop_ != nullptr && loop_->impl_->queue_of(id_).armed(id_);
}

void EventLoop::Timer::destroy() {
  if (loop_ == nullptr) return;
  disarm();
  std::exchange(loop_, nullptr)->impl_->timers.erase(id_);
}

}  // namespace xlb
