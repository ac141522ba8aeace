// The election of one virtual router: what a master does, and how it leaves.
#include <doctest/doctest.h>

#include <string>

#include "core/vrrp.h"
#include "vrrp_bench.h"

using namespace xlb;
using namespace xlb::vrrp;
using namespace xlb::vrrp::test;

TEST_CASE("a master advertises every interval and lateness does not add up") {
  Bench bench = master(with_priority(100));
  const TimePoint first = *bench.router.deadline();
  CHECK(first - bench.now == seconds(1));
  CHECK(bench.expire(milliseconds(40)) == "advertise 100");
  CHECK(bench.router.deadline() == first + seconds(1));
  CHECK(bench.expire(milliseconds(1700)) == "advertise 100");  // no burst to catch up
  CHECK(bench.until_deadline() == seconds(1));
}

TEST_CASE("a second block of announcements follows after the delay") {
  Bench bench = master(with_priority(100));
  const TimePoint became = bench.now;
  std::string announced_at;
  for (int i = 0; i < 20; ++i) {
    const std::string done = bench.expire();
    if (done.find("announce") != std::string::npos) {
      announced_at += fmt::format("{} ", (bench.now - became) / seconds(1));
    }
  }
  CHECK(announced_at == "5 ");
}

TEST_CASE("the second block keeps its time between two adverts") {
  Settings settings = with_priority(100);
  settings.advert_interval = seconds(60);
  Bench bench = master(settings);
  CHECK(bench.until_deadline() == seconds(5));
  CHECK(bench.expire() == "announce");
  CHECK(bench.until_deadline() == seconds(55));
}

TEST_CASE("with a delay of 0 there is no second block") {
  Settings settings = with_priority(100);
  settings.garp_delay = Duration::zero();
  Bench bench = master(settings);
  for (int i = 0; i < 20; ++i)
    CHECK(bench.expire() == "advertise 100");
}

TEST_CASE("a master yields at once to a higher priority and follows it") {
  Bench bench = master(with_priority(100));
  bench.pass(milliseconds(300));
  CHECK(bench.hear(kLowerAddress, 101) == "remove, MASTER->BACKUP");
  CHECK(bench.router.master_address() == kLowerAddress);
  CHECK(bench.until_deadline() == bench.router.master_down_interval());
}

TEST_CASE("between equal masters the numerically greater address wins") {
  Bench bench = master(with_priority(100));
  CHECK(bench.hear(kLowerAddress, 100) == "advertise 100, lower 100");
  CHECK(bench.hear(kHigherAddress, 100) == "remove, MASTER->BACKUP");
  bench = Bench(with_priority(255));
  (void)bench.give(InterfaceUp{IpAddress::v4(127, 255, 255, 255)});
  CHECK(bench.hear(IpAddress::v4(128, 0, 0, 0), 255) == "remove, MASTER->BACKUP");
}

TEST_CASE("a master answers a farewell at once and starts its interval anew") {
  Bench bench = master(with_priority(100));
  bench.pass(milliseconds(300));
  CHECK(bench.hear(kHigherAddress, 0) == "advertise 100");
  CHECK(bench.until_deadline() == seconds(1));
}

TEST_CASE("a master corrects a lower one at once: advertises and announces, now and later") {
  Bench bench = master(with_priority(100));
  bench.pass(milliseconds(2300));
  CHECK(bench.hear(kHigherAddress, 99) == "advertise 100, announce, lower 99");
  CHECK(bench.until_deadline() == seconds(1));
  bench.pass(milliseconds(1));
  CHECK(bench.hear(kHigherAddress, 99) ==
        "advertise 100, lower 99");  // a flood is not answered by blocks
  bench.pass(seconds(1));
  CHECK(bench.hear(kHigherAddress, 99) == "advertise 100, announce, lower 99");
}

TEST_CASE("our own advertisement coming back changes nothing") {
  Bench bench = master(with_priority(100));
  CHECK(bench.hear(kSelf, 100).empty());
  CHECK(bench.hear(kSelf, 254).empty());
}

TEST_CASE("shutdown of a master says farewell before the addresses go") {
  Bench bench = master(with_priority(100));
  CHECK(bench.give(Shutdown{}) == "advertise 0, remove, MASTER->INIT");
  CHECK_FALSE(bench.router.deadline());
  CHECK(bench.give(Shutdown{}).empty());
  CHECK(bench.start() == "INIT->BACKUP");
}

TEST_CASE("shutdown of a backup or a faulty router sends nothing") {
  Bench bench = backup(with_priority(100));
  CHECK(bench.give(Shutdown{}) == "BACKUP->INIT");
  (void)bench.give(InterfaceDown{});
  CHECK(bench.give(Shutdown{}) == "FAULT->INIT");
}

TEST_CASE("a router without its interface is in FAULT and deaf until it is back") {
  Bench bench = master(with_priority(100));
  CHECK(bench.give(InterfaceDown{}) == "remove, MASTER->FAULT");
  CHECK(bench.give(InterfaceDown{}).empty());
  CHECK_FALSE(bench.router.deadline());
  CHECK(bench.hear(kHigherAddress, 50).empty());
  CHECK(bench.give(TimerExpired{}).empty());
  CHECK(bench.start() == "FAULT->BACKUP");
  CHECK(bench.give(InterfaceDown{}) == "BACKUP->FAULT");
  CHECK(Bench(with_priority(100)).give(InterfaceDown{}) == "INIT->FAULT");
  Bench owner = master(with_priority(255));
  (void)owner.give(InterfaceDown{});
  CHECK(owner.start() == "advertise 255, add, announce, FAULT->MASTER");
}

TEST_CASE("a changed primary address decides the next tie") {
  Bench bench = master(with_priority(100));
  CHECK(bench.give(InterfaceUp{IpAddress::v4(10, 0, 0, 99)}).empty());
  CHECK(bench.hear(kHigherAddress, 100) == "advertise 100, lower 100");
}

TEST_CASE("a router that is not started hears nothing") {
  Bench bench(with_priority(100));
  CHECK(bench.hear(kHigherAddress, 50).empty());
  CHECK(bench.give(TimerExpired{}).empty());
}

TEST_CASE("a master stopped until every backup timed out listens before it claims anything") {
  Bench bench = master(with_priority(200));
  CHECK(bench.expire(milliseconds(3100)) == "remove, MASTER->BACKUP as it stood still");
  CHECK(bench.until_deadline() == seconds(1) + bench.router.skew_time());
  SUBCASE("nobody replaced it") {
    CHECK(bench.expire() == "advertise 200, add, announce, BACKUP->MASTER, lost nobody");
  }
  SUBCASE("a lower one replaced it and is preempted") {
    (void)bench.hear(kLowerAddress, 100);
    CHECK(bench.expire() == "advertise 200, add, announce, BACKUP->MASTER");
  }
  SUBCASE("a higher one replaced it") {
    (void)bench.hear(kLowerAddress, 201);
    CHECK(bench.until_deadline() == bench.router.master_down_interval());
  }
}

TEST_CASE("a master woken by the advert of its successor judges it as a backup") {
  Settings settings = with_priority(200);
  settings.preempt = false;
  Bench bench = master(settings);
  bench.pass(seconds(10));
  CHECK(bench.hear(kLowerAddress, 100) == "remove, MASTER->BACKUP as it stood still");
  CHECK(bench.router.master_address() == kLowerAddress);
}

TEST_CASE("a backup stopped past its deadline listens once more, and only once") {
  Bench bench = backup(with_priority(100));
  (void)bench.hear(kLowerAddress, 200);
  CHECK(bench.expire(seconds(5)).empty());
  SUBCASE("the master still speaks") {
    CHECK(bench.hear(kLowerAddress, 200).empty());
    CHECK(bench.until_deadline() == bench.router.master_down_interval());
  }
  SUBCASE("the master is gone, and we are late again") {
    CHECK(bench.expire(seconds(5)) ==
          "advertise 100, add, announce, BACKUP->MASTER, lost 10.0.0.9");
  }
}
