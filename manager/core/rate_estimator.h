// How much passes in a second, from counters that only grow: the exponential average that IPVS
// keeps (net/netfilter/ipvs/ip_vs_est.c), in which what happened two seconds ago weighs three
// quarters. So a steady rate is shown whole after some ten seconds. Pure: counters and time in.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "core/status.h"
#include "core/types.h"

namespace xlb {

class RateEstimator {
 public:
  static constexpr std::chrono::seconds kInterval{2};

  // Fills in the rates of all virtual and real servers. To be called as often as somebody wants to
  // know; the counters are looked at when kInterval has passed since the last look. Who is new
  // starts at 0, whatever its counters say.
  void estimate(std::vector<Status::VirtualServer>& services, TimePoint now);

 private:
  struct Line {
    ServiceKey service;
    std::optional<Endpoint> real_server;  // absent: the virtual server as a whole
    Traffic last;
    Rates average;
  };

  [[nodiscard]] bool fits(std::vector<Status::VirtualServer>& services) const;
  void follow(std::vector<Status::VirtualServer>& services);

  std::vector<Line> lines_;  // in the status' order
  std::optional<TimePoint> looked_;
};

}  // namespace xlb
