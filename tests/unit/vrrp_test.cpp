// The election of one virtual router: timers, and every transition with its actions in order.
#include "core/vrrp.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <initializer_list>
#include <set>
#include <string>
#include <utility>

using namespace xlb;
using namespace xlb::vrrp;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

namespace {

const IpAddress kSelf = IpAddress::v4(10, 0, 0, 10);
const IpAddress kLowerAddress = IpAddress::v4(10, 0, 0, 9);
const IpAddress kHigherAddress = IpAddress::v4(10, 0, 0, 11);
const TimePoint kStart{seconds(1000)};

std::string words(const Action& action) {
  struct Speak {
    std::string operator()(const SendAdvertisement& action) const {
      return fmt::format("advertise {}", action.priority);
    }
    std::string operator()(const AddAddresses&) const { return "add"; }
    std::string operator()(const RemoveAddresses&) const { return "remove"; }
    std::string operator()(const AnnounceAddresses&) const { return "announce"; }
    std::string operator()(const StateChanged& change) const {
      return fmt::format("{}->{}", name_of(change.from), name_of(change.to));
    }
    std::string operator()(const MasterLost& lost) const {
      return lost.last_master ? fmt::format("lost {}", *lost.last_master) : "lost nobody";
    }
  };
  return std::visit(Speak{}, action);
}

// One router with a clock in hand; what it does reads as "advertise 100, add, announce".
struct Bench {
  explicit Bench(const Settings& settings) : router(settings) {}

  std::string give(const Event& event) {
    std::string result;
    for (const Action& action : router.handle(event, now)) {
      result += (result.empty() ? "" : ", ") + words(action);
    }
    return result;
  }
  std::string hear(const IpAddress& source, int priority, Duration interval = seconds(1)) {
    return give(AdvertisementReceived{source, static_cast<uint8_t>(priority), interval});
  }
  std::string start() { return give(InterfaceUp{kSelf}); }
  // Goes to the deadline and tells what happens there.
  std::string expire(Duration late = {}) {
    REQUIRE(router.deadline());
    now = *router.deadline() + late;
    return give(TimerExpired{});
  }
  void pass(Duration duration) { now += duration; }
  [[nodiscard]] Duration until_deadline() const {
    REQUIRE(router.deadline());
    return *router.deadline() - now;
  }

  VirtualRouter router;
  TimePoint now = kStart;
};

Settings with_priority(int priority) {
  Settings settings;
  settings.priority = static_cast<uint8_t>(priority);
  return settings;
}

Settings v3(int priority, Duration interval) {
  Settings settings = with_priority(priority);
  settings.version = VrrpVersion::v3;
  settings.advert_interval = interval;
  return settings;
}

Bench master(const Settings& settings) {
  Bench bench(settings);
  (void)bench.start();
  if (settings.priority != kPriorityOwner) (void)bench.expire();
  REQUIRE(bench.router.state() == State::master);
  return bench;
}

Bench backup(const Settings& settings) {
  Bench bench(settings);
  (void)bench.start();
  REQUIRE(bench.router.state() == State::backup);
  return bench;
}

}  // namespace

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
  CHECK(bench.hear(kLowerAddress, 100) == "advertise 100");
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
  CHECK(bench.hear(kHigherAddress, 99) == "advertise 100, announce");
  CHECK(bench.until_deadline() == seconds(1));
  bench.pass(milliseconds(1));
  CHECK(bench.hear(kHigherAddress, 99) == "advertise 100");  // a flood is not answered by blocks
  bench.pass(seconds(1));
  CHECK(bench.hear(kHigherAddress, 99) == "advertise 100, announce");
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
  CHECK(bench.hear(kHigherAddress, 100) == "advertise 100");
}

TEST_CASE("a router that is not started hears nothing") {
  Bench bench(with_priority(100));
  CHECK(bench.hear(kHigherAddress, 50).empty());
  CHECK(bench.give(TimerExpired{}).empty());
}

TEST_CASE("a master stopped until every backup timed out listens before it claims anything") {
  Bench bench = master(with_priority(200));
  CHECK(bench.expire(milliseconds(3100)) == "remove, MASTER->BACKUP");
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
  CHECK(bench.hear(kLowerAddress, 100) == "remove, MASTER->BACKUP");
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
