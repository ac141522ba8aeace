// One program under test and one frame: a stream of that frame, with the client's address and port
// going through the flows, is run through the program. It measures and says what came out; what
// should come out is not its business. It knows programs, not xlb's maps.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

struct dataplane_wrap_bpf;

namespace xlb::bench {

// Where frames come in: an interface, and the network namespace it is in.
struct Place {
  std::string network_namespace;  // path; empty: the one this process was started in
  std::string interface;          // its receive queue must be registered: native XDP attached
};

// A frame and which fields of it vary; offsets in bytes, 0: there is no such field.
struct Stream {
  std::vector<uint8_t> frame;  // checksums right
  uint32_t client_at = 0;      // IPv4 address, or the last four bytes of an IPv6 one
  uint32_t port_at = 0;
  uint32_t server_at = 0;
  uint32_t ip_check_at = 0;
  uint32_t transport_check_at = 0;
  bool transport_check_covers_addresses = false;
  uint32_t servers = 1;    // addresses from the frame's server on; each flow has one
  uint32_t flow_mask = 0;  // number of flows - 1, a power of two less one
  bool live = false;       // frames really leave (BPF_F_TEST_XDP_LIVE_FRAMES)
};

enum class Order { in_turn, random };

struct Sample {
  double ns_per_packet = 0;
  uint32_t verdict = 0;        // of the last packet; live frames have none
  std::vector<uint8_t> frame;  // the last packet as the program left it
};

class Wrapper {
 public:
  // Does not own the program.
  static Result<Wrapper> load(int program, const Place& place, const Stream& stream);

  void set_order(Order order);
  Result<Sample> run(uint32_t packets);
  // As many packets as there are flows, in turn, or `packets` if that is more.
  Result<void> open_flows(uint32_t packets);

 private:
  struct Destroy {
    void operator()(dataplane_wrap_bpf* skeleton) const;
  };
  using Skeleton = std::unique_ptr<dataplane_wrap_bpf, Destroy>;

  static Result<Skeleton> load_around(int program, const Stream& stream);

  Skeleton skeleton_;
  Place place_;
  Stream stream_;
};

// Enters the place's network namespace; the index of its interface.
Result<uint32_t> enter(const Place& place);
// Packets that this interface has received, from the kernel's statistics.
Result<uint64_t> packets_received(const Place& place);

}  // namespace xlb::bench
