// Counts the processes of this host that vrrp_track_process blocks name, on a thread of its own.
// The kernel's process events (cn_proc(4), netlink) tell of changes; where they are refused, as in
// a network or process namespace, /proc is read once a second instead. It must not know what the
// counts decide.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/config_track.h"
#include "io/event_loop.h"

namespace xlb {

class ProcessWatch {
 public:
  // From the loop: the first count of each block, and every changed one.
  using Handler = std::function<void(const std::string& block, uint32_t processes)>;
  // From the loop, once it is known: why /proc is read instead; empty: events are used.
  using MeansHandler = std::function<void(const std::string& why_not_events)>;

  ProcessWatch(EventLoop& loop, Handler handler, MeansHandler means);
  ~ProcessWatch();  // waits for a reading of /proc that is under way
  ProcessWatch(const ProcessWatch&) = delete;
  ProcessWatch& operator=(const ProcessWatch&) = delete;

  // These and no others from now on. The thread begins with the first.
  void follow(std::vector<TrackProcessConfig> blocks);

 private:
  struct Shared;
  void start();

  std::shared_ptr<Shared> shared_;
};

}  // namespace xlb
