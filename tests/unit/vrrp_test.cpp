// The election of one virtual router: its timers, its start, and what a backup does.
#include <doctest/doctest.h>

#include <set>

#include "core/vrrp.h"
#include "vrrp_bench.h"

using namespace xlb;
using namespace xlb::vrrp;
using namespace xlb::vrrp::test;

TEST_CASE("the master down interval is three intervals and the skew, to the nanosecond") {
  const auto down = [](const Settings& settings) {
    return nanoseconds(VirtualRouter(settings).master_down_interval()).count();
  };
  CHECK(down(with_priority(100)) == 3'609'375'000);
  CHECK(down(with_priority(254)) == 3'007'812'500);
  CHECK(down(with_priority(1)) == 3'996'093'750);
  CHECK(down(v3(100, milliseconds(100))) == 360'937'500);
  CHECK(down(v3(100, milliseconds(10))) == 36'093'750);
  CHECK(down(v3(254, milliseconds(10))) == 30'078'125);
  CHECK(down(v3(200, milliseconds(40950))) == 131'807'812'500);
}

TEST_CASE("the skew of version 2 is in seconds, of version 3 in intervals") {
  Settings settings = with_priority(192);
  settings.advert_interval = seconds(10);
  CHECK(VirtualRouter(settings).skew_time() == milliseconds(250));
  settings.version = VrrpVersion::v3;
  CHECK(VirtualRouter(settings).skew_time() == milliseconds(2500));
}

TEST_CASE("every priority has a skew of its own even at 10 ms") {
  std::set<Duration> skews;
  for (int priority = 1; priority < 256; ++priority) {
    skews.insert(VirtualRouter(v3(priority, milliseconds(10))).skew_time());
  }
  CHECK(skews.size() == 255);
  CHECK(*skews.begin() > Duration::zero());
}

TEST_CASE("a router starts as BACKUP and waits one master down interval") {
  Bench bench(with_priority(100));
  CHECK(bench.router.state() == State::init);
  CHECK_FALSE(bench.router.deadline());
  CHECK(bench.start() == "INIT->BACKUP");
  CHECK(bench.until_deadline() == bench.router.master_down_interval());
}

TEST_CASE("the address owner starts as MASTER at once") {
  Bench bench(with_priority(255));
  CHECK(bench.start() == "advertise 255, add, announce, INIT->MASTER");
}

TEST_CASE("a silent link is taken over: advertise, then addresses, then announce") {
  Bench bench = backup(with_priority(100));
  CHECK(bench.expire() == "advertise 100, add, announce, BACKUP->MASTER, lost nobody");
  CHECK_FALSE(bench.router.master_address());
}

TEST_CASE("a timer event before its deadline does nothing") {
  Bench bench = backup(with_priority(100));
  bench.pass(bench.until_deadline() - nanoseconds(1));
  CHECK(bench.give(TimerExpired{}).empty());
  bench = master(with_priority(100));
  bench.pass(bench.until_deadline() - nanoseconds(1));
  CHECK(bench.give(TimerExpired{}).empty());
}

TEST_CASE("a backup follows a master of higher or equal priority and knows its address") {
  for (const int priority : {100, 101, 255}) {
    Bench bench = backup(with_priority(100));
    bench.pass(seconds(2));
    CHECK(bench.hear(kLowerAddress, priority).empty());
    CHECK(bench.router.master_address() == kLowerAddress);
    CHECK(bench.until_deadline() == bench.router.master_down_interval());
  }
}

TEST_CASE("a master that falls silent is named when its backup takes over") {
  Bench bench = backup(with_priority(100));
  (void)bench.hear(kLowerAddress, 200);
  CHECK(bench.expire() == "advertise 100, add, announce, BACKUP->MASTER, lost 10.0.0.9");
}

TEST_CASE("after a farewell the backup takes over within the skew, and nobody is lost") {
  Bench bench = backup(with_priority(192));
  (void)bench.hear(kLowerAddress, 200);
  CHECK(bench.hear(kLowerAddress, 0).empty());
  CHECK_FALSE(bench.router.master_address());
  CHECK(bench.until_deadline() == milliseconds(250));
  CHECK(bench.expire() == "advertise 192, add, announce, BACKUP->MASTER");
}

TEST_CASE("a farewell is forgotten when another master speaks and then falls silent") {
  Bench bench = backup(with_priority(100));
  (void)bench.hear(kLowerAddress, 0);
  (void)bench.hear(kHigherAddress, 200);
  CHECK(bench.expire() == "advertise 100, add, announce, BACKUP->MASTER, lost 10.0.0.11");
}

TEST_CASE("a preempting backup ignores a lower master and takes over when its timer ends") {
  Bench bench = backup(with_priority(100));
  const TimePoint deadline = *bench.router.deadline();
  for (int i = 0; i < 3; ++i) {
    bench.pass(seconds(1));
    CHECK(bench.hear(kHigherAddress, 99).empty());
  }
  CHECK(bench.router.deadline() == deadline);
  CHECK(bench.router.master_address() == kHigherAddress);
  CHECK(bench.expire() == "advertise 100, add, announce, BACKUP->MASTER");
}

TEST_CASE("a lower master that fell silent while it was to be preempted is lost all the same") {
  Bench bench = backup(with_priority(100));
  (void)bench.hear(kHigherAddress, 99);
  CHECK(bench.expire() == "advertise 100, add, announce, BACKUP->MASTER, lost 10.0.0.11");
}

TEST_CASE("somebody else's lower advert does not hide that the master is lost") {
  Bench bench = backup(with_priority(100));
  (void)bench.hear(kLowerAddress, 200);
  bench.pass(seconds(3));
  (void)bench.hear(kHigherAddress, 50);
  CHECK(bench.expire() == "advertise 100, add, announce, BACKUP->MASTER, lost 10.0.0.9");
}

TEST_CASE("without preempt a backup follows a lower master") {
  Settings settings = with_priority(100);
  settings.preempt = false;
  Bench bench = backup(settings);
  bench.pass(seconds(3));
  CHECK(bench.hear(kLowerAddress, 1).empty());
  CHECK(bench.until_deadline() == bench.router.master_down_interval());
}

TEST_CASE("nopreempt counts only with state BACKUP and below priority 255") {
  VrrpInstanceConfig config;
  config.preempt = false;
  CHECK_FALSE(settings_of(config).preempt);
  config.initial_state = VrrpInitialState::master;
  CHECK(settings_of(config).preempt);
  config.initial_state = VrrpInitialState::backup;
  config.priority = 255;
  CHECK(settings_of(config).preempt);
}

TEST_CASE("version 3 learns the master's interval, version 2 keeps its own") {
  Bench bench = backup(v3(100, seconds(1)));
  (void)bench.hear(kLowerAddress, 200, milliseconds(500));
  CHECK(bench.until_deadline() == milliseconds(1500) + nanoseconds(milliseconds(500)) * 156 / 256);
  // As master it advertises at its own pace.
  (void)bench.expire();
  CHECK(bench.router.skew_time() == seconds(1) * 156.0 / 256);
  bench = backup(with_priority(100));
  (void)bench.hear(kLowerAddress, 200, milliseconds(500));
  CHECK(bench.until_deadline() == nanoseconds(3'609'375'000));
}

TEST_CASE("a forged interval of 40.95 s delays a takeover to four own intervals' worth at most") {
  Bench bench = backup(v3(100, milliseconds(100)));
  (void)bench.hear(kHigherAddress, 254, milliseconds(40950));
  CHECK(bench.until_deadline() == 4 * nanoseconds(360'937'500));
  bench = master(v3(100, milliseconds(100)));
  CHECK(bench.hear(kHigherAddress, 254, milliseconds(40950)) == "remove, MASTER->BACKUP");
  CHECK(bench.until_deadline() == 4 * nanoseconds(360'937'500));
}
