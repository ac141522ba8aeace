// A virtual router as a member of a sync group, and under a priority that what it tracks changes.
#include <doctest/doctest.h>

#include "core/vrrp.h"
#include "vrrp_bench.h"

using namespace xlb;
using namespace xlb::vrrp;
using namespace xlb::vrrp::test;

namespace {

Settings grouped(int priority) {
  Settings settings = with_priority(priority);
  settings.grouped = true;
  return settings;
}

std::string reconfigure(Bench& bench, const Settings& settings) {
  std::string result;
  for (const Action& action : bench.router.reconfigure(settings, bench.now))
    result += (result.empty() ? "" : ", ") + words(action);
  return result;
}

}  // namespace

TEST_CASE("a member of a sync group asks before it takes over, and goes on asking") {
  Bench bench = backup(grouped(100));
  CHECK(bench.expire() == "wants master, lost nobody");
  CHECK(bench.router.state() == State::backup);
  CHECK(bench.router.wants_master());
  CHECK(bench.until_deadline() == bench.router.master_down_interval());
  CHECK(bench.expire() == "wants master");
  CHECK(bench.give(TakeOver{}) == "advertise 100, add, announce, BACKUP->MASTER");
  CHECK_FALSE(bench.router.wants_master());
  CHECK(bench.give(TakeOver{}).empty());
}

TEST_CASE("a member that hears a master it accepts no longer wants to be one") {
  Bench bench = backup(grouped(100));
  (void)bench.expire();
  (void)bench.hear(kLowerAddress, 50);
  CHECK(bench.router.wants_master());
  (void)bench.hear(kLowerAddress, 150);
  CHECK_FALSE(bench.router.wants_master());
}

TEST_CASE("a grouped owner asks at its start") {
  Bench bench(grouped(255));
  CHECK(bench.start() == "INIT->BACKUP, wants master");
  CHECK(bench.give(TakeOver{}) == "advertise 255, add, announce, BACKUP->MASTER");
}

TEST_CASE("a master stands down for its group without a farewell") {
  Bench bench = master(with_priority(100));
  CHECK(bench.give(StandDown{}) == "remove, MASTER->BACKUP");
  CHECK(bench.until_deadline() == bench.router.master_down_interval());
  CHECK(bench.give(StandDown{}).empty());
}

TEST_CASE("a member in FAULT neither wants nor takes over") {
  Bench bench = backup(grouped(100));
  (void)bench.expire();
  (void)bench.give(InterfaceDown{});
  CHECK_FALSE(bench.router.wants_master());
  CHECK(bench.give(TakeOver{}).empty());
  CHECK(bench.router.state() == State::fault);
}

TEST_CASE(
    "a master that what it tracks forbids to be one says farewell, one without a link cannot") {
  Bench bench = master(with_priority(100));
  CHECK(bench.give(InterfaceDown{.can_send = true}) == "advertise 0, remove, MASTER->FAULT");
  bench = master(with_priority(100));
  CHECK(bench.give(InterfaceDown{}) == "remove, MASTER->FAULT");
}

TEST_CASE("a router that leaves its group takes over by itself again") {
  Bench bench = backup(grouped(100));
  (void)bench.expire();
  CHECK(reconfigure(bench, with_priority(100)).empty());
  CHECK(bench.expire() == "advertise 100, add, announce, BACKUP->MASTER");
}

TEST_CASE("a changed priority is said at once by a master and reckoned with by a backup") {
  Bench leading = master(with_priority(100));
  CHECK(reconfigure(leading, with_priority(80)) == "advertise 80");
  Bench waiting = backup(with_priority(100));
  (void)waiting.hear(kLowerAddress, 150);
  CHECK(reconfigure(waiting, with_priority(200)).empty());
  CHECK(waiting.until_deadline() == seconds(3) + Duration(seconds(1)) * 56 / 256);
}
