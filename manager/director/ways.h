// Which neighbours carry the way to which addresses, and when the kernel is to be asked for each.
// All that is behind one gateway shares one way, so the gateway is asked for once, however many
// real servers are behind it. Pure: what it is told, and time passed in.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "core/types.h"

namespace xlb {

// How an address may be reached.
enum class Reach : uint8_t {
  link,   // on a link of this host
  route,  // also by a gateway
};

using Target = std::pair<IpAddress, Reach>;
using Via = std::pair<unsigned, IpAddress>;  // interface, and whose MAC is asked for there

struct Way {
  std::set<Target> targets;
  std::optional<MacAddress> mac;  // survives the deletion of the kernel's entry, not its failure
  bool failed = false;            // the kernel asked and got no answer
  bool asking = false;            // a request is on its way to the kernel
  TimePoint next_request{};       // when the kernel may be asked again
};

class Ways {
 public:
  // The way stays where it is until its last target has left.
  Way& join(const Via& via, const Target& target);
  void leave(const Via& via, const Target& target);
  // nullptr: nobody goes there.
  [[nodiscard]] Way* find(const Via& via);
  [[nodiscard]] const Way* find(const Via& via) const;

  // When the kernel is to be asked for the neighbour; that of a new way is due at once.
  void schedule(const Via& via, TimePoint when);
  [[nodiscard]] std::optional<Via> due(TimePoint now) const;

 private:
  std::map<Via, Way> ways_;
  std::set<std::pair<TimePoint, Via>> due_;
};

// Targets whose answers are to be worked out anew: each once, however often it is added before its
// turn comes.
class Backlog {
 public:
  void add(const Target& target);
  [[nodiscard]] bool empty() const { return order_.empty(); }
  std::optional<Target> take();  // who waits longest

 private:
  std::deque<Target> order_;
  std::set<Target> waiting_;
};

}  // namespace xlb
