#include "lan.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>

namespace xlb::vrrp::lan {
namespace {

constexpr Duration kNever = Duration::max();
constexpr IpAddress kStranger = IpAddress::v4(10, 0, 0, 250);

}  // namespace

Lan::Lan(const Scenario& scenario, Trace trace)
    : scenario_(scenario),
      trace_(std::move(trace)),
      random_(scenario.seed ^ 0x6c616e),
      link_(scenario.link),
      judge_(scenario_) {
  for (const RouterPlan& plan : scenario_.routers) {
    const auto number = static_cast<uint8_t>(stations_.size() + 1);
    stations_.push_back(
        {plan, VirtualRouter(plan.settings), IpAddress::v4(10, 0, 0, number), {}, {}, {}});
  }
}

std::optional<std::string> Lan::run() {
  for (size_t who = 0; who < stations_.size(); ++who)
    begin(who);
  for (const Event& event : scenario_.events) {
    run_until(event.at);
    apply(event);
  }
  run_until(scenario_.ends);
  repair();
  run_until(scenario_.ends + judge_.settles_after() + judge_.quiet_for());
  return judge_.violation();
}

TimePoint Lan::local_time(const Station& station) const {
  return TimePoint(std::chrono::hours(1) + now_ + now_ / 1'000'000 * station.plan.clock_ppm);
}

// When its loop serves the timer, in the link's time.
Duration Lan::due(const Station& station) const {
  const auto deadline = station.router.deadline();
  if (!station.view.running || station.view.paused || !deadline) return kNever;
  const Duration ahead = *deadline - local_time(station);
  if (ahead <= Duration::zero()) return now_ + station.late;
  return now_ + ahead - ahead / 1'000'000 * station.plan.clock_ppm + station.late +
         std::chrono::microseconds(1);
}

Duration Lan::drawn(Duration most) {
  return most * random_.below(1000) / 1000;
}

void Lan::run_until(Duration end) {
  while (!judge_.violation() && step(end)) {
  }
  now_ = std::max(now_, end);
  observe();
}

bool Lan::step(Duration end) {
  Duration next = end;
  std::optional<size_t> timer;
  for (size_t who = 0; who < stations_.size(); ++who) {
    const Duration at = due(stations_[who]);
    if (at < next) next = at, timer = who;
  }
  if (!in_flight_.empty() && in_flight_.top().at < next) {
    const Delivery delivery = in_flight_.top();
    in_flight_.pop();
    now_ = delivery.at;
    Station& station = stations_[delivery.to];
    if (station.view.paused) {
      station.socket.push_back(delivery.advert);
    } else if (station.view.running) {
      give(delivery.to, delivery.advert);
    }
    return true;
  }
  if (!timer) return false;
  now_ = next;
  stations_[*timer].late = drawn(stations_[*timer].plan.most_late);
  give(*timer, TimerExpired{});
  return true;
}

void Lan::apply(const Event& event) {
  Station& station = stations_[event.who];
  switch (event.what) {
    case Mishap::cut:
      return cut(event.sides);
    case Mishap::heal:
      return cut(std::vector<int>(stations_.size(), 0));
    case Mishap::crash:
      return crash(event.who);
    case Mishap::shut_down:
      if (station.view.running && !station.view.paused) give(event.who, Shutdown{});
      return crash(event.who);
    case Mishap::begin:
      return begin(event.who);
    case Mishap::pause:
      station.view.paused = station.view.running;
      break;
    case Mishap::wake:
      return wake(event.who);
    case Mishap::unplug:
      if (!station.view.running || station.view.paused) return;
      give(event.who, InterfaceDown{});
      station.view.running = false;
      break;
    case Mishap::plug:
      return begin(event.who);
    case Mishap::reload:
      return reload(event.who, event.settings);
    case Mishap::forge:
      return forge();
  }
  observe();
}

void Lan::begin(size_t who) {
  Station& station = stations_[who];
  if (station.view.running) return;
  station.view.running = true;
  station.view.paused = false;
  ++station.view.disturbed;
  give(who, InterfaceUp{station.address});
}

void Lan::crash(size_t who) {
  Station& station = stations_[who];
  station.router = VirtualRouter(station.plan.settings);
  station.view.running = station.view.paused = station.view.owns = false;
  station.socket.clear();
  ++station.view.disturbed;
  observe();
}

void Lan::wake(size_t who) {
  Station& station = stations_[who];
  if (!station.view.paused) return;
  station.view.paused = false;
  ++station.view.disturbed;
  give(who, TimerExpired{});
  for (const AdvertisementReceived& advert : std::exchange(station.socket, {}))
    give(who, advert);
}

void Lan::reload(size_t who, const Settings& settings) {
  Station& station = stations_[who];
  station.plan.settings = settings;
  ++station.view.disturbed;
  if (station.view.paused)
    return crash(who);  // it would reload when it wakes; begun anew is harder
  carry_out(who, station.router.reconfigure(settings, local_time(station)));
}

void Lan::cut(const std::vector<int>& sides) {
  for (size_t who = 0; who < stations_.size(); ++who)
    stations_[who].view.side = sides[who];
  observe();
}

void Lan::forge() {
  for (size_t who = 0; who < stations_.size(); ++who) {
    ++stations_[who].view.disturbed;
    deliver(who, {kStranger, 254, std::chrono::milliseconds(40'950)});
  }
}

void Lan::repair() {
  link_ = repaired_link(scenario_);
  cut(std::vector<int>(stations_.size(), 0));
  for (size_t who = 0; who < stations_.size(); ++who) {
    wake(who);
    begin(who);
  }
  judge_.repaired(now_);
  if (trace_) trace_(now_, "all repaired");
}

void Lan::give(size_t who, const vrrp::Event& event) {
  Station& station = stations_[who];
  carry_out(who, station.router.handle(event, local_time(station)));
}

void Lan::carry_out(size_t who, const Actions& actions) {
  Station& station = stations_[who];
  for (const Action& action : actions) {
    if (std::holds_alternative<AddAddresses>(action)) station.view.owns = true;
    if (std::holds_alternative<RemoveAddresses>(action)) station.view.owns = false;
    if (const auto* advert = std::get_if<SendAdvertisement>(&action))
      broadcast(who, advert->priority);
    if (const auto* change = std::get_if<StateChanged>(&action)) {
      judge_.state_changed(now_, who);
      if (trace_) {
        trace_(now_,
               fmt::format("router {}: {} -> {}", who, name_of(change->from), name_of(change->to)));
      }
    }
  }
  observe();
}

void Lan::broadcast(size_t from, uint8_t priority) {
  const Station& sender = stations_[from];
  if (trace_) trace_(now_, fmt::format("router {} says {}", from, priority));
  for (size_t to = 0; to < stations_.size(); ++to) {
    if (to == from || stations_[to].view.side != sender.view.side) continue;
    if (random_.percent(static_cast<uint32_t>(link_.loss_percent))) continue;
    const AdvertisementReceived advert{sender.address, priority,
                                       sender.plan.settings.advert_interval};
    deliver(to, advert);
    if (random_.percent(static_cast<uint32_t>(link_.duplicate_percent))) deliver(to, advert);
  }
}

void Lan::deliver(size_t to, const AdvertisementReceived& advert) {
  in_flight_.push({now_ + drawn(link_.most_delay), ++sent_, to, advert});
  judge_.sent(now_, sent_);
}

void Lan::observe() {
  std::vector<StationView> views;
  views.reserve(stations_.size());
  for (Station& station : stations_) {
    station.view.priority = station.plan.settings.priority;
    station.view.preempt = station.plan.settings.preempt;
    views.push_back(station.view);
  }
  judge_.look(now_, views);
}

}  // namespace xlb::vrrp::lan
