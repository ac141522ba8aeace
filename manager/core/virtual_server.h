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
#include "core/quorum.h"

namespace xlb {

// What is known about a real server at this moment.
struct RealServerFacts {
  bool local = false;         // its address is this host's own
  bool healthy = true;        // every check is up (true without checks)
  bool undecided = false;     // not healthy, only because an alpha check has yet to pass
  std::string health_text;    // the deciding check's last result; empty without checks
  std::optional<int> weight;  // what the checks make of the configured one; absent: just that
  std::string lost;           // why its whole host is believed dead; empty: it is not
  std::optional<NextHop> next_hop;
  std::string next_hop_text;  // why there is no next hop
  bool resolving = false;     // there is none yet, and it is not known to be unreachable either
  bool routed = false;        // reached by translation, and there is a route to it
  bool overloaded = false;    // it has as many connections as it may have
  // Behind a tunnel: this host's address towards it, and what the way there carries.
  IpAddress source;
  unsigned mtu_bytes = 0;
  // The MAC it was last seen with, also while it does not answer: it may come back as a director at
  // any moment. None when a gateway is in between.
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
  int weight = 0;      // in force, or while down the one it will come back with
  std::string reason;  // last check's result, or why it gets no traffic
};

// What a real server is for while the quorum is as it is.
enum class Duty : uint8_t {
  serve,
  stand_back,  // the sorry server takes new connections; existing ones are finished
  say_sorry,   // it is the sorry server: checks do not matter
};

// The configured weight, or what the checks make of it.
int weight_in_force(const RealServerConfig& real_server, const RealServerFacts& facts);

// A dead host outweighs a check's verdict, a failed check an unresolved MAC, and all of them weight
// 0. Nothing is sent to a host that is dead or has no MAC; of a failed check inhibit_on_failure
// leaves the existing flows.
RealServerVerdict judge(const RealServerConfig& real_server, const RealServerFacts& facts,
                        Duty duty = Duty::serve);

// What the quorum and notify scripts go by. An address that is still being resolved is no death.
Life life_of(const RealServerFacts& facts);

// The sorry server of a virtual server that has one: always in the forwarding table, so that its
// connections are finished when the real servers are back.
struct SorryServer {
  RealServerFacts facts;
  bool in_use = false;  // the quorum is lost
};
// As which it is judged.
RealServerConfig sorry_config(const VirtualServerConfig& config);
Duty duty_of(const VirtualServerConfig& config, const Endpoint& real_server,
             const SorryServer& sorry);
// One of the real servers is the sorry server too.
bool sorry_is_real_server(const VirtualServerConfig& config);

// How a virtual server's real server stands in the table, for one of the addresses: only
// translation changes a port.
Endpoint endpoint_for(const ServiceKey& key, const Endpoint& configured, bool translated);
// The row of another member of a group.
ForwardedVirtualServer for_member(ForwardedVirtualServer row, const ServiceKey& key);

// `facts` in the order of config.real_servers. `directors` are the MACs of the other directors;
// when this host is one of the real servers, the others' MACs join them: a real server never opens
// connections to its own VIP through us.
ForwardedVirtualServer desired_forwarding(const VirtualServerConfig& config,
                                          std::span<const RealServerFacts> facts,
                                          std::span<const MacAddress> directors,
                                          const SorryServer& sorry = {});

}  // namespace xlb
