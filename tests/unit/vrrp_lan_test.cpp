// Several routers on a simulated link with a clock of its own: whatever is lost, late, cut or
// stopped, somebody owns the addresses soon, and after healing exactly one does. Every run is
// repeatable from its seed.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "core/vrrp.h"

using namespace xlb;
using namespace xlb::vrrp;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr Duration kMaxDelay = milliseconds(2);

Settings with_priority(int priority, bool preempt = true) {
  Settings settings;
  settings.priority = static_cast<uint8_t>(priority);
  settings.preempt = preempt;
  return settings;
}

Settings v3(int priority, Duration interval, bool preempt = true) {
  Settings settings = with_priority(priority, preempt);
  settings.version = VrrpVersion::v3;
  settings.advert_interval = interval;
  return settings;
}

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

// The longest any of them waits for a silent master, one interval and the wire.
Duration takeover_bound(const std::vector<Settings>& settings) {
  Duration bound{};
  for (const Settings& one : settings) {
    const VirtualRouter router(one);
    bound = std::max(bound, router.master_down_interval() + one.advert_interval);
  }
  return bound + 2 * kMaxDelay;
}

const std::vector<Settings> kThree = {with_priority(100), with_priority(150), with_priority(200)};
const std::vector<Settings> kThreeFast = {v3(100, milliseconds(100)), v3(150, milliseconds(100)),
                                          v3(200, milliseconds(100))};
const std::vector<Settings> kThreeFastest = {v3(100, milliseconds(10)), v3(150, milliseconds(10)),
                                             v3(200, milliseconds(10))};
const std::vector<Settings> kEqualNoPreempt = {
    v3(100, milliseconds(100), false), v3(100, milliseconds(100), false),
    v3(200, milliseconds(100), false), v3(50, milliseconds(100), true)};

// Random cuts; after each, one interval later, exactly one owner.
void cut_and_heal(const std::vector<Settings>& settings, unsigned seed, int rounds) {
  Lan lan(settings, seed);
  const Duration interval = settings.front().advert_interval;
  const Duration bound = takeover_bound(settings);
  lan.start_all();
  lan.run_for(bound);
  for (int round = 0; round < rounds; ++round) {
    for (size_t who = 0; who < settings.size(); ++who) {
      lan.put_on_side(who, static_cast<int>(lan.random(2)));
    }
    lan.observe_anew();
    lan.run_for(interval * (1 + lan.random(80)) / 10);
    REQUIRE(lan.longest_without_owner() <= bound);
    REQUIRE(lan.longest_with_several() <= interval + 2 * kMaxDelay);
    lan.heal();
    lan.observe_anew();
    lan.run_for(bound);
    REQUIRE(lan.owners().size() == 1);
    REQUIRE(lan.longest_with_several() <= interval + 2 * kMaxDelay);
    REQUIRE(lan.longest_without_owner() <= bound);
  }
}

// Crashes, farewells, cuts and loss, all at once.
void torment(const std::vector<Settings>& settings, unsigned seed, int rounds) {
  Lan lan(settings, seed);
  const Duration interval = settings.front().advert_interval;
  const Duration bound = takeover_bound(settings);
  lan.set_loss_percent(20);
  lan.start_all();
  for (int round = 0; round < rounds; ++round) {
    const size_t who = lan.random(static_cast<unsigned>(settings.size()));
    switch (lan.random(4)) {
      case 0:
        lan.crash(who);
        break;
      case 1:
        lan.shut_down(who);
        break;
      case 2:
        lan.start(who);
        break;
      default:
        lan.put_on_side(who, static_cast<int>(lan.random(2)));
    }
    lan.observe_anew();
    lan.run_for(interval * (1 + lan.random(100)) / 10);
    REQUIRE(lan.longest_without_owner() <= bound);
  }
  lan.heal();
  lan.set_loss_percent(0);
  lan.start_all();
  lan.run_for(interval + 2 * kMaxDelay);
  lan.run_for(bound);
  lan.observe_anew();
  lan.run_for(seconds(60));
  CHECK(lan.owners().size() == 1);
  CHECK(lan.longest_with_several() <= interval + 2 * kMaxDelay);
  CHECK(lan.longest_without_owner() == Duration::zero());
}

}  // namespace

TEST_CASE("the highest priority owns the addresses within its down interval") {
  Lan lan(kThree, 1);
  lan.start_all();
  lan.observe_anew();
  lan.run_for(VirtualRouter(kThree[2]).master_down_interval() + kMaxDelay);
  CHECK(lan.owners() == std::vector<size_t>{2});
  lan.run_for(seconds(3600));
  CHECK(lan.owners() == std::vector<size_t>{2});
  CHECK(lan.longest_with_several() == Duration::zero());
}

TEST_CASE("equal priorities settle on one owner") {
  const std::vector<Settings> settings(5, v3(100, milliseconds(10)));
  for (unsigned seed = 1; seed <= 50; ++seed) {
    Lan lan(settings, seed);
    lan.start_all();
    lan.observe_anew();
    lan.run_for(seconds(1));
    REQUIRE(lan.owners().size() == 1);
    REQUIRE(lan.longest_with_several() <= milliseconds(10) + 2 * kMaxDelay);
  }
}

TEST_CASE("a crashed master is replaced within the down interval of its backup") {
  Lan lan(kThree, 1);
  lan.start_all();
  lan.run_for(seconds(10));
  lan.observe_anew();
  lan.crash(2);
  lan.run_for(seconds(10));
  CHECK(lan.owners() == std::vector<size_t>{1});
  CHECK(lan.longest_without_owner() <= VirtualRouter(kThree[1]).master_down_interval() + kMaxDelay);
}

TEST_CASE("a master that says farewell is replaced within the skew of its backup") {
  Lan lan(kThree, 1);
  lan.start_all();
  lan.run_for(seconds(10));
  lan.observe_anew();
  lan.shut_down(2);
  lan.run_for(seconds(10));
  CHECK(lan.owners() == std::vector<size_t>{1});
  CHECK(lan.longest_without_owner() <= VirtualRouter(kThree[1]).skew_time() + kMaxDelay);
}

TEST_CASE("a returning higher router takes over, and without preempt it does not") {
  for (const bool preempt : {true, false}) {
    Lan lan({with_priority(100), with_priority(200, preempt)}, 1);
    lan.start(0);
    lan.run_for(seconds(10));
    lan.start(1);
    lan.observe_anew();
    lan.run_for(seconds(10));
    CHECK(lan.owners() == std::vector<size_t>{preempt ? 1U : 0U});
    CHECK(lan.longest_without_owner() == Duration::zero());
    CHECK(lan.longest_with_several() <= kMaxDelay);
  }
}

TEST_CASE("a thousand cuts heal to one owner within one interval") {
  for (unsigned seed = 1; seed <= 10; ++seed) {
    cut_and_heal(kThree, seed, 25);
    cut_and_heal(kThreeFast, seed, 25);
    cut_and_heal(kThreeFastest, seed, 25);
    cut_and_heal(kEqualNoPreempt, seed, 25);
  }
}

TEST_CASE(
    "through crashes, cuts and a fifth of all adverts lost no side is long without an owner") {
  for (unsigned seed = 1; seed <= 10; ++seed) {
    torment(kThree, seed, 100);
    torment(kThreeFast, seed, 100);
    torment(kThreeFastest, seed, 100);
    torment(kEqualNoPreempt, seed, 100);
  }
}

TEST_CASE("routers of different version 3 intervals agree on one owner and keep it") {
  Lan lan({v3(100, milliseconds(100)), v3(200, milliseconds(900))}, 1);
  lan.start_all();
  lan.run_for(seconds(10));
  lan.observe_anew();
  lan.run_for(seconds(60));
  CHECK(lan.owners() == std::vector<size_t>{1});
  CHECK(lan.longest_with_several() == Duration::zero());
}

TEST_CASE("one forged advert of priority 254 and 40.95 s costs a bounded outage") {
  Lan lan({v3(100, milliseconds(100)), v3(200, milliseconds(100))}, 1);
  lan.start_all();
  lan.run_for(seconds(5));
  lan.observe_anew();
  lan.forge({IpAddress::v4(10, 0, 0, 66), 254, milliseconds(40950)});
  lan.run_for(seconds(60));
  CHECK(lan.owners() == std::vector<size_t>{1});
  CHECK(lan.longest_without_owner() <=
        4 * VirtualRouter(v3(200, milliseconds(100))).master_down_interval());
}

TEST_CASE("a stopped master does not take the addresses back from whom it may not preempt") {
  Lan lan({with_priority(100), with_priority(200, false)}, 1);
  lan.start(1);
  lan.run_for(seconds(5));
  lan.start(0);
  lan.run_for(seconds(5));
  REQUIRE(lan.owners() == std::vector<size_t>{1});
  lan.stop(1);
  lan.run_for(seconds(10));
  lan.wake(1);
  CHECK(lan.owners() == std::vector<size_t>{0});
  lan.run_for(seconds(60));
  CHECK(lan.owners() == std::vector<size_t>{0});
}

TEST_CASE("a backup that was stopped does not disturb the living master") {
  Lan lan({with_priority(200), with_priority(100)}, 1);
  lan.start_all();
  lan.run_for(seconds(10));
  lan.stop(1);
  lan.run_for(seconds(10));
  lan.observe_anew();
  lan.wake(1);
  lan.run_for(seconds(60));
  CHECK(lan.owners() == std::vector<size_t>{0});
  CHECK(lan.longest_with_several() == Duration::zero());
}
