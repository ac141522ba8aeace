#include "io/script.h"

#include <atomic>
#include <csignal>
#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "io/script_process.h"
#include "io/worker.h"

namespace xlb {
namespace {

struct Job {
  ScriptCommand command;
  std::chrono::milliseconds timeout{};
  ScriptRunner::Callback done;
  bool cancelled = false;
};

struct Running {
  ScriptProcess process;
  EventLoop::Watch watch;  // of the process' pidfd: destroyed before it
  EventLoop::Timer timer;
  bool timed_out = false;
};

// The worker's while it is `begun`: looking up a user may ask a server, reading a program a disk.
struct Start {
  ScriptCommand command;
  ScriptRules rules;
  std::atomic<bool> begun = false;
  std::optional<Result<ScriptProcess>> process;
};

struct Queue {
  std::deque<Job> jobs;  // the first one is running, or its end is being told
  std::unique_ptr<Running> running;
};

}  // namespace

struct ScriptRunner::Impl : std::enable_shared_from_this<ScriptRunner::Impl> {
  Impl(EventLoop& event_loop, std::chrono::milliseconds kill_patience)
      : loop(event_loop), patience(kill_patience), worker(std::make_unique<Worker>(event_loop)) {}

  EventLoop& loop;
  const std::chrono::milliseconds patience;
  ScriptRules rules;
  std::map<std::string, Queue, std::less<>> queues;  // only those with jobs
  std::deque<std::shared_ptr<Start>> starts;         // asked of the worker, not told yet
  std::unique_ptr<Worker> worker;
  std::function<void()> became_idle;
  bool closed = false;  // the runner is gone: start nothing more

  void start_first(const std::string& name) {
    auto start = std::make_shared<Start>();
    start->command = queues.at(name).jobs.front().command;
    start->rules = rules;
    starts.push_back(start);
    worker->run(
        [start] {
          start->begun = true;
          start->process = start_script(start->command, start->rules);
        },
        [this, start, name] {
          starts.pop_front();
          started(name, std::move(*start->process));
        });
  }

  void started(const std::string& name, Result<ScriptProcess> process) {
    Queue& queue = queues.at(name);
    const Job& job = queue.jobs.front();
    const auto failed = [&](const Error& error) {
      const std::string program =
          job.command.argv.empty() ? std::string("a script") : job.command.argv.front();
      finish(name, {false, fmt::format("cannot run {}: {}", program, error.text)});
    };
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
    if (job.cancelled) out_of_time(name);
  }

  void cancel(std::string_view name) {
    const auto queue = queues.find(name);
    if (queue == queues.end()) return;
    std::deque<Job>& jobs = queue->second.jobs;
    jobs.erase(jobs.begin() + 1, jobs.end());
    jobs.front().done = nullptr;
    if (std::exchange(jobs.front().cancelled, true)) return;
    const auto& running = queue->second.running;
    if (running && !running->timed_out) out_of_time(queue->first);
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

  // `done` may call run() for this queue, or destroy the runner.
  void finish(const std::string& name, const Outcome& outcome) {
    const auto alive = shared_from_this();
    const auto queue = queues.find(name);
    const Callback done = std::move(queue->second.jobs.front().done);
    if (done) done(outcome);
    if (closed) return;
    queue->second.jobs.pop_front();
    if (!queue->second.jobs.empty()) return start_first(queue->first);
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
  impl_->worker.reset();
  for (const auto& start : impl_->starts) {
    if (!start->begun) (void)start_script(start->command, start->rules);
  }
  impl_->queues.clear();
}

void ScriptRunner::run(std::string_view queue, ScriptCommand command,
                       std::chrono::milliseconds timeout, Callback done) {
  const auto [place, added] = impl_->queues.try_emplace(std::string(queue));
  place->second.jobs.push_back({std::move(command), timeout, std::move(done)});
  if (added) impl_->start_first(place->first);
}

void ScriptRunner::set_rules(ScriptRules rules) {
  impl_->rules = std::move(rules);
}

void ScriptRunner::cancel(std::string_view queue) {
  impl_->cancel(queue);
}

bool ScriptRunner::idle() const {
  return impl_->queues.empty();
}

void ScriptRunner::on_idle(std::function<void()> handler) {
  impl_->became_idle = std::move(handler);
}

}  // namespace xlb
