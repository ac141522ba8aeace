#include "io/worker.h"

#include <csignal>

#include <utility>

namespace xlb {

Worker::Worker(EventLoop& loop) : loop_(loop) {
  // The new thread inherits the mask: signals are the loop's.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { serve(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Worker::~Worker() {
  *alive_ = false;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  thread_.join();
}

void Worker::run(std::function<void()> work, std::function<void()> done) {
  const std::lock_guard lock(mutex_);
  jobs_.push_back({std::move(work), std::move(done)});
  wake_.notify_one();
}

void Worker::serve() {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (stopping_) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job.work();
    loop_.post([alive = alive_, done = std::move(job.done)] {
      if (*alive) done();
    });
  }
}

}  // namespace xlb
