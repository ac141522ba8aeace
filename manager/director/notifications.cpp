#include "director/notifications.h"

#include <utility>

#include "base/log.h"

namespace xlb {
namespace {

constexpr auto kReaderPause = std::chrono::seconds(5);
constexpr std::chrono::milliseconds kNoLimit = std::chrono::hours(24 * 365);

}  // namespace

Notifications::Notifications(EventLoop& loop, ScriptRunner& scripts)
    : loop_(loop), scripts_(scripts), readers_(loop) {
  all_.word = "notify_fifo";
  vrrp_.word = "vrrp_notify_fifo";
  lvs_.word = "lvs_notify_fifo";
}

void Notifications::start(const GlobalSettings& global, const std::function<void()>& then) {
  reconfigure(global);
  run_hook("startup_script", global.scripts.startup, global.scripts.startup_timeout, then);
}

void Notifications::reconfigure(const GlobalSettings& global) {
  readers_.set_rules(script_rules_of(global));
  follow(all_, global.scripts.all_fifo);
  follow(vrrp_, global.scripts.vrrp_fifo);
  follow(lvs_, global.scripts.lvs_fifo);
}

void Notifications::follow(Channel& channel, const NotifyFifoConfig& config) {
  if (channel.config == config) return;
  channel.config = config;
  readers_.cancel(channel.word);
  channel.reader_timer = EventLoop::Timer();
  channel.fifo.reset();
  channel.loss_told = false;
  if (config.path.empty()) return;
  auto fifo = NotifyFifo::open(loop_, config);
  if (!fifo) {
    log::error("{}: {}: nobody is told", channel.word, fifo.error().text);
    return;
  }
  channel.fifo = std::move(*fifo);
  if (!config.script) return;
  channel.reader_timer =
      loop_.timer(EventLoop::Urgency::normal, [this, &channel] { start_reader(channel); });
  start_reader(channel);
}

void Notifications::start_reader(Channel& channel) {
  ScriptCommand command = *channel.config.script;
  command.argv.push_back(channel.config.path);
  const std::string program = command.argv.front();
  readers_.run(channel.word, std::move(command), kNoLimit,
               [this, &channel, program](const ScriptRunner::Outcome& outcome) {
                 if (ended_) return;
                 log::warning("{}: its reader {}: {}; started again in {} s", channel.word, program,
                              outcome.text, kReaderPause.count());
                 channel.reader_timer.arm(loop_.now() + kReaderPause);
               });
}

void Notifications::write(Channel& channel, const std::string& line) {
  if (!channel.fifo) return;
  channel.fifo->write(line);
  if (channel.fifo->lost() == 0 || std::exchange(channel.loss_told, true)) return;
  log::warning("{}: nobody reads {}: the oldest lines are lost, and counted", channel.word,
               channel.config.path);
}

void Notifications::tell(const VrrpNotice& notice) {
  const std::string line = line_of(notice);
  write(all_, line);
  write(vrrp_, line);
}

void Notifications::tell(const ServiceKey& service, const QuorumEvent& event) {
  const std::string line = line_of(service, event);
  write(all_, line);
  write(lvs_, line);
}

bool Notifications::drained() const {
  for (const Channel* channel : {&all_, &vrrp_, &lvs_}) {
    if (channel->fifo && channel->config.script && !channel->fifo->drained()) return false;
  }
  return true;
}

void Notifications::end(const GlobalSettings& global, const std::function<void()>& then) {
  ended_ = true;
  for (Channel* channel : {&all_, &vrrp_, &lvs_}) {
    channel->fifo.reset();
    readers_.cancel(channel->word);
  }
  run_hook("shutdown_script", global.scripts.shutdown, global.scripts.shutdown_timeout, then);
}

void Notifications::run_hook(const std::string& word, const std::optional<ScriptCommand>& command,
                             std::chrono::seconds timeout, const std::function<void()>& then) {
  if (!command) return then();
  const std::string program = command->argv.front();
  scripts_.run(word, *command, timeout,
               [word, program, then](const ScriptRunner::Outcome& outcome) {
                 if (!outcome.ok) log::warning("{} {}: {}", word, program, outcome.text);
                 then();
               });
}

void Notifications::describe(Status& status) const {
  for (const Channel* channel : {&all_, &vrrp_, &lvs_}) {
    if (!channel->fifo) continue;
    status.notify_fifos.push_back(
        {channel->word, channel->fifo->path(), channel->fifo->lines(), channel->fifo->lost()});
  }
}

}  // namespace xlb
