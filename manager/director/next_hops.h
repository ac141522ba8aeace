// Keeps real servers and the other directors resolved: address -> interface and MAC, following the
// kernel's link, address and neighbour tables. Direct routing rewrites MACs, so everything here
// must be on a common link.
//
// Also the lost hosts: a director that fell silent and does not answer ARP takes the real server on
// its host with it, without waiting for a check; it is asked again every second until it answers.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/forwarding.h"
#include "core/types.h"
#include "io/event_loop.h"
#include "io/neighbour_probe.h"
#include "io/neighbour_requester.h"
#include "io/netlink.h"
#include "io/worker.h"

namespace xlb {

class NextHops {
 public:
  struct Answer {
    bool local = false;
    std::optional<NextHop> hop;
    std::string text;        // why there is no hop
    bool resolving = false;  // there is none yet: the kernel is asking
    std::optional<MacAddress> last_known_mac;
    std::string lost;  // why its host is believed dead; empty: it is not
  };

  // `changed` is called when an answer may have changed that nobody asked to change: from the loop,
  // or from within alive(). It must not call back into this object.
  NextHops(EventLoop& loop, Netlink& netlink, Worker& worker, NeighbourRequester requester,
           std::function<void()> changed);

  // The address is kept resolved from now on.
  void want(const IpAddress& address);
  // What is wanted from now on is wanted anew; until then, and for what is, answers stay.
  void forget_all();
  [[nodiscard]] Answer find(const IpAddress& address) const;

  // To be called when the netlink picture changed.
  void refresh();
  // True once every wanted address is local, resolved or known not to answer.
  [[nodiscard]] bool settled() const;

  // The director at `address` stopped advertising: asks for it by ARP, three times 100 ms apart;
  // unanswered, it is lost.
  void suspect(const IpAddress& address);
  // It was heard again.
  void alive(const IpAddress& address);

 private:
  struct Entry {
    Answer answer;
    bool wanted = true;
    bool failed = false;       // the kernel asked and got no answer
    bool asking = false;       // a request is on its way to the kernel
    TimePoint next_request{};  // when the kernel may be asked again
    std::optional<MacAddress>
        usable_mac;  // survives the deletion of the kernel's entry, not its failure
  };
  struct Suspect {
    bool probing = false;
    uint64_t id = 0;  // a probe that was begun for an earlier suspicion says nothing of this one
    std::optional<MacAddress>
        mac;  // of the host when it fell silent: its other addresses are lost too
    bool lost = false;
    TimePoint next_probe{};
  };

  void resolve(const IpAddress& address, Entry& entry);
  void ask_kernel(unsigned index, const IpAddress& address, Entry& entry);
  bool may_request(TimePoint now);
  void probe(const IpAddress& address, Suspect& suspect, int attempts);
  void tick();
  [[nodiscard]] std::optional<unsigned> link_towards(const IpAddress& address) const;
  [[nodiscard]] std::string lost_text(const IpAddress& address, const Entry& entry) const;

  EventLoop& loop_;
  Netlink& netlink_;
  Worker& worker_;
  std::shared_ptr<NeighbourRequester> requester_;  // the worker's, once it is used
  std::function<void()> changed_;
  std::map<IpAddress, Entry> entries_;
  std::map<IpAddress, Suspect> suspects_;
  uint64_t next_suspect_id_ = 1;
  EventLoop::Timer timer_;
  int requests_left_ = 0;  // until requests_again_
  TimePoint requests_again_{};
  NeighbourProbe probe_;
};

}  // namespace xlb
