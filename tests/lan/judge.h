// What must hold on a link of virtual routers, judged from outside after every event:
//
//   no owner    a router that runs, undisturbed, on a side without an owner owns the addresses
//   itself
//               within its down interval, one interval more and what adverts take
//   two owners  once everything is repaired, several owners for at most one interval and what
//   adverts take flapping    once everything is repaired and settled nobody changes state any more
//   wrong owner then, the owner is nobody that a router would preempt
//   no owner    once everything is repaired and somebody owns the addresses, somebody always does
//   preemption  then, a router that must not preempt does not take the addresses from who has long
//   had them storm       nobody makes the others answer without end
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "scenario.h"

namespace xlb::vrrp::lan {

// A router as an outsider sees it.
struct StationView {
  bool running = false;  // and its interface is up
  bool paused = false;
  bool owns = false;
  int side = 0;
  uint8_t priority = 0;
  bool preempt = true;
  uint64_t disturbed = 0;  // grows with everything that makes it wait anew
};

class Judge {
 public:
  explicit Judge(const Scenario& scenario);

  void look(Duration now, const std::vector<StationView>& stations);
  void state_changed(Duration now, size_t who);
  void repaired(Duration now);
  void sent(Duration now, uint64_t adverts);  // so far

  // When everything must have settled, and when it has been quiet for long enough.
  [[nodiscard]] Duration settles_after() const;
  [[nodiscard]] Duration quiet_for() const;
  [[nodiscard]] const std::optional<std::string>& violation() const { return violation_; }

 private:
  struct Waiting {
    std::optional<Duration> since;
    uint64_t disturbed = 0;
    std::optional<Duration> owns_since;  // on the repaired link
  };

  void accuse(Duration now, const std::string& what);
  void look_for_no_owner(Duration now, const std::vector<StationView>& stations);
  void look_for_two_owners(Duration now, const std::vector<StationView>& stations);
  void look_for_gap(Duration now, const std::vector<StationView>& stations);
  void look_for_preemption(Duration now, const std::vector<StationView>& stations);
  void look_for_wrong_owner(Duration now, const std::vector<StationView>& stations);
  [[nodiscard]] Duration patience(size_t who) const;

  const Scenario& scenario_;
  Duration interval_;
  std::vector<Waiting> waiting_;
  std::optional<Duration> several_since_;
  std::optional<Duration> repaired_;
  bool owned_ = false;  // on the repaired link
  std::optional<std::string> violation_;
};

}  // namespace xlb::vrrp::lan
