// What one virtual server should do with each of its real servers, from what is known about them.
// Pure: facts in, desired forwarding state and words for the user out. It must not know where the
// facts come from.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "core/forwarding.h"

namespace xlb {

// What is known about a real server at this moment.
struct RealServerFacts {
  bool local = false;       // its address is this host's own
  bool healthy = true;      // every check is up (true without checks)
  std::string health_text;  // the deciding check's last result; empty without checks
  std::string lost;         // why its whole host is believed dead; empty: it is not
  std::optional<NextHop> next_hop;
  std::string next_hop_text;  // why there is no next hop
  // The MAC it was last seen with, also while it does not answer: it may come back as a director at
  // any moment.
  std::optional<MacAddress> last_known_mac;
};

enum class Availability : uint8_t {
  up,
  draining,  // weight 0: existing flows only
  down,
};
std::string_view name_of(Availability availability);  // "up", "draining", "down"

struct RealServerVerdict {
  Availability availability = Availability::down;
  Forwardable forwardable = Forwardable::no;
  std::string reason;  // last check's result, or why it gets no traffic
};

// A dead host outweighs a check's verdict, a failed check an unresolved MAC, and all of them weight
// 0.
RealServerVerdict judge(const RealServerConfig& real_server, const RealServerFacts& facts);

// `facts` in the order of config.real_servers. `directors` are the MACs of the other directors;
// when this host is one of the real servers, the others' MACs join them: a real server never opens
// connections to its own VIP through us.
ForwardedVirtualServer desired_forwarding(const VirtualServerConfig& config,
                                          std::span<const RealServerFacts> facts,
                                          std::span<const MacAddress> directors);

}  // namespace xlb
