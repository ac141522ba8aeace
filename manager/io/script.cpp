#include "io/script.h"

#include <csignal>
#include <deque>
#include <map>
#include <utility>

#include "io/script_process.h"

namespace xlb {
namespace {

struct Job {
  ScriptCommand command;
  std::chrono::milliseconds timeout{};
  ScriptRunner::Callback done;
};

struct Running {
  ScriptProcess process;
  EventLoop::Watch watch;  // of the process' pidfd: destroyed before it
  EventLoop::Timer timer;
  bool timed_out = false;
};

struct Queue {
  std::deque<Job> jobs;  // the first one is running, or its end is being told
  std::unique_ptr<Running> running;
};

}  // namespace

struct ScriptRunner::Impl : std::enable_shared_from_this<ScriptRunner::Impl> {
  Impl(EventLoop& event_loop, std::chrono::milliseconds kill_patience)
      : loop(event_loop),
        patience(kill_patience),
        starter(event_loop.timer(EventLoop::Urgency::normal, [this] { start_next(); })) {}

  EventLoop& loop;
  const std::chrono::milliseconds patience;
  std::map<std::string, Queue, std::less<>> queues;  // only those with jobs
  std::deque<std::string> to_start;                  // queues whose first job waits for its start
  EventLoop::Timer starter;
  std::function<void()> became_idle;
  bool closed = false;  // the runner is gone: start nothing more

  void start_soon(const std::string& name) {
    to_start.push_back(name);
    if (!starter.armed()) starter.arm(loop.now());
  }

  // One a turn: a fork takes a good part of a millisecond, and others wait meanwhile.
  void start_next() {
    const std::string name = std::move(to_start.front());
    to_start.pop_front();
    if (!to_start.empty()) starter.arm(loop.now());
    start(name);
  }

  void start(const std::string& name) {
    Queue& queue = queues.at(name);
    const Job& job = queue.jobs.front();
    const auto failed = [&](const Error& error) {
      const std::string program =
          job.command.argv.empty() ? std::string("a script") : job.command.argv.front();
      finish_later(name, {false, fmt::format("cannot run {}: {}", program, error.text)});
    };
    auto process = start_script(job.command);
    if (!process) return failed(process.error());
    auto running = std::make_unique<Running>();
    running->process = std::move(process).value();
    auto watch =
        loop.watch(running->process.pidfd.get(), EPOLLIN, [this, name](uint32_t) { ended(name); });
    if (!watch) {
      // Nobody would notice its end.
      (void)::kill(-running->process.pid, SIGKILL);
      (void)collect_script(job.command, running->process);
      return failed(watch.error());
    }
    running->watch = std::move(watch).value();
    running->timer = loop.timer(EventLoop::Urgency::normal, [this, name] { out_of_time(name); });
    running->timer.arm(loop.now() + job.timeout);
    queue.running = std::move(running);
  }

  void out_of_time(const std::string& name) {
    Running& running = *queues.at(name).running;
    (void)::kill(-running.process.pid, running.timed_out ? SIGKILL : SIGTERM);
    if (!running.timed_out) running.timer.arm(loop.now() + patience);
    running.timed_out = true;
  }

  void ended(const std::string& name) {
    Queue& queue = queues.at(name);
    const std::unique_ptr<Running> running = std::move(queue.running);
    running->watch.reset();
    const Job& job = queue.jobs.front();
    // What the script has started goes with it; until it is collected nobody else has its number.
    if (running->timed_out) (void)::kill(-running->process.pid, SIGKILL);
    Outcome outcome = collect_script(job.command, running->process);
    if (running->timed_out) {
      const std::chrono::duration<double> seconds = job.timeout;
      outcome = {false, fmt::format("timed out after {:g} s", seconds.count())};
    }
    finish(name, outcome);
  }

  void finish_later(const std::string& name, Outcome outcome) {
    loop.post([self = weak_from_this(), name, outcome = std::move(outcome)] {
      const auto impl = self.lock();
      if (impl != nullptr && !impl->closed) impl->finish(name, outcome);
    });
  }

  // `done` may call run() for this queue, or destroy the runner.
  void finish(const std::string& name, const Outcome& outcome) {
    const auto alive = shared_from_this();
    const auto queue = queues.find(name);
    const Callback done = std::move(queue->second.jobs.front().done);
    if (done) done(outcome);
    if (closed) return;
    queue->second.jobs.pop_front();
    if (!queue->second.jobs.empty()) return start_soon(queue->first);
    queues.erase(queue);
    if (!queues.empty() || !became_idle) return;
    const std::function<void()> handler = became_idle;  // which may destroy the runner
    handler();
  }
};

ScriptRunner::ScriptRunner(EventLoop& loop, std::chrono::milliseconds patience)
    : impl_(std::make_shared<Impl>(loop, patience)) {}

ScriptRunner::~ScriptRunner() {
  impl_->closed = true;
  for (const std::string& name : impl_->to_start)
    (void)start_script(impl_->queues.at(name).jobs.front().command);
  impl_->queues.clear();
}

void ScriptRunner::run(std::string_view queue, ScriptCommand command,
                       std::chrono::milliseconds timeout, Callback done) {
  const auto [place, added] = impl_->queues.try_emplace(std::string(queue));
  place->second.jobs.push_back({std::move(command), timeout, std::move(done)});
  if (added) impl_->start_soon(place->first);
}

bool ScriptRunner::idle() const {
  return impl_->queues.empty();
}

void ScriptRunner::on_idle(std::function<void()> handler) {
  impl_->became_idle = std::move(handler);
}

}  // namespace xlb
