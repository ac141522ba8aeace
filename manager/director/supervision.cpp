#include "director/supervision.h"

#include <fmt/format.h>

#include <chrono>

#include "core/status_line.h"
#include "io/service_notify.h"

namespace xlb {
namespace {

// Two pings fit in a watchdog's interval even if one is late by half of theirs.
constexpr int kPingsPerInterval = 3;

}  // namespace

Supervision::Supervision(EventLoop& loop)
    : loop_(loop), timer_(loop.timer(EventLoop::Urgency::normal, [this] { ping(); })) {
  const auto limit = watchdog_interval();
  if (!limit) return;
  interval_ = std::chrono::duration_cast<Duration>(*limit) / kPingsPerInterval;
  timer_.arm(loop.now());
}

void Supervision::ping() {
  timer_.arm(loop_.now() + interval_);
  notify_service("WATCHDOG=1");
}

void Supervision::ready() {
  notify_service("READY=1");
}

// MONOTONIC_USEC= lets systemd tell this reload's READY=1 from an earlier one (Type=notify-reload).
void Supervision::reloading() {
  const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now().time_since_epoch());
  notify_service(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now.count()));
}

void Supervision::stopping() {
  notify_service("STOPPING=1");
}

void Supervision::describe(const Status& status) {
  std::string line = status_line(status);
  if (line == line_) return;
  line_ = std::move(line);
  notify_service("STATUS=" + line_);
}

}  // namespace xlb
