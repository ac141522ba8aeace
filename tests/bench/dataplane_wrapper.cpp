#include "dataplane_wrapper.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <fstream>
#include <sstream>

#include "dataplane_wrap.skel.h"

namespace xlb::bench {
namespace {

constexpr uint32_t kLiveBatch = 64;
constexpr uint32_t kLongestRun = 1U << 20;
constexpr size_t kRoomForHeaders = 256;  // what an encapsulating program may add

uint32_t word_at(const std::vector<uint8_t>& frame, uint32_t at) {
  uint32_t word = 0;
  if (at != 0) std::memcpy(&word, frame.data() + at, sizeof(word));
  return ntohl(word);
}

uint16_t half_at(const std::vector<uint8_t>& frame, uint32_t at) {
  uint16_t half = 0;
  if (at != 0) std::memcpy(&half, frame.data() + at, sizeof(half));
  return ntohs(half);
}

// One's complement sum (RFC 1071) of everything under a right checksum but these words.
uint32_t sum_without(uint16_t checksum, std::initializer_list<uint32_t> words) {
  uint32_t sum = static_cast<uint16_t>(~checksum);
  for (const uint32_t word : words) {
    sum += 0xffffU - (word & 0xffffU);
    sum += 0xffffU - (word >> 16U);
  }
  while (sum > 0xffffU)
    sum = (sum & 0xffffU) + (sum >> 16U);
  return sum;
}

template <typename Constants>
void describe(Constants& constants, const Stream& stream) {
  const auto& frame = stream.frame;
  const uint32_t client = word_at(frame, stream.client_at);
  const uint32_t server = word_at(frame, stream.server_at);
  const uint32_t port = half_at(frame, stream.port_at);
  constants.frame_bytes = static_cast<uint32_t>(frame.size());
  std::copy_n(frame.begin(), sizeof(constants.head), constants.head);
  constants.client_at = stream.client_at;
  constants.port_at = stream.port_at;
  constants.server_at = stream.server_at;
  constants.ip_check_at = stream.ip_check_at;
  constants.transport_check_at = stream.transport_check_at;
  constants.transport_check_covers_addresses = stream.transport_check_covers_addresses ? 1 : 0;
  constants.first_client = client;
  constants.first_port = port;
  constants.first_server = server;
  constants.servers = stream.servers;
  constants.flow_mask = stream.flow_mask;
  constants.live = stream.live ? 1 : 0;
  constants.ip_sum = sum_without(half_at(frame, stream.ip_check_at), {client, server});
  const uint16_t transport = half_at(frame, stream.transport_check_at);
  constants.transport_sum = stream.transport_check_covers_addresses
                                ? sum_without(transport, {client, server, port})
                                : sum_without(transport, {port});
}

double thread_ns() {
  timespec now{};
  (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

}  // namespace

Result<uint32_t> enter(const Place& place) {
  // Namespaces are few and live longer than this process.
  static std::string current;
  if (place.network_namespace != current) {
    const UniqueFd fd(open(place.network_namespace.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.valid() || setns(fd.get(), CLONE_NEWNET) != 0)
      return fail_errno(errno, "cannot enter {}", place.network_namespace);
    current = place.network_namespace;
  }
  const uint32_t index = if_nametoindex(place.interface.c_str());
  if (index == 0) return fail_errno(errno, "cannot find interface {}", place.interface);
  return index;
}

Result<uint64_t> packets_received(const Place& place) {
  const auto entered = enter(place);
  if (!entered) return entered.error();
  std::ifstream file("/proc/thread-self/net/dev");
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string name;
    uint64_t bytes = 0;
    uint64_t packets = 0;
    if (words >> name >> bytes >> packets && name == place.interface + ":") return packets;
  }
  return fail("cannot read the statistics of {}: not in /proc/net/dev", place.interface);
}

void Wrapper::Destroy::operator()(dataplane_wrap_bpf* skeleton) const {
  dataplane_wrap_bpf__destroy(skeleton);
}

// The kernel lets programs jump only to their like: alike in how they were told to be attached and
// in fragments. Neither can be asked of a pinned program.
Result<Wrapper> Wrapper::load(int program, const Place& place, const Stream& stream) {
  auto skeleton = load_around(program, stream);
  if (!skeleton) return skeleton.error();
  Wrapper wrapper;
  wrapper.skeleton_ = std::move(*skeleton);
  wrapper.place_ = place;
  wrapper.stream_ = stream;
  return wrapper;
}

Result<Wrapper::Skeleton> Wrapper::load_around(int program, const Stream& stream) {
  if (stream.frame.size() < sizeof(dataplane_wrap_bpf::dataplane_wrap_bpf__rodata::head))
    return fail("cannot use a frame of {} bytes: too short", stream.frame.size());
  int refused = 0;
  for (const auto attach_type : {BPF_XDP, static_cast<bpf_attach_type>(0)}) {
    for (const uint32_t flags : {0U, BPF_F_XDP_HAS_FRAGS}) {
      Skeleton skeleton(dataplane_wrap_bpf__open());
      if (!skeleton) return fail_errno(errno, "cannot open the wrapper");
      describe(*skeleton->rodata, stream);
      (void)bpf_program__set_flags(skeleton->progs.wrap, flags);
      (void)bpf_program__set_expected_attach_type(skeleton->progs.wrap, attach_type);
      const int failed = dataplane_wrap_bpf__load(skeleton.get());
      if (failed != 0) return fail_errno(failed, "cannot load the wrapper");
      const uint32_t zero = 0;
      refused = bpf_map__update_elem(skeleton->maps.jump, &zero, sizeof(zero), &program,
                                     sizeof(program), 0);
      if (refused == 0) return skeleton;
    }
  }
  return fail_errno(refused, "cannot wrap the program");
}

void Wrapper::set_order(Order order) {
  skeleton_->bss->in_turn = order == Order::in_turn ? 1 : 0;
}

Result<Sample> Wrapper::run(uint32_t packets) {
  const auto ifindex = enter(place_);
  if (!ifindex) return ifindex.error();
  skeleton_->bss->rewound = 0;
  xdp_md context{};
  context.data_end = static_cast<uint32_t>(stream_.frame.size());
  context.ingress_ifindex = *ifindex;
  Sample sample;
  sample.frame.resize(stream_.frame.size() + kRoomForHeaders);
  LIBBPF_OPTS(bpf_test_run_opts, options);
  options.data_in = stream_.frame.data();
  options.data_size_in = static_cast<uint32_t>(stream_.frame.size());
  options.ctx_in = &context;
  options.ctx_size_in = sizeof(context);
  options.repeat = static_cast<int>(packets);
  if (stream_.live) {
    options.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
    options.batch_size = kLiveBatch;
  } else {
    options.data_out = sample.frame.data();
    options.data_size_out = static_cast<uint32_t>(sample.frame.size());
  }
  const int program = bpf_program__fd(skeleton_->progs.wrap);
  const double began = thread_ns();
  const int failed = bpf_prog_test_run_opts(program, &options);
  const double ended = thread_ns();
  if (failed != 0) return fail_errno(failed, "cannot run the program on {}", place_.interface);
  // For live frames the kernel makes and destroys a pool of pages, which takes longer than the
  // frames: its own clock leaves that out, and counts the soft interrupts in which frames arrive.
  sample.ns_per_packet = stream_.live ? options.duration : (ended - began) / packets;
  sample.verdict = options.retval;
  sample.frame.resize(stream_.live ? 0 : options.data_size_out);
  return sample;
}

Result<void> Wrapper::open_flows(uint32_t packets) {
  set_order(Order::in_turn);
  uint64_t left = std::max(uint64_t{packets}, uint64_t{stream_.flow_mask} + 1);
  while (left > 0) {
    const auto now = static_cast<uint32_t>(std::min(left, uint64_t{kLongestRun}));
    const auto sample = run(now);
    if (!sample) return sample.error();
    left -= now;
  }
  return {};
}

}  // namespace xlb::bench
