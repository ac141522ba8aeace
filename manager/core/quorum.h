// Whether enough of a virtual server's real servers live, and which scripts their coming and going
// runs, by keepalived's rules. Pure: it runs nothing itself and does not know why one is dead.
//
//   quorum   live weight                         becomes   runs
//   lost     >= quorum + hysteresis              gained    quorum_up
//   gained   0, or < quorum - hysteresis         lost      quorum_down
//   (start)  less than quorum + hysteresis       lost      quorum_down, if there is a sorry server
//
// A start counts as coming from "lost": a service that has its quorum runs quorum_up then. Real
// servers come first, in the configuration's order: notify_up and notify_down run on changes, and
// for the first verdict unless that one says that a server lives which was taken to live anyway
// (rs_init_notifies: also then).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/types.h"

namespace xlb {

enum class Life : uint8_t {
  undecided,  // alpha: not live until its first check passed, but nothing failed either
  live,
  dead,
};

struct QuorumEvent {
  enum class Kind : uint8_t { real_server_up, real_server_down, gained, lost };
  Kind kind = Kind::gained;
  std::optional<Endpoint> real_server;  // whose event it is; absent: the virtual server's
  std::optional<ScriptCommand> script;  // to run
  uint64_t weight = 0;                  // of all live real servers

  bool operator==(const QuorumEvent&) const = default;
};

class Quorum {
 public:
  explicit Quorum(VirtualServerConfig config) : config_(std::move(config)) {}

  // `lives` in the order of config.real_servers, as are the weights in force; none: the configured
  // ones. What it leads to, in the order to run.
  std::vector<QuorumEvent> update(std::span<const Life> lives, std::span<const int> weights = {});
  // Goes on under a changed configuration of the same virtual server; takes effect with the next
  // update(). A live real server that is gone goes down, as at a stop in omega mode.
  std::vector<QuorumEvent> reconfigure(VirtualServerConfig config);
  // The daemon stops: in omega mode all that is up goes down. Nothing happens afterwards.
  std::vector<QuorumEvent> stop();
  // The virtual server is no longer configured: all that is up goes down.
  std::vector<QuorumEvent> remove();

  [[nodiscard]] bool met() const { return met_; }
  [[nodiscard]] uint64_t weight() const { return weight_; }
  // The sorry server stands in for the real servers.
  [[nodiscard]] bool sorry() const { return started_ && !met_ && config_.sorry_server.has_value(); }
  [[nodiscard]] const VirtualServerConfig& config() const { return config_; }

 private:
  void update_one(const RealServerConfig& real_server, Life life, std::vector<QuorumEvent>& events);
  void set_met(bool met, std::vector<QuorumEvent>& events);

  VirtualServerConfig config_;
  std::map<Endpoint, Life> known_;  // as scripts were told
  uint64_t weight_ = 0;
  bool met_ = false;
  bool started_ = false;
  bool stopped_ = false;
};

}  // namespace xlb
