// What happens to a simulated link, drawn from a seed: how many routers of which settings, how bad
// the link is, and what befalls whom when. A value: running it is lan.h's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/vrrp.h"

namespace xlb::vrrp::lan {

struct RouterPlan {
  Settings settings;
  int clock_ppm = 0;     // how much faster its clock runs than the link's
  Duration most_late{};  // its loop serves timers up to this late
};

struct LinkPlan {
  int loss_percent = 0;
  int duplicate_percent = 0;
  Duration most_delay{};  // adverts take up to this, so they overtake each other
};

enum class Mishap : uint8_t {
  cut,        // `sides` says who is on which side; they hear nothing of each other
  heal,       // the cut
  crash,      // what it owned is gone, without a farewell
  shut_down,  // with one
  begin,      // after a crash or a shutdown
  pause,      // SIGSTOP: owns what it owned, hears and says nothing
  wake,
  unplug,  // its interface goes down
  plug,
  reload,  // goes on under `settings`
  forge,   // a stranger's advertisement of priority 254 and 40.95 s reaches everybody
};

struct Event {
  Duration at{};  // from the beginning
  Mishap what = Mishap::heal;
  size_t who = 0;
  std::vector<int> sides;  // cut: one for each router
  Settings settings;       // reload
};

struct Scenario {
  uint64_t seed = 0;
  std::vector<RouterPlan> routers;
  LinkPlan link;
  std::vector<Event> events;  // in order
  Duration ends{};            // then everything is repaired: see repaired_link()
  bool intervals_differ = false;
  bool forged = false;
};

Scenario scenario_of(uint64_t seed);
// What the link is when everything is repaired: nothing is lost, little is late.
LinkPlan repaired_link(const Scenario& scenario);
// The longest advertisement interval among the routers, whatever they were reloaded with.
Duration longest_interval(const Scenario& scenario);
// One line a router and an event.
std::string to_text(const Scenario& scenario);

}  // namespace xlb::vrrp::lan
