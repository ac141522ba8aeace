// Keeps real servers and the other directors resolved: address -> interface and MAC, following the
// kernel's link, address, neighbour and routing tables. Direct routing rewrites MACs, so what it
// reaches must be on a common link; what is behind a tunnel may be behind a gateway.
//
// The work is in proportion to what changes: a neighbour's change concerns who is reached by it,
// the kernel is asked for each neighbour once and in the order in which it is due, and what
// concerns thousands is worked off in parts, between which the loop turns.
//
// Also the lost hosts: a director that fell silent and does not answer ARP takes the real server on
// its host with it, without waiting for a check; it is asked again every second until it answers.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/config.h"
#include "core/forwarding.h"
#include "core/types.h"
#include "director/ways.h"
#include "io/event_loop.h"
#include "io/neighbour_probe.h"
#include "io/neighbour_requester.h"
#include "io/netlink.h"
#include "io/worker.h"

namespace xlb {

inline Reach reach_of(const std::optional<TunnelConfig>& tunnel) {
  return tunnel ? Reach::route : Reach::link;
}

class NextHops {
 public:
  struct Answer {
    bool local = false;
    std::optional<NextHop> hop;
    std::string text;                          // why there is no hop
    bool resolving = false;                    // there is none yet: the kernel is asking
    std::optional<MacAddress> last_known_mac;  // none of a gateway's
    IpAddress source;                          // Reach::route: this host's address towards it
    unsigned mtu_bytes = 0;                    // Reach::route: what the way carries
    std::string lost;                          // why its host is believed dead; empty: it is not

    bool operator==(const Answer&) const = default;
  };

  // The addresses whose answers may have changed.
  struct Changed {
    bool all = false;
    std::set<IpAddress> addresses;
  };

  // `changed` is called when an answer may have changed that nobody asked to change: from the loop,
  // or from within alive(). It must not call back into this object.
  NextHops(EventLoop& loop, Netlink& netlink, Worker& worker, NeighbourRequester requester,
           std::function<void()> changed);

  // The address is kept resolved from now on.
  void want(const IpAddress& address, Reach reach = Reach::link);
  // What is wanted from now on is wanted anew; until then, and for what is, answers stay.
  void forget_all();
  // Forgets what is not wanted any more since forget_all().
  void forget_unwanted();
  [[nodiscard]] Answer find(const IpAddress& address, Reach reach = Reach::link) const;
  // Whether the address is one of this host's, wanted or not.
  [[nodiscard]] bool is_local(const IpAddress& address) const { return netlink_.is_local(address); }
  // Since the last call.
  [[nodiscard]] Changed take_changed() { return std::exchange(changed_answers_, {}); }

  // To be called when the netlink picture changed; whether an answer did. Of those of thousands,
  // `changed` tells later.
  bool refresh(const NetlinkChanges& changes);
  // True once every wanted address is local, resolved or known not to answer.
  [[nodiscard]] bool settled() const;

  // The director at `address` stopped advertising: asks for it by ARP, three times 100 ms apart;
  // unanswered, it is lost.
  void suspect(const IpAddress& address);
  [[nodiscard]] bool is_suspect(const IpAddress& address) const {
    return suspects_.contains(address);
  }
  // It was heard again.
  void alive(const IpAddress& address);

 private:
  struct Entry {
    Answer answer;
    std::optional<Via> via;
    std::optional<Route> route;  // Reach::route, or on no network of an own address
    bool route_known = false;
    bool wanted = true;
    TimePoint next_lookup{};  // of a way, while there is none
  };
  struct Suspect {
    bool probing = false;
    uint64_t id = 0;  // a probe that was begun for an earlier suspicion says nothing of this one
    std::optional<MacAddress>
        mac;  // of the host when it fell silent: its other addresses are lost too
    bool lost = false;
    TimePoint next_probe{};
  };

  bool update(const Target& target, Entry& entry);
  void resolve(const Target& target, Entry& entry);
  void take_neighbour(const Target& target, Entry& entry, Way& way, const Link& link);
  void find_way(const Target& target, Entry& entry);
  void go_via(const Target& target, Entry& entry, std::optional<Via> via);
  void look_again(const Target& target, Entry& entry, std::optional<TimePoint> when);
  bool work_off();
  void ask_when_due(const Via& via, Way& way, bool usable);
  void ask_kernel(const Via& via, Way& way);
  bool may_request(TimePoint now);
  void ask_those_due(TimePoint now);
  void look_for_those_without(TimePoint now);
  void probe(const IpAddress& address, Suspect& suspect, int attempts);
  void tick();
  [[nodiscard]] std::string lost_text(const IpAddress& address, const Entry& entry) const;

  EventLoop& loop_;
  Netlink& netlink_;
  Worker& worker_;
  std::shared_ptr<NeighbourRequester> requester_;  // the worker's, once it is used
  std::function<void()> changed_;
  std::map<Target, Entry> entries_;
  Ways ways_;
  std::set<std::pair<TimePoint, Target>> lookups_;  // of those without a way
  Backlog backlog_;
  int lookups_left_ = 0;  // in this part
  bool untold_ = false;   // an answer changed
  TimePoint tell_by_{};   // while there is a backlog
  Changed changed_answers_;
  std::map<IpAddress, Suspect> suspects_;
  uint64_t next_suspect_id_ = 1;
  EventLoop::Timer timer_;
  EventLoop::Timer backlog_timer_;
  int requests_left_ = 0;  // until requests_again_
  TimePoint requests_again_{};
  NeighbourProbe probe_;
};

}  // namespace xlb
