// One virtual router with a clock in hand, whose actions read as words.
#pragma once

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>
#include <variant>

#include "core/vrrp.h"

namespace xlb::vrrp::test {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

inline const IpAddress kSelf = IpAddress::v4(10, 0, 0, 10);
inline const IpAddress kLowerAddress = IpAddress::v4(10, 0, 0, 9);
inline const IpAddress kHigherAddress = IpAddress::v4(10, 0, 0, 11);
inline const TimePoint kStart{seconds(1000)};

inline std::string words(const Action& action) {
  struct Speak {
    std::string operator()(const SendAdvertisement& action) const {
      return fmt::format("advertise {}", action.priority);
    }
    std::string operator()(const AddAddresses&) const { return "add"; }
    std::string operator()(const RemoveAddresses&) const { return "remove"; }
    std::string operator()(const AnnounceAddresses&) const { return "announce"; }
    std::string operator()(const StateChanged& change) const {
      return fmt::format("{}->{}{}", name_of(change.from), name_of(change.to),
                         change.silent > Duration() ? " as it stood still" : "");
    }
    std::string operator()(const MasterLost& lost) const {
      return lost.last_master ? fmt::format("lost {}", *lost.last_master) : "lost nobody";
    }
    std::string operator()(const LowerPriorityHeard& heard) const {
      return fmt::format("lower {}", heard.priority);
    }
    std::string operator()(const WantsMaster&) const { return "wants master"; }
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

inline Settings with_priority(int priority) {
  Settings settings;
  settings.priority = static_cast<uint8_t>(priority);
  return settings;
}

inline Settings v3(int priority, Duration interval) {
  Settings settings = with_priority(priority);
  settings.version = VrrpVersion::v3;
  settings.advert_interval = interval;
  return settings;
}

inline Bench master(const Settings& settings) {
  Bench bench(settings);
  (void)bench.start();
  if (settings.priority != kPriorityOwner) (void)bench.expire();
  REQUIRE(bench.router.state() == State::master);
  return bench;
}

inline Bench backup(const Settings& settings) {
  Bench bench(settings);
  (void)bench.start();
  REQUIRE(bench.router.state() == State::backup);
  return bench;
}

}  // namespace xlb::vrrp::test
