#include "io/event_loop.h"

#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include <csignal>
#include <utility>

#include "io/event_loop_impl.h"

namespace xlb {

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
  if (auto added = Impl::watch_by(impl.epoll, impl.timer_fd.get(), EPOLLIN, kTimerId); !added)
    return added.error();
  if (auto added = Impl::watch_by(impl.epoll, impl.post_fd.get(), EPOLLIN, kPostId); !added)
    return added.error();
  if (auto added = Impl::watch_by(impl.epoll, impl.urgent_epoll.get(), EPOLLIN, kUrgentId);
      !added) {
    return added.error();
  }
  return loop;
}

Result<EventLoop::Watch> EventLoop::watch(int fd, uint32_t epoll_events,
                                          std::function<void(uint32_t)> handler, Urgency urgency) {
  const uint64_t id = impl_->next_id++;
  const UniqueFd& epoll = urgency == Urgency::urgent ? impl_->urgent_epoll : impl_->epoll;
  if (auto added = Impl::watch_by(epoll, fd, epoll_events, id); !added) return added.error();
  impl_->watches.emplace(id, std::make_shared<Impl::WatchEntry>(
                                 Impl::WatchEntry{fd, epoll.get(), std::move(handler)}));
  impl_->watch_of_fd[fd] = id;
  Watch result;
  result.loop_ = this;
  result.id_ = id;
  return result;
}

EventLoop::Timer EventLoop::timer(Urgency urgency, std::function<void()> handler) {
  const uint64_t id = impl_->next_id++;
  impl_->timers.emplace(
      id, std::make_shared<Impl::TimerEntry>(Impl::TimerEntry{urgency, std::move(handler)}));
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
  return Impl::watch_by(impl_->epoll, impl_->signal_fd.get(), EPOLLIN, kSignalId);
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
