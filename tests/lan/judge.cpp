#include "judge.h"

#include <fmt/format.h>

#include <algorithm>

namespace xlb::vrrp::lan {
namespace {

// A scenario of five routers with a minute of intervals needs some thousands.
constexpr uint64_t kMostAdverts = 200'000;

double ms(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

// Clocks drift, loops are late: nothing here is about exactness.
Duration with_slack(Duration duration) {
  return duration + duration / 20;
}

}  // namespace

Judge::Judge(const Scenario& scenario)
    : scenario_(scenario),
      interval_(longest_interval(scenario)),
      waiting_(scenario.routers.size()) {}

void Judge::accuse(Duration now, const std::string& what) {
  if (!violation_) violation_ = fmt::format("at {:.1f} ms: {}", ms(now), what);
}

// Its own interval may be replaced by a learned one, and that is believed up to four times its own.
Duration Judge::patience(size_t who) const {
  const Settings& settings = scenario_.routers[who].settings;
  const bool learns =
      settings.version == VrrpVersion::v3 && (scenario_.intervals_differ || scenario_.forged);
  const Duration interval = settings.advert_interval * (learns ? 4 : 1);
  const Duration most_skew =
      settings.version == VrrpVersion::v2 ? Duration(std::chrono::seconds(1)) : interval;
  // Having been stopped, it listens once more for an interval and the skew.
  return with_slack(3 * interval + most_skew + interval + most_skew + scenario_.link.most_delay +
                    2 * scenario_.routers[who].most_late);
}

Duration Judge::settles_after() const {
  Duration longest{};
  for (size_t who = 0; who < waiting_.size(); ++who)
    longest = std::max(longest, patience(who));
  return 3 * longest + scenario_.link.most_delay;
}

Duration Judge::quiet_for() const {
  return 12 * interval_;
}

void Judge::repaired(Duration now) {
  repaired_ = now;
  several_since_.reset();
}

void Judge::state_changed(Duration now, size_t who) {
  if (repaired_ && now > *repaired_ + settles_after()) {
    accuse(now, fmt::format("router {} changes state though nothing happens", who));
  }
}

void Judge::sent(Duration now, uint64_t adverts) {
  if (adverts > kMostAdverts) accuse(now, "the routers answer each other without end");
}

void Judge::look(Duration now, const std::vector<StationView>& stations) {
  if (violation_) return;
  look_for_no_owner(now, stations);
  if (!repaired_) return;
  look_for_two_owners(now, stations);
  look_for_gap(now, stations);
  look_for_preemption(now, stations);
  if (now > *repaired_ + settles_after()) look_for_wrong_owner(now, stations);
}

void Judge::look_for_no_owner(Duration now, const std::vector<StationView>& stations) {
  for (size_t who = 0; who < stations.size(); ++who) {
    const StationView& self = stations[who];
    Waiting& waiting = waiting_[who];
    const bool owned = std::any_of(stations.begin(), stations.end(), [&](const StationView& other) {
      return other.owns && !other.paused && other.side == self.side;
    });
    if (owned || !self.running || self.paused) {
      waiting.since.reset();
    } else if (!waiting.since || waiting.disturbed != self.disturbed) {
      waiting.since = now;
    }
    waiting.disturbed = self.disturbed;
    if (waiting.since && now - *waiting.since > patience(who)) {
      accuse(now, fmt::format("nobody owns the addresses, and router {} has waited for {:.1f} ms",
                              who, ms(now - *waiting.since)));
    }
  }
}

void Judge::look_for_two_owners(Duration now, const std::vector<StationView>& stations) {
  const auto owners = std::count_if(stations.begin(), stations.end(),
                                    [](const StationView& one) { return one.owns; });
  if (owners < 2) {
    several_since_.reset();
    return;
  }
  if (!several_since_) several_since_ = now;
  const Duration bound = with_slack(interval_) + scenario_.link.most_delay + interval_ / 10;
  if (now - *several_since_ > bound) {
    accuse(now, fmt::format("{} owners for {:.1f} ms", owners, ms(now - *several_since_)));
  }
}

// What was said before the repair may still arrive and be believed.
void Judge::look_for_gap(Duration now, const std::vector<StationView>& stations) {
  if (now <= *repaired_ + scenario_.link.most_delay) return;
  const bool owned = std::any_of(stations.begin(), stations.end(),
                                 [](const StationView& one) { return one.owns; });
  if (owned_ && !owned) accuse(now, "the addresses were given up and nobody has taken them");
  owned_ = owned_ || owned;
}

void Judge::look_for_preemption(Duration now, const std::vector<StationView>& stations) {
  for (size_t who = 0; who < stations.size(); ++who) {
    auto& since = waiting_[who].owns_since;
    if (!stations[who].owns) since.reset();
    if (!stations[who].owns || since) continue;
    since = now;
    if (stations[who].preempt) continue;
    for (size_t other = 0; other < stations.size(); ++other) {
      const auto& long_since = waiting_[other].owns_since;
      if (other == who || !long_since || now - *long_since <= 3 * interval_) continue;
      accuse(now, fmt::format("router {} must not preempt and takes the addresses from router {}",
                              who, other));
    }
  }
}

void Judge::look_for_wrong_owner(Duration now, const std::vector<StationView>& stations) {
  const auto owner = std::find_if(stations.begin(), stations.end(),
                                  [](const StationView& one) { return one.owns; });
  if (owner == stations.end()) return accuse(now, "nobody owns the addresses");
  for (size_t who = 0; who < stations.size(); ++who) {
    if (stations[who].preempt && stations[who].priority > owner->priority) {
      accuse(now,
             fmt::format("router {} owns the addresses, and router {} should have preempted it",
                         owner - stations.begin(), who));
    }
  }
}

}  // namespace xlb::vrrp::lan
