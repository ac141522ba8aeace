#include "kernel.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sched.h>
#include <xlb/hash.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "kernel_maps.h"

namespace xlb::oracle {
namespace {

constexpr size_t kRoom = 1024;  // bytes a frame may grow by

int quiet(libbpf_print_level level, const char* format, va_list args) {
  return level == LIBBPF_WARN && std::getenv("XLB_BPF_VERBOSE") != nullptr
             ? vfprintf(stderr, format, args)
             : 0;
}

Bytes read_whole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

template <typename T>
void set_per_cpu(bpf_map* map, uint32_t index, const T& value) {
  static const auto cpus = static_cast<size_t>(libbpf_num_possible_cpus());
  std::vector<T> values(cpus);
  values[0] = value;
  // Whichever CPU this process is tied to, the sum is the value.
  if (bpf_map_update_elem(bpf_map__fd(map), &index, values.data(), BPF_ANY) != 0)
    fail(std::string("cannot update ") + bpf_map__name(map));
}

}  // namespace

Kernel::Kernel() : out_(65536) {
  libbpf_set_print(quiet);
  home_ = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  if (home_ < 0 || unshare(CLONE_NEWNET) != 0) fail("cannot make a network namespace");
  if (std::system("ip link add xlbport type veth peer name xlbfar") != 0)
    throw std::runtime_error("cannot make a veth pair");
  ports_ = {if_nametoindex("xlbport"), if_nametoindex("xlbfar")};
  const char* object = std::getenv("XLB_BPF_OBJECT");
  open(object == nullptr ? "" : object);
  arrays_ = std::make_unique<Arrays>(skeleton_->obj);
}

Kernel::~Kernel() {
  arrays_.reset();
  xlb_bpf__destroy(skeleton_);
  (void)setns(home_, CLONE_NEWNET);
  (void)close(home_);
}

// As xlb_bpf__open() does, but with another object's bytes.
void Kernel::open(const std::string& object_path) {
  static Bytes object;
  skeleton_ = static_cast<xlb_bpf*>(calloc(1, sizeof(xlb_bpf)));
  if (skeleton_ == nullptr || xlb_bpf__create_skeleton(skeleton_) != 0) fail("cannot open it");
  if (!object_path.empty()) {
    object = read_whole(object_path);
    skeleton_->skeleton->data = object.data();
    skeleton_->skeleton->data_sz = object.size();
  }
  if (bpf_object__open_skeleton(skeleton_->skeleton, nullptr) != 0) fail("cannot open it");
  const auto size = [&](const char* name, uint32_t count) {
    bpf_map* map = bpf_object__find_map_by_name(skeleton_->obj, name);
    if (map == nullptr || bpf_map__set_max_entries(map, count) != 0)
      fail(std::string("cannot size ") + name);
  };
  size("xlb_flows", kFlowBuckets);
  size("xlb_flow_addresses", kFlowBuckets * XLB_FLOWS_PER_BUCKET);
  size("xlb_persistence", kClientBuckets);
  size("xlb_client_addresses", kClientBuckets * XLB_PERSISTENCE_PER_BUCKET);
  size("xlb_real_servers", kRealServers);
  size("xlb_loads", kRealServers);
  size("xlb_traffic", kRealServers);
  size("xlb_slots", kSlots);
  size("xlb_schedulers", kServices);
  size("xlb_unserved", kServices);
  skeleton_->rodata->xlb_flow_mask = kFlowBuckets - 1;
  skeleton_->rodata->xlb_client_mask = kClientBuckets - 1;
  skeleton_->rodata->xlb_hash_seed = kHashSeed;
  // One second is 2^32 ticks: half of one has passed since kNow, and ticks count from less than
  // 2^32 on.
  skeleton_->rodata->xlb_clock_scale = 1;
  skeleton_->rodata->xlb_clock_epoch = 0 - ((uint64_t{kNow} << 32) - (uint64_t{1} << 31));
  if (xlb_bpf__load(skeleton_) != 0) fail("cannot load the XDP program");
  program_ = bpf_program__fd(bpf_object__next_program(skeleton_->obj, nullptr));
}

void Kernel::write_hashes(const Tables& tables) {
  const auto& maps = skeleton_->maps;
  arrays_->peer_filter.clear();
  for (const Peer& peer : tables.peers) {
    uint32_t low = 0;
    std::memcpy(&low, peer.mac.data() + 2, sizeof(low));
    const uint32_t bit = xlb_peer_bit(low);
    arrays_->peer_filter[bit / 64] |= uint64_t{1} << bit % 64;
  }
  const auto peer_key = [](const Peer& peer) {
    xlb_peer_key key{};
    std::copy(peer.mac.begin(), peer.mac.end(), key.mac);
    key.service_id = peer.service_id;
    return key;
  };
  const int peers = bpf_map__fd(maps.xlb_peers);
  for (const Peer& peer : written_peers_) {
    const xlb_peer_key key = peer_key(peer);
    (void)bpf_map_delete_elem(peers, &key);
  }
  written_peers_ = tables.peers;
  for (const Peer& peer : written_peers_) {
    const xlb_peer_key key = peer_key(peer);
    const uint8_t one = 1;
    if (bpf_map_update_elem(peers, &key, &one, BPF_ANY) != 0) fail("cannot note a peer");
  }
  const int ports = bpf_map__fd(maps.xlb_ports);
  if (written_ports_ != tables.ports) {
    for (const uint32_t port : written_ports_)
      (void)bpf_map_delete_elem(ports, &port);
    for (const uint32_t port : tables.ports)
      if (bpf_map_update_elem(ports, &port, &port, BPF_ANY) != 0) fail("cannot note a port");
    written_ports_ = tables.ports;
  }
  const int fragments = bpf_map__fd(maps.xlb_fragments);
  xlb_fragment_key key{};
  while (bpf_map_get_next_key(fragments, nullptr, &key) == 0)
    (void)bpf_map_delete_elem(fragments, &key);
  for (const auto& [fragment_key, fragment] : tables.fragments) {
    key = as_kernel(fragment_key);
    if (bpf_map_update_elem(fragments, &key, &fragment, BPF_ANY) != 0)
      fail("cannot note a fragment");
  }
}

void Kernel::write(const Tables& tables) {
  const auto& maps = skeleton_->maps;
  place_services(tables);
  place_decoys(tables);
  arrays_->slots.copy_from(tables.slots);
  arrays_->schedulers.copy_from(tables.schedulers);
  arrays_->real_servers.copy_from(tables.real_servers);
  arrays_->loads.copy_from(tables.loads);
  arrays_->flows.copy_from(tables.flows);
  arrays_->flow_addresses.copy_from(tables.flow_addresses);
  arrays_->clients.copy_from(tables.clients);
  arrays_->client_addresses.copy_from(tables.client_addresses);
  arrays_->settings[0] = tables.settings;
  arrays_->interfaces.clear();
  for (const xlb_interface& interface : tables.interfaces) {
    for (uint32_t i = 0; i < XLB_INTERFACE_PROBES; i++) {
      auto& place = arrays_->interfaces[(interface.ifindex + i) % XLB_INTERFACE_SLOTS];
      if (place.ifindex != 0) continue;
      place = interface;
      break;
    }
  }
  write_hashes(tables);
  set_per_cpu(maps.xlb_icmp_state, 0, xlb_icmp_state{});
  for (uint32_t i = 0; i < XLB_VERDICTS; i++)
    set_per_cpu(maps.xlb_verdicts, i, tables.verdicts[i]);
  for (uint32_t i = 0; i < kRealServers; i++)
    set_per_cpu(maps.xlb_traffic, i, tables.traffic[i]);
  for (uint32_t i = 0; i < kServices; i++)
    set_per_cpu(maps.xlb_unserved, i, tables.unserved[i]);
}

Outcome Kernel::run(const Bytes& frame) {
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.data(), .data_out = out_.data(),
              .data_size_in = static_cast<uint32_t>(frame.size()),
              .data_size_out = static_cast<uint32_t>(std::min(out_.size(), frame.size() + kRoom)),
              .repeat = 1);
  if (bpf_prog_test_run_opts(program_, &options) != 0)
    fail("cannot run a frame of " + std::to_string(frame.size()) + " bytes");
  return {options.retval,
          Bytes(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(options.data_size_out))};
}

void Kernel::repeat(const Bytes& frame, uint32_t times) const {
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.data(),
              .data_size_in = static_cast<uint32_t>(frame.size()),
              .repeat = static_cast<int>(times));
  if (bpf_prog_test_run_opts(program_, &options) != 0) fail("cannot repeat a frame");
}

Kernel::Size Kernel::size() const {
  bpf_prog_info info{};
  __u32 bytes = sizeof info;
  if (bpf_obj_get_info_by_fd(program_, &info, &bytes) != 0) return {};
  return {info.verified_insns, info.jited_prog_len};
}

}  // namespace xlb::oracle
