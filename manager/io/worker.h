// Calls into the kernel that may have to wait, off the loop: one thread that does them in order.
// Who changes the network configuration of any namespace holds the kernel's one lock on it, for
// tens of milliseconds when an interface goes; whatever needs that lock meanwhile waits.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "io/event_loop.h"

namespace xlb {

class Worker {
 public:
  explicit Worker(EventLoop& loop);
  // Waits for the call under way; what was not begun is dropped, and nobody is told any more.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Calls `work` on the thread, then `done` from the loop. What `work` uses must be its own.
  void run(std::function<void()> work, std::function<void()> done);

 private:
  struct Job {
    std::function<void()> work;
    std::function<void()> done;
  };

  void serve();

  EventLoop& loop_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for what was posted
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;   // under mutex_
  bool stopping_ = false;  // under mutex_
  std::thread thread_;
};

}  // namespace xlb
