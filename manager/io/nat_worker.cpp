#include "io/nat_worker.h"

#include <pthread.h>

#include <cerrno>
#include <csignal>

#include <utility>

namespace xlb {

NatWorker::NatWorker(EventLoop& loop, std::unique_ptr<NatTable> table, Applied applied)
    : loop_(loop), table_(std::move(table)), applied_(std::move(applied)) {
  holding_ = table_->balances();
  // Signals are the loop's.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { work(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

NatWorker::~NatWorker() {
  stop_thread();
  *alive_ = false;
}

void NatWorker::set_local(std::vector<LocalService> local, bool vips_on_loopback) {
  NatState state = state_;
  state.local = std::move(local);
  state.vips_on_loopback = vips_on_loopback;
  if (asked_ > 0 && !failed_ && state == state_) return;
  state_ = std::move(state);
  if (!holding_) ask();
}

void NatWorker::set_closed(std::vector<ClosedAddress> closed) {
  if (closed == state_.closed) return;
  state_.closed = std::move(closed);
  if (!holding_ && asked_ > 0) ask();
}

void NatWorker::set_balanced(std::optional<ForwardingTable> balanced) {
  if (asked_ > 0 && !failed_ && balanced == state_.balanced) return;
  holding_ = false;
  state_.balanced = std::move(balanced);
  ask();
}

void NatWorker::reassert() {
  if (asked_ > 0) ask(true);
}

void NatWorker::ask(bool reassert) {
  ++asked_;
  failed_ = false;
  const std::lock_guard lock(mutex_);
  pending_.state = state_;
  pending_.reassert = pending_.reassert || reassert;
  pending_number_ = asked_;
  wake_.notify_one();
}

void NatWorker::read(Read done) {
  if (read_done_) return;
  read_done_ = std::move(done);
  const std::lock_guard lock(mutex_);
  pending_.read = true;
  wake_.notify_one();
}

void NatWorker::work() {
  for (;;) {
    Work todo;
    uint64_t number = 0;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || pending_.state || pending_.read; });
      if (stopping_) return;
      todo = std::exchange(pending_, {});
      number = pending_number_;
    }
    if (todo.state) {
      Result<void> outcome = todo.reassert ? table_->reassert() : Result<void>();
      if (outcome) outcome = table_->apply(*todo.state);
      post_applied(std::move(outcome), number);
    }
    if (todo.read) read_table();
  }
}

void NatWorker::read_table() {
  const auto wanted = [this] {
    const std::lock_guard lock(mutex_);
    return stopping_ || pending_.state;
  };
  auto reading = std::make_shared<const Result<NatReading>>(table_->read(wanted));
  if (!*reading && reading->error().code == ECANCELED) {
    const std::lock_guard lock(mutex_);
    pending_.read = true;
    return;
  }
  loop_.post([this, alive = alive_, reading = std::move(reading)] {
    if (!*alive) return;
    const Read done = std::exchange(read_done_, {});
    done(reading);
  });
}

void NatWorker::post_applied(Result<void> outcome, uint64_t number) {
  loop_.post([this, alive = alive_, outcome = std::move(outcome), number] {
    if (!*alive) return;
    settled_ = number;
    failed_ = failed_ || (number == asked_ && !outcome);
    applied_(outcome);
  });
}

void NatWorker::stop_thread() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

Result<void> NatWorker::finish() {
  stop_thread();
  if (state_.local.empty()) return table_->remove();
  state_.balanced.reset();
  state_.closed.clear();
  return table_->apply(state_);
}

}  // namespace xlb
