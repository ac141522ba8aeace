// The election across a reload and a restart: reconfigure() and ResumeMaster.
#include <doctest/doctest.h>

#include <algorithm>

#include "core/vrrp.h"

using namespace xlb;
using namespace xlb::vrrp;
using namespace std::chrono_literals;

namespace {

const IpAddress kOwn = IpAddress::v4(10, 10, 0, 1);
const IpAddress kOther = IpAddress::v4(10, 10, 0, 2);
const TimePoint kStart = TimePoint() + 1h;

Settings with_priority(uint8_t priority) {
  Settings settings;
  settings.priority = priority;
  return settings;
}

template <typename Wanted>
long count(const Actions& actions) {
  return std::count_if(actions.begin(), actions.end(),
                       [](const Action& action) { return std::holds_alternative<Wanted>(action); });
}

VirtualRouter master(uint8_t priority) {
  VirtualRouter router(with_priority(priority));
  (void)router.handle(ResumeMaster{kOwn}, kStart);
  return router;
}

VirtualRouter backup_of(uint8_t own, uint8_t theirs) {
  VirtualRouter router(with_priority(own));
  (void)router.handle(InterfaceUp{kOwn}, kStart);
  (void)router.handle(AdvertisementReceived{kOther, theirs, 1s}, kStart);
  return router;
}

}  // namespace

TEST_CASE("a restarted master advertises at once and keeps its addresses") {
  VirtualRouter router(with_priority(200));
  const Actions actions = router.handle(ResumeMaster{kOwn}, kStart);
  CHECK(router.state() == State::master);
  CHECK(std::holds_alternative<SendAdvertisement>(actions.front()));
  CHECK(count<AddAddresses>(actions) == 1);
  CHECK(count<RemoveAddresses>(actions) == 0);
  CHECK(count<MasterLost>(actions) == 0);
}

TEST_CASE("only a router that has not begun can resume") {
  VirtualRouter router(with_priority(200));
  (void)router.handle(InterfaceUp{kOwn}, kStart);
  CHECK(router.handle(ResumeMaster{kOwn}, kStart).empty());
  CHECK(router.state() == State::backup);
}

TEST_CASE("a master whose priority changes says so at once and stays master") {
  VirtualRouter router = master(200);
  const Actions actions = router.reconfigure(with_priority(150), kStart + 100ms);
  REQUIRE(actions.size() == 1);
  CHECK(std::get<SendAdvertisement>(actions[0]).priority == 150);
  CHECK(router.state() == State::master);
}

TEST_CASE("a backup that now outranks its master preempts it when the timer ends") {
  VirtualRouter router = backup_of(100, 150);
  CHECK(router.reconfigure(with_priority(200), kStart + 100ms).empty());
  (void)router.handle(AdvertisementReceived{kOther, 150, 1s}, kStart + 1s);
  const auto due = router.deadline();
  REQUIRE(due.has_value());
  CHECK(*due <= kStart + 4s);
  (void)router.handle(TimerExpired{}, *due);
  CHECK(router.state() == State::master);
}

TEST_CASE("a backup whose interval grows does not take over before its master was silent so long") {
  VirtualRouter router = backup_of(100, 150);
  Settings slower = with_priority(100);
  slower.advert_interval = 10s;
  CHECK(router.reconfigure(slower, kStart + 1s).empty());
  CHECK(*router.deadline() > kStart + 30s);
}

TEST_CASE("a changed interval is kept by a master from its next advert on") {
  VirtualRouter router = master(200);
  Settings faster = with_priority(200);
  faster.advert_interval = 2s;
  (void)router.reconfigure(faster, kStart + 500ms);
  CHECK(*router.deadline() <= kStart + 2500ms);
}
