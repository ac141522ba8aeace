// The rules of docs/vrrp.md about timers and the state machine, by their numbers.
#include <doctest/doctest.h>

#include <set>

#include "core/vrrp.h"
#include "vrrp_bench.h"

using namespace xlb;
using namespace xlb::vrrp;
using namespace xlb::vrrp::test;

namespace {

Duration down(const Settings& settings) {
  return VirtualRouter(settings).master_down_interval();
}

}  // namespace

TEST_CASE("VRRP 60: skew time of version 2 is (256 - priority) / 256 seconds") {
  Settings settings = with_priority(192);
  settings.advert_interval = seconds(10);
  CHECK(VirtualRouter(settings).skew_time() == milliseconds(250));
}

TEST_CASE("VRRP 61: version 2 waits three intervals and the skew") {
  Settings settings = with_priority(192);
  settings.advert_interval = seconds(10);
  CHECK(down(settings) == milliseconds(30'250));
  settings.down_timer_adverts = 5;
  CHECK(down(settings) == milliseconds(50'250));
}

TEST_CASE("VRRP 62: skew time of version 3 is (256 - priority) / 256 intervals") {
  CHECK(VirtualRouter(v3(192, seconds(10))).skew_time() == milliseconds(2500));
}

TEST_CASE("VRRP 63: version 3 waits three active intervals and the skew") {
  CHECK(down(v3(192, seconds(10))) == milliseconds(32'500));
}

TEST_CASE("VRRP 64: the active interval is our own until a master's is learned") {
  Bench bench = backup(v3(192, seconds(1)));
  CHECK(bench.router.master_down_interval() == milliseconds(3250));
  (void)bench.hear(kHigherAddress, 200, seconds(2));
  CHECK(bench.router.master_down_interval() == milliseconds(6500));
  Bench second = backup(with_priority(192));
  (void)second.hear(kHigherAddress, 200, seconds(2));
  CHECK(second.router.master_down_interval() == milliseconds(3250));
}

TEST_CASE("VRRP 65: the vectors of the timers") {
  CHECK(nanoseconds(down(with_priority(100))).count() == 3'609'375'000);
  CHECK(nanoseconds(down(with_priority(254))).count() == 3'007'812'500);
  CHECK(nanoseconds(down(with_priority(1))).count() == 3'996'093'750);
  CHECK(nanoseconds(down(v3(100, milliseconds(100)))).count() == 360'937'500);
  CHECK(nanoseconds(down(v3(100, milliseconds(10)))).count() == 36'093'750);
  CHECK(nanoseconds(down(v3(254, milliseconds(10)))).count() == 30'078'125);
  CHECK(nanoseconds(down(v3(200, milliseconds(40950)))).count() == 131'807'812'500);
}

TEST_CASE("VRRP 66: every priority has a skew of its own even at one centisecond") {
  std::set<Duration> skews;
  for (int priority = 1; priority < 256; ++priority)
    skews.insert(VirtualRouter(v3(priority, milliseconds(10))).skew_time());
  CHECK(skews.size() == 255);
  CHECK(*skews.begin() > Duration::zero());
}

TEST_CASE("VRRP 70: an owner starts as master: advertises, then announces") {
  Bench bench(with_priority(255));
  CHECK(bench.start() == "advertise 255, add, announce, INIT->MASTER");
}

TEST_CASE("VRRP 71: everybody else starts as backup with the down timer") {
  Bench bench(with_priority(254));
  CHECK(bench.start() == "INIT->BACKUP");
  CHECK(bench.until_deadline() == bench.router.master_down_interval());
}

TEST_CASE("VRRP 77: a backup that stops sends nothing") {
  Bench bench = backup(with_priority(100));
  CHECK(bench.give(Shutdown{}) == "BACKUP->INIT");
  CHECK_FALSE(bench.router.deadline());
}

TEST_CASE("VRRP 78: when the timer fires a backup advertises, announces and is master") {
  Bench bench = backup(with_priority(100));
  CHECK(bench.expire() == "advertise 100, add, announce, BACKUP->MASTER, lost nobody");
  CHECK(bench.until_deadline() == seconds(1));
}

TEST_CASE("VRRP 79: priority 0 shortens the timer to the skew") {
  Bench bench = backup(with_priority(192));
  (void)bench.hear(kHigherAddress, 200);
  (void)bench.hear(kHigherAddress, 0);
  CHECK(bench.until_deadline() == milliseconds(250));
}

TEST_CASE("VRRP 80: a master that is not preempted resets the timer") {
  for (const bool preempt : {true, false}) {
    Settings settings = with_priority(100);
    settings.preempt = preempt;
    Bench bench = backup(settings);
    bench.pass(seconds(2));
    (void)bench.hear(kHigherAddress, preempt ? 100 : 50);
    CHECK(bench.until_deadline() == bench.router.master_down_interval());
  }
}

TEST_CASE("VRRP 81: a master of lower priority does not, where it is preempted") {
  Bench bench = backup(with_priority(100));
  const TimePoint deadline = *bench.router.deadline();
  bench.pass(seconds(2));
  (void)bench.hear(kHigherAddress, 99);
  CHECK(bench.router.deadline() == deadline);
}

TEST_CASE("VRRP 82: equal priority is followed whatever the addresses") {
  for (const auto& address : {kLowerAddress, kHigherAddress}) {
    Bench bench = backup(with_priority(100));
    bench.pass(seconds(1));
    CHECK(bench.hear(address, 100).empty());
    CHECK(bench.until_deadline() == bench.router.master_down_interval());
  }
}

TEST_CASE("VRRP 93: a master that stops says farewell, then gives the addresses up") {
  Bench bench = master(with_priority(100));
  CHECK(bench.give(Shutdown{}) == "advertise 0, remove, MASTER->INIT");
}

TEST_CASE("VRRP 94: a master advertises at every interval") {
  Bench bench = master(with_priority(100));
  for (int i = 0; i < 4; ++i)
    CHECK(bench.expire() == "advertise 100");
}

TEST_CASE("VRRP 95: a farewell is answered at once by a master") {
  Bench bench = master(with_priority(100));
  bench.pass(milliseconds(300));
  CHECK(bench.hear(kHigherAddress, 0) == "advertise 100");
  CHECK(bench.until_deadline() == seconds(1));
}

TEST_CASE("VRRP 96: a master yields to a higher priority, or an equal one of a greater address") {
  Bench bench = master(with_priority(100));
  CHECK(bench.hear(kLowerAddress, 101) == "remove, MASTER->BACKUP");
  CHECK(bench.until_deadline() == bench.router.master_down_interval());
  bench = master(with_priority(100));
  CHECK(bench.hear(kHigherAddress, 100) == "remove, MASTER->BACKUP");
  bench = master(with_priority(100));
  CHECK(bench.hear(kLowerAddress, 100) == "advertise 100, lower 100");
}

TEST_CASE("VRRP 97: addresses are compared as unsigned numbers in network order") {
  CHECK(IpAddress::v4(10, 0, 0, 9) < IpAddress::v4(10, 0, 0, 10));
  CHECK(IpAddress::v4(127, 0, 0, 1) < IpAddress::v4(128, 0, 0, 1));
  CHECK(*IpAddress::parse("fe80::1") < *IpAddress::parse("fe80::ffff"));
}

TEST_CASE(
    "VRRP 98: a losing advertisement is answered at once, and not with lower_prio_no_advert") {
  Bench bench = master(with_priority(100));
  CHECK(bench.hear(kHigherAddress, 99) == "advertise 100, lower 99");
  Settings silent = with_priority(100);
  silent.answer_lower_priority = false;
  bench = master(silent);
  bench.pass(milliseconds(300));
  CHECK(bench.hear(kHigherAddress, 99).find("advertise") == std::string::npos);
  CHECK(bench.hear(kHigherAddress, 0) == "advertise 100");
}

TEST_CASE("VRRP 126: a forged farewell costs the skew, and the master takes back what is its own") {
  Bench bench = backup(with_priority(192));
  (void)bench.hear(kHigherAddress, 200);
  (void)bench.hear(kHigherAddress, 0);
  CHECK(bench.until_deadline() == milliseconds(250));
  (void)bench.hear(kHigherAddress, 200);  // it lives
  CHECK(bench.until_deadline() == bench.router.master_down_interval());
  (void)bench.hear(kHigherAddress, 0);  // so this one is not believed, for ten seconds
  CHECK(bench.until_deadline() == bench.router.master_down_interval());
  (void)bench.hear(kLowerAddress, 0);  // another's is
  CHECK(bench.until_deadline() == milliseconds(250));
  bench.pass(seconds(10));
  (void)bench.hear(kHigherAddress, 0);
  CHECK(bench.until_deadline() == milliseconds(250));
}

TEST_CASE("higher_prio_send_advert: a master says its priority once more before it yields") {
  Settings settings = with_priority(100);
  settings.advertise_before_yielding = true;
  Bench bench = master(settings);
  CHECK(bench.hear(kLowerAddress, 101) == "advertise 100, remove, MASTER->BACKUP");
}

TEST_CASE("preempt_delay: a lower master is followed until the delay ends, then preempted") {
  Settings settings = with_priority(100);
  settings.preempt_delay = seconds(5);
  Bench bench = backup(settings);
  for (int i = 0; i < 5; ++i) {
    CHECK(bench.hear(kHigherAddress, 50).empty());
    CHECK(bench.until_deadline() == bench.router.master_down_interval());
    bench.pass(seconds(1));
  }
  CHECK(bench.hear(kHigherAddress, 50).empty());
  CHECK(bench.until_deadline() < bench.router.master_down_interval());
  bench.pass(seconds(1));
  CHECK(bench.hear(kHigherAddress, 50).empty());
  CHECK(bench.expire() == "advertise 100, add, announce, BACKUP->MASTER");
}

TEST_CASE("preempt_delay: a master of our own rank in between makes it start again") {
  Settings settings = with_priority(100);
  settings.preempt_delay = seconds(2);
  Bench bench = backup(settings);
  (void)bench.hear(kHigherAddress, 50);
  bench.pass(seconds(1));
  (void)bench.hear(kHigherAddress, 100);
  bench.pass(seconds(1));
  (void)bench.hear(kHigherAddress, 50);
  CHECK(bench.until_deadline() == bench.router.master_down_interval());
}
