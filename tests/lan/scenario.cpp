#include "scenario.h"

#include <fmt/format.h>

#include <algorithm>

#include "../fuzz/random.h"

namespace xlb::vrrp::lan {
namespace {

using oracle::Random;
using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint32_t kLastsIntervals = 60;

Duration part_of(Random& random, Duration whole) {
  return whole * random.below(1000) / 1000;
}

// Often equal, often neighbours, sometimes the extremes.
uint8_t priority_of(Random& random) {
  static constexpr uint8_t kUsual[] = {100, 100, 101, 150, 200, 254, 1};
  if (random.percent(70)) return kUsual[random.below(std::size(kUsual))];
  return static_cast<uint8_t>(random.between(1, 254));
}

std::vector<RouterPlan> routers_of(Random& random, bool& intervals_differ) {
  static constexpr int kCentiseconds[] = {1, 10, 33, 100};
  const bool v3 = random.percent(60);
  const bool all_preempt = random.percent(60);
  const Duration interval = v3 ? Duration(milliseconds(10) * kCentiseconds[random.below(4)])
                               : Duration(seconds(random.between(1, 3)));
  intervals_differ = v3 && random.percent(15);
  std::vector<RouterPlan> routers(random.between(2, 5));
  for (RouterPlan& router : routers) {
    router.settings.version = v3 ? VrrpVersion::v3 : VrrpVersion::v2;
    router.settings.priority = priority_of(random);
    router.settings.preempt = all_preempt || random.percent(50);
    router.settings.advert_interval = intervals_differ ? interval * random.between(1, 3) : interval;
    router.clock_ppm = static_cast<int>(random.below(4001)) - 2000;
    router.most_late = random.percent(50) ? interval / 20 : Duration::zero();
  }
  return routers;
}

LinkPlan link_of(Random& random, Duration interval) {
  LinkPlan link;
  if (random.percent(60)) link.loss_percent = static_cast<int>(random.below(41));
  if (random.percent(30)) link.duplicate_percent = static_cast<int>(random.below(21));
  link.most_delay = random.percent(50) ? interval / 100 : part_of(random, interval / 2);
  return link;
}

// What undoes a mishap some time later, as far as something does.
std::optional<Mishap> end_of(Mishap what) {
  switch (what) {
    case Mishap::cut:
      return Mishap::heal;
    case Mishap::crash:
    case Mishap::shut_down:
      return Mishap::begin;
    case Mishap::pause:
      return Mishap::wake;
    case Mishap::unplug:
      return Mishap::plug;
    default:
      return std::nullopt;
  }
}

void add_mishap(Random& random, Scenario& scenario, Duration interval) {
  static constexpr Mishap kMishaps[] = {Mishap::cut,   Mishap::crash,  Mishap::shut_down,
                                        Mishap::pause, Mishap::unplug, Mishap::reload};
  Event event;
  event.at = part_of(random, scenario.ends);
  event.what = random.percent(3) ? Mishap::forge : kMishaps[random.below(std::size(kMishaps))];
  event.who = random.below(static_cast<uint32_t>(scenario.routers.size()));
  if (event.what == Mishap::cut) {
    for (size_t who = 0; who < scenario.routers.size(); ++who)
      event.sides.push_back(static_cast<int>(random.below(3)));
  } else if (event.what == Mishap::reload) {
    event.settings = scenario.routers[event.who].settings;
    event.settings.priority = priority_of(random);
    if (random.percent(30)) event.settings.preempt = !event.settings.preempt;
  } else if (event.what == Mishap::forge) {
    scenario.forged = true;
  }
  scenario.events.push_back(event);
  if (const auto end = end_of(event.what)) {
    event.what = *end;
    event.at += part_of(random, interval * 12);
    event.sides.clear();
    scenario.events.push_back(event);
  }
}

std::string_view name_of(Mishap what) {
  static constexpr std::string_view kNames[] = {"cut",   "heal",   "crash", "shut_down",
                                                "begin", "pause",  "wake",  "unplug",
                                                "plug",  "reload", "forge"};
  return kNames[static_cast<size_t>(what)];
}

std::string settings_text(const Settings& settings) {
  return fmt::format("v{} priority {} {} interval {} ms", static_cast<int>(settings.version),
                     settings.priority, settings.preempt ? "preempt" : "nopreempt",
                     duration_cast<milliseconds>(settings.advert_interval).count());
}

}  // namespace

Scenario scenario_of(uint64_t seed) {
  Random random(seed);
  Scenario scenario;
  scenario.seed = seed;
  scenario.routers = routers_of(random, scenario.intervals_differ);
  const Duration interval = longest_interval(scenario);
  scenario.link = link_of(random, scenario.routers.front().settings.advert_interval);
  scenario.ends = interval * kLastsIntervals;
  for (uint32_t left = random.between(2, 12); left > 0; --left)
    add_mishap(random, scenario, interval);
  std::stable_sort(scenario.events.begin(), scenario.events.end(),
                   [](const Event& a, const Event& b) { return a.at < b.at; });
  scenario.ends = std::max(scenario.ends, scenario.events.back().at) + interval;
  return scenario;
}

LinkPlan repaired_link(const Scenario& scenario) {
  LinkPlan link;
  link.most_delay = scenario.routers.front().settings.advert_interval / 100;
  return link;
}

Duration longest_interval(const Scenario& scenario) {
  Duration longest{};
  for (const RouterPlan& router : scenario.routers)
    longest = std::max(longest, router.settings.advert_interval);
  return longest;
}

std::string to_text(const Scenario& scenario) {
  const auto ms = [](Duration duration) {
    return std::chrono::duration<double, std::milli>(duration).count();
  };
  std::string text = fmt::format("seed {}: loss {} %, duplicates {} %, delay up to {:.1f} ms\n",
                                 scenario.seed, scenario.link.loss_percent,
                                 scenario.link.duplicate_percent, ms(scenario.link.most_delay));
  for (size_t who = 0; who < scenario.routers.size(); ++who) {
    const RouterPlan& router = scenario.routers[who];
    text += fmt::format("router {}: {}, clock {:+} ppm, late up to {:.1f} ms\n", who,
                        settings_text(router.settings), router.clock_ppm, ms(router.most_late));
  }
  for (const Event& event : scenario.events) {
    text += fmt::format("{:10.1f} ms  {}", ms(event.at), name_of(event.what));
    if (event.what == Mishap::cut) {
      text += fmt::format(" {}", fmt::join(event.sides, " "));
    } else if (event.what != Mishap::heal && event.what != Mishap::forge) {
      text += fmt::format(" router {}", event.who);
    }
    if (event.what == Mishap::reload) text += ": " + settings_text(event.settings);
    text += "\n";
  }
  return text + fmt::format("{:10.1f} ms  all repaired\n", ms(scenario.ends));
}

}  // namespace xlb::vrrp::lan
