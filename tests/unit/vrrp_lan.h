// Several virtual routers on a simulated link with a clock of its own. Adverts take a random time
// and may be lost; stations may be cut off, crash and be stopped. Repeatable from the seed.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "core/vrrp.h"

namespace xlb::vrrp::test {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

inline constexpr Duration kMaxDelay = milliseconds(2);

class Lan {
 public:
  Lan(const std::vector<Settings>& settings, unsigned seed) : random_(seed) {
    for (const Settings& one : settings) {
      const auto number = static_cast<uint8_t>(stations_.size() + 1);
      stations_.push_back(Station{one, VirtualRouter(one), IpAddress::v4(10, 0, 0, number)});
    }
  }

  void start(size_t who) { give(who, InterfaceUp{stations_[who].address}); }
  void start_all() {
    for (size_t who = 0; who < stations_.size(); ++who)
      start(who);
  }
  void shut_down(size_t who) { give(who, Shutdown{}); }
  // Without a farewell; what it owned is gone with it.
  void crash(size_t who) {
    stations_[who].router = VirtualRouter(stations_[who].settings);
    stations_[who].owns = false;
    observe();
  }
  // SIGSTOP: its addresses stay, its socket fills, its timers wait.
  void stop(size_t who) { stations_[who].stopped = true; }
  void wake(size_t who) {
    stations_[who].stopped = false;
    give(who, TimerExpired{});
    for (const auto& advert : std::exchange(stations_[who].socket, {}))
      give(who, advert);
  }
  // Stations hear each other only within a side.
  void put_on_side(size_t who, int side) { stations_[who].side = side; }
  void heal() {
    for (Station& station : stations_)
      station.side = 0;
  }
  void set_loss_percent(unsigned percent) { loss_percent_ = percent; }
  // An advertisement by somebody who is not one of the stations.
  void forge(const AdvertisementReceived& advert) {
    for (size_t who = 0; who < stations_.size(); ++who)
      deliver(who, advert, now_);
  }

  void run_for(Duration duration) {
    const TimePoint end = now_ + duration;
    while (step(end)) {
    }
    now_ = end;
    observe();
  }

  // From now on, how long a side with a living station had no owner, or several, at the longest.
  void observe_anew() {
    sides_.clear();
    longest_without_ = longest_with_several_ = Duration::zero();
    observe();
  }
  [[nodiscard]] Duration longest_without_owner() const { return longest_without_; }
  [[nodiscard]] Duration longest_with_several() const { return longest_with_several_; }

  [[nodiscard]] std::vector<size_t> owners() const {
    std::vector<size_t> result;
    for (size_t who = 0; who < stations_.size(); ++who) {
      if (stations_[who].owns) result.push_back(who);
    }
    return result;
  }
  [[nodiscard]] unsigned random(unsigned below) { return static_cast<unsigned>(random_() % below); }

 private:
  struct Station {
    Settings settings;
    VirtualRouter router;
    IpAddress address;
    bool owns = false;
    bool stopped = false;
    int side = 0;
    std::vector<AdvertisementReceived> socket = {};  // while stopped
  };
  struct Delivery {
    size_t to;
    AdvertisementReceived advert;
  };
  struct Side {
    std::optional<TimePoint> without_since;
    std::optional<TimePoint> several_since;
  };

  bool step(TimePoint end) {
    TimePoint next = end;
    std::optional<size_t> timer;
    for (size_t who = 0; who < stations_.size(); ++who) {
      const auto deadline = stations_[who].router.deadline();
      if (!stations_[who].stopped && deadline && *deadline < next) {
        next = *deadline;
        timer = who;
      }
    }
    const auto delivery = in_flight_.begin();
    if (delivery != in_flight_.end() && delivery->first < next) {
      now_ = delivery->first;
      const Delivery what = delivery->second;
      in_flight_.erase(delivery);
      if (stations_[what.to].stopped) {
        stations_[what.to].socket.push_back(what.advert);
      } else {
        give(what.to, what.advert);
      }
      return true;
    }
    if (!timer) return false;
    now_ = next;
    give(*timer, TimerExpired{});
    return true;
  }

  void give(size_t who, const Event& event) {
    Station& station = stations_[who];
    for (const Action& action : station.router.handle(event, now_)) {
      if (std::holds_alternative<AddAddresses>(action)) station.owns = true;
      if (std::holds_alternative<RemoveAddresses>(action)) station.owns = false;
      if (const auto* advert = std::get_if<SendAdvertisement>(&action)) {
        broadcast(who, advert->priority);
      }
    }
    observe();
  }

  void broadcast(size_t from, uint8_t priority) {
    const Station& sender = stations_[from];
    for (size_t to = 0; to < stations_.size(); ++to) {
      if (to == from || stations_[to].side != sender.side) continue;
      if (random(100) < loss_percent_) continue;
      const Duration delay = microseconds(random(static_cast<unsigned>(kMaxDelay.count() / 1000)));
      deliver(to, {sender.address, priority, sender.settings.advert_interval}, now_ + delay);
    }
  }

  void deliver(size_t to, const AdvertisementReceived& advert, TimePoint when) {
    in_flight_.emplace(when, Delivery{to, advert});
  }

  void observe() {
    std::map<int, std::pair<int, int>> alive_and_owning;
    for (const Station& station : stations_) {
      const bool alive = !station.stopped && station.router.state() != State::init;
      alive_and_owning[station.side].first += alive ? 1 : 0;
      alive_and_owning[station.side].second += station.owns ? 1 : 0;
    }
    for (const auto& [number, counts] : alive_and_owning) {
      Side& side = sides_[number];
      measure(side.without_since, counts.first > 0 && counts.second == 0, longest_without_);
      measure(side.several_since, counts.second > 1, longest_with_several_);
    }
  }

  void measure(std::optional<TimePoint>& since, bool holds, Duration& longest) const {
    if (since) longest = std::max(longest, now_ - *since);
    if (!holds) {
      since.reset();
    } else if (!since) {
      since = now_;
    }
  }

  std::mt19937 random_;
  TimePoint now_{seconds(1000)};
  std::vector<Station> stations_;
  std::multimap<TimePoint, Delivery> in_flight_;
  unsigned loss_percent_ = 0;
  std::map<int, Side> sides_;
  Duration longest_without_{};
  Duration longest_with_several_{};
};

}  // namespace xlb::vrrp::test
