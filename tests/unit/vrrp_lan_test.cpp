// Routers on a simulated link: whatever is lost, late, cut or stopped, somebody owns the addresses
// soon, and after healing exactly one does.
#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "core/vrrp.h"
#include "vrrp_lan.h"

using namespace xlb;
using namespace xlb::vrrp;
using namespace xlb::vrrp::test;

namespace {

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
