// Asks a link whether a neighbour is alive: ARP requests at an interval until anything is heard
// from it or the attempts are used up (as RFC 5227's probes, but with our own sender address).
// Faster and surer than the kernel's neighbour cache, which goes on trusting an old answer. It must
// not know what depends on the answer. Needs CAP_NET_RAW.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>

#include "base/result.h"
#include "base/unique_fd.h"
#include "core/types.h"
#include "io/event_loop.h"

namespace xlb {

class NeighbourProbe {
 public:
  struct Request {
    int ifindex = 0;
    MacAddress own_mac;
    IpAddress own_address;  // the interface's primary address
    IpAddress target;       // IPv4, on the interface's link
    int attempts = 3;
    Duration interval = std::chrono::milliseconds(100);  // also what the last attempt waits
  };
  // `mac` is the neighbour's when `answered`.
  using Callback = std::function<void(bool answered, const MacAddress& mac)>;

  // `loop` must outlive it. Destruction cancels every probe without calling back.
  explicit NeighbourProbe(EventLoop& loop);
  ~NeighbourProbe();
  NeighbourProbe(const NeighbourProbe&) = delete;
  NeighbourProbe& operator=(const NeighbourProbe&) = delete;

  // Starts a probe; any number may run. Unless this fails, `done` is called once, later, from the
  // loop; it may start probes and destroy this object.
  Result<void> probe(const Request& request, Callback done);

 private:
  struct Running;

  Result<void> send(const Running& running);
  void timer_expired(uint64_t id);
  void readable(uint64_t id);
  void finish(uint64_t id, bool answered, const MacAddress& mac);

  EventLoop& loop_;
  std::map<uint64_t, Running> running_;
  uint64_t next_id_ = 0;
};

}  // namespace xlb
