// One virtual server's quorum at work: feeds core/quorum.h with what is known of the real servers,
// runs its scripts in order, and keeps the sorry server ready. It decides nothing itself.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/nat_rules.h"
#include "core/quorum.h"
#include "core/status.h"
#include "core/virtual_server.h"
#include "director/next_hops.h"
#include "io/dataplane.h"

namespace xlb {

class QuorumWatch {
 public:
  // Runs a script after those given before under the same queue name.
  using RunScript = std::function<void(const std::string& queue, const ScriptCommand&)>;

  // Hears of every event, also of those without a script.
  using Tell = std::function<void(const ServiceKey& service, const QuorumEvent& event)>;

  QuorumWatch(const VirtualServerConfig& config, NextHops& next_hops, RunScript run, Tell tell);

  // The same virtual server under a changed configuration.
  void reconfigure(const VirtualServerConfig& config);
  // It is no longer configured, or the daemon stops.
  void remove();
  void stop();

  // `facts` in the order of the configured real servers. What follows from them is said and run by
  // announce(), when the real servers have been judged.
  void update(std::span<const RealServerFacts> facts);
  void announce();

  [[nodiscard]] const SorryServer& sorry() const { return sorry_; }
  // The sorry server when it is an address of this host.
  [[nodiscard]] std::optional<LocalService> local_service() const;
  // The quorum, and the sorry server while it is in use; its traffic counts as the service's.
  void describe(Status::VirtualServer& status, const ServiceCounters* counters) const;

 private:
  void want_sorry_server();
  [[nodiscard]] Reach reach_of_sorry_server() const;
  void look_at_sorry_server();
  void carry_out(const std::vector<QuorumEvent>& events) const;
  void log_change(const QuorumEvent& event) const;

  Quorum quorum_;
  NextHops& next_hops_;
  RunScript run_;
  Tell tell_;
  SorryServer sorry_;
  std::vector<QuorumEvent> unannounced_;
  std::string sorry_trouble_;  // as logged; empty: it can be reached
};

}  // namespace xlb
