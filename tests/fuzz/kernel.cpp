#include "kernel.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include <xlb/hash.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "xlb.skel.h"

namespace xlb::oracle {
namespace {

constexpr size_t kRoom = 1024;  // bytes a frame may grow by

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

// Memory shared with an ARRAY map, whose elements begin at multiples of 8 bytes.
template <typename T>
class Mapped {
 public:
  Mapped(bpf_object* object, const char* name) {
    bpf_map* map = bpf_object__find_map_by_name(object, name);
    if (map == nullptr) throw std::runtime_error(std::string("no map ") + name);
    count_ = bpf_map__max_entries(map);
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    bytes_ = (count_ * kStride + page - 1) / page * page;
    void* memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
    if (memory == MAP_FAILED) fail(std::string("cannot map ") + name);
    memory_ = static_cast<uint8_t*>(memory);
  }
  ~Mapped() { munmap(memory_, bytes_); }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;

  T& operator[](size_t i) { return *reinterpret_cast<T*>(memory_ + i * kStride); }
  template <typename U = T>
  [[nodiscard]] std::span<U> span() const {
    static_assert(sizeof(T) == kStride && sizeof(T) % sizeof(U) == 0);
    return {reinterpret_cast<U*>(memory_), count_ * (sizeof(T) / sizeof(U))};
  }
  void clear() { std::memset(memory_, 0, count_ * kStride); }

  // Arrays of the same bytes: a bucket's entries may come one by one.
  template <typename U>
  void copy_from(const U& values) {
    static_assert(sizeof(T) % sizeof(values[0]) == 0);
    constexpr size_t kPerElement = sizeof(T) / sizeof(values[0]);
    for (size_t i = 0; i * kPerElement < values.size(); i++)
      std::memcpy(memory_ + i * kStride, &values[i * kPerElement], sizeof(T));
  }

 private:
  static constexpr size_t kStride = (sizeof(T) + 7) / 8 * 8;

  uint8_t* memory_ = nullptr;
  size_t count_ = 0;
  size_t bytes_ = 0;
};

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
T sum_of(bpf_map* map, uint32_t index) {
  static_assert(sizeof(T) % 8 == 0);
  static const auto cpus = static_cast<size_t>(libbpf_num_possible_cpus());
  std::vector<std::array<uint64_t, sizeof(T) / 8>> values(cpus);
  if (bpf_map_lookup_elem(bpf_map__fd(map), &index, values.data()) != 0)
    fail(std::string("cannot look up in ") + bpf_map__name(map));
  for (size_t cpu = 1; cpu < cpus; cpu++)
    for (size_t word = 0; word < values[0].size(); word++)
      values[0][word] += values[cpu][word];
  T sum{};
  std::memcpy(&sum, values.data(), sizeof(sum));
  return sum;
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

xlb_fragment_key as_kernel(const FragmentKey& key) {
  xlb_fragment_key result{};
  std::memcpy(result.source, key.source.data(), sizeof(result.source));
  std::memcpy(result.destination, key.destination.data(), sizeof(result.destination));
  result.identification = key.identification;
  result.protocol = key.protocol;
  result.family = key.family;
  return result;
}

uint64_t service_hash(const xlb_service_key& key) {
  uint64_t words[2] = {0, 0};
  if (key.family == XLB_IPV4)
    words[1] = key.address[0];
  else
    std::memcpy(words, key.address, sizeof(words));
  return xlb_service_hash(words[0], words[1], XLB_SERVICE_KIND(key.port, key.protocol, key.family));
}

}  // namespace

struct Kernel::Arrays {
  explicit Arrays(bpf_object* object)
      : displacements(object, "xlb_service_displacements"),
        services(object, "xlb_services"),
        places(object, "xlb_service_places"),
        slots(object, "xlb_slots"),
        schedulers(object, "xlb_schedulers"),
        interfaces(object, "xlb_interfaces"),
        peer_filter(object, "xlb_peer_filter"),
        settings(object, "xlb_settings"),
        real_servers(object, "xlb_real_servers"),
        loads(object, "xlb_loads"),
        flows(object, "xlb_flows"),
        flow_addresses(object, "xlb_flow_addresses"),
        clients(object, "xlb_persistence"),
        client_addresses(object, "xlb_client_addresses") {}

  Mapped<uint32_t> displacements;
  Mapped<xlb_service> services;
  Mapped<uint32_t> places;
  Mapped<uint32_t> slots;
  Mapped<xlb_scheduler> schedulers;
  Mapped<xlb_interface> interfaces;
  Mapped<uint64_t> peer_filter;
  Mapped<xlb_settings> settings;
  Mapped<xlb_real_server> real_servers;
  Mapped<xlb_load> loads;
  Mapped<xlb_flow_bucket> flows;
  Mapped<xlb_client_address> flow_addresses;
  Mapped<xlb_client_bucket> clients;
  Mapped<xlb_client_address> client_addresses;
};

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

void Kernel::place_services(const Tables& tables) {
  for (const uint32_t place : used_places_)
    arrays_->services[place] = {};
  used_places_.clear();
  arrays_->displacements.clear();
  arrays_->places.clear();
  std::map<uint32_t, std::vector<const xlb_service*>> buckets;
  for (const xlb_service& service : tables.services)
    buckets[xlb_service_bucket(service_hash(service.key))].push_back(&service);
  for (const auto& [bucket, services] : buckets) {
    std::vector<uint32_t> found;
    uint32_t displacement = bucket % 7;  // any will do
    for (;; displacement++) {
      found.clear();
      for (const xlb_service* service : services) {
        const uint32_t place = xlb_service_place(service_hash(service->key), displacement);
        const bool taken = std::count(found.begin(), found.end(), place) != 0 ||
                           arrays_->services[place].key.family != 0;
        if (!taken) found.push_back(place);
      }
      if (found.size() == services.size()) break;
    }
    arrays_->displacements[bucket] = displacement;
    for (size_t i = 0; i < services.size(); i++) {
      arrays_->services[found[i]] = *services[i];
      used_places_.push_back(found[i]);
      if (services[i]->key.protocol != 0) arrays_->places[services[i]->id] = found[i] + 1;
    }
  }
}

// Keys that nobody has, but that differ from a service's in one thing only, are led to that
// service's place: the program must look at all of a key.
void Kernel::place_decoys(const Tables& tables) {
  std::set<uint32_t> used;
  for (const xlb_service& service : tables.services)
    used.insert(xlb_service_bucket(service_hash(service.key)));
  const auto lead = [&](const xlb_service_key& decoy, const xlb_service_key& key) {
    const uint64_t hash = service_hash(decoy);
    const uint32_t bucket = xlb_service_bucket(hash);
    if (!used.insert(bucket).second) return;
    const uint64_t own = service_hash(key);
    const uint32_t place = xlb_service_place(own, arrays_->displacements[xlb_service_bucket(own)]);
    // Places are base + displacement * step, modulo a power of two; the step is odd.
    const uint32_t base = xlb_service_place(hash, 0);
    const uint32_t step = xlb_service_place(hash, 1) - base;
    uint32_t inverse = step;
    for (int i = 0; i < 5; i++)
      inverse *= 2 - step * inverse;
    const uint32_t displacement = (place - base) * inverse % XLB_SERVICE_SLOTS;
    if (xlb_service_place(hash, displacement) != place) throw std::logic_error("no decoy");
    arrays_->displacements[bucket] = displacement;
  };
  for (const xlb_service& service : tables.services) {
    const xlb_service_key& key = service.key;
    xlb_service_key decoy = key;
    decoy.protocol = key.protocol == 6 ? 17 : 6;
    lead(decoy, key);
    decoy = key;
    for (const uint16_t port : std::array<uint16_t, 5>{80, 443, 53, 8080, 0}) {
      decoy.port = htons(port);
      lead(decoy, key);
    }
    for (size_t word = 0; word < (key.family == XLB_IPV4 ? 1U : 4U); word++) {
      for (const uint32_t bit : {0U, 24U, 25U}) {
        decoy = key;
        decoy.address[word] ^= uint32_t{1} << bit;
        lead(decoy, key);
      }
    }
  }
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

std::span<xlb_flow> Kernel::flows() {
  return arrays_->flows.span<xlb_flow>();
}

std::span<xlb_client> Kernel::clients() {
  return arrays_->clients.span<xlb_client>();
}

std::span<xlb_load> Kernel::loads() {
  return arrays_->loads.span();
}

std::span<xlb_scheduler> Kernel::schedulers() {
  return arrays_->schedulers.span();
}

void Kernel::read(Tables& tables) {
  const auto& maps = skeleton_->maps;
  for (size_t i = 0; i < tables.flows.size(); i++) {
    tables.flows[i] = arrays_->flows[i / XLB_FLOWS_PER_BUCKET].flows[i % XLB_FLOWS_PER_BUCKET];
    tables.flow_addresses[i] = arrays_->flow_addresses[i];
  }
  for (size_t i = 0; i < tables.clients.size(); i++) {
    tables.clients[i] =
        arrays_->clients[i / XLB_PERSISTENCE_PER_BUCKET].clients[i % XLB_PERSISTENCE_PER_BUCKET];
    tables.client_addresses[i] = arrays_->client_addresses[i];
  }
  for (uint32_t i = 0; i < kRealServers; i++) {
    tables.loads[i] = arrays_->loads[i];
    tables.traffic[i] = sum_of<xlb_traffic>(maps.xlb_traffic, i);
  }
  for (uint32_t i = 0; i < kServices; i++) {
    tables.schedulers[i] = arrays_->schedulers[i];
    tables.unserved[i] = sum_of<xlb_traffic>(maps.xlb_unserved, i);
  }
  for (uint32_t i = 0; i < XLB_VERDICTS; i++)
    tables.verdicts[i] = verdict(static_cast<xlb_verdict>(i));
}

uint64_t Kernel::verdict(xlb_verdict reason) {
  return sum_of<uint64_t>(skeleton_->maps.xlb_verdicts, reason);
}

std::string Kernel::quick_difference(const Tables& tables) {
  const auto text = [](const char* what, size_t at, const auto&... words) {
    std::string line = what + std::string(" ") + std::to_string(at) + ":";
    ((line += " " + std::to_string(words)), ...);
    return line + " (each: kernel, model)";
  };
  for (size_t i = 0; i < tables.flows.size(); i++) {
    const xlb_flow& is = arrays_->flows[i / XLB_FLOWS_PER_BUCKET].flows[i % XLB_FLOWS_PER_BUCKET];
    const xlb_flow& want = tables.flows[i];
    if (!same_bytes(is, want)) {
      char line[200];
      snprintf(line, sizeof(line), "flow %zu: kernel %016llx %016llx, model %016llx %016llx", i,
               is.key, is.value, want.key, want.value);
      return line;
    }
    if (want.key != 0 && !same_bytes(arrays_->flow_addresses[i], tables.flow_addresses[i]))
      return text("flow address", i);
  }
  for (size_t i = 0; i < tables.clients.size(); i++) {
    const xlb_client& is =
        arrays_->clients[i / XLB_PERSISTENCE_PER_BUCKET].clients[i % XLB_PERSISTENCE_PER_BUCKET];
    const xlb_client& want = tables.clients[i];
    if (!same_bytes(is, want))
      return text("client", i, is.key, want.key, is.value, want.value, is.live, want.live);
    if (want.key != 0 && !same_bytes(arrays_->client_addresses[i], tables.client_addresses[i]))
      return text("client address", i);
  }
  for (size_t i = 0; i < tables.loads.size(); i++) {
    const xlb_load is = arrays_->loads[i];
    if (!same_bytes(is, tables.loads[i]))
      return text("load", i, is.active, tables.loads[i].active, is.inactive,
                  tables.loads[i].inactive);
  }
  for (size_t i = 0; i < tables.schedulers.size(); i++)
    if (arrays_->schedulers[i].cursor != tables.schedulers[i].cursor)
      return text("cursor", i, arrays_->schedulers[i].cursor, tables.schedulers[i].cursor);
  return {};
}

std::string Kernel::difference(const Tables& tables) {
  std::string found = quick_difference(tables);
  if (!found.empty()) return found;
  const auto& maps = skeleton_->maps;
  const auto differs = [](const std::string& what, uint64_t is, uint64_t want) {
    return what + ": kernel " + std::to_string(is) + ", model " + std::to_string(want);
  };
  for (uint32_t i = 0; i < XLB_VERDICTS; i++) {
    const auto is = sum_of<uint64_t>(maps.xlb_verdicts, i);
    if (is != tables.verdicts[i])
      return differs(std::string("counter ") + name_of(static_cast<xlb_verdict>(i)), is,
                     tables.verdicts[i]);
  }
  const auto compare_traffic = [&](bpf_map* map, uint32_t i, const xlb_traffic& want) {
    const auto is = sum_of<xlb_traffic>(map, i);
    const std::string what = std::string(bpf_map__name(map)) + " " + std::to_string(i);
    if (is.packets != want.packets) return differs(what + " packets", is.packets, want.packets);
    if (is.bytes != want.bytes) return differs(what + " bytes", is.bytes, want.bytes);
    if (is.connections != want.connections)
      return differs(what + " connections", is.connections, want.connections);
    return std::string();
  };
  for (uint32_t i = 0; i < kRealServers && found.empty(); i++)
    found = compare_traffic(maps.xlb_traffic, i, tables.traffic[i]);
  for (uint32_t i = 0; i < kServices && found.empty(); i++)
    found = compare_traffic(maps.xlb_unserved, i, tables.unserved[i]);
  if (!found.empty()) return found;
  const int fragments = bpf_map__fd(maps.xlb_fragments);
  size_t count = 0;
  xlb_fragment_key key{};
  for (const void* previous = nullptr; bpf_map_get_next_key(fragments, previous, &key) == 0;
       previous = &key)
    count++;
  if (count != tables.fragments.size())
    return differs("fragments remembered", count, tables.fragments.size());
  for (const auto& [fragment_key, want] : tables.fragments) {
    key = as_kernel(fragment_key);
    xlb_fragment is{};
    if (bpf_map_lookup_elem(fragments, &key, &is) != 0) return "a fragment is not remembered";
    if (!same_bytes(is, want))
      return differs("fragment's real server", is.real_server, want.real_server);
  }
  return {};
}

const char* name_of(xlb_verdict reason) {
  static constexpr std::array<const char*, XLB_VERDICTS> kNames{
      "PASS_NOT_OURS",   "PASS_OTHER_MAC",      "PASS_LOCAL",
      "PASS_PEER_LOCAL", "PASS_NO_REAL_SERVER", "TX",
      "REDIRECT",        "TX_TIME_EXCEEDED",    "TX_TOO_BIG",
      "DROP_TTL",        "DROP_TOO_BIG",        "DROP_PEER",
      "DROP_MALFORMED",  "DROP_FLAGS",          "DROP_FRAGMENT",
      "DROP_NO_PORT",    "DROP_NO_ROOM"};
  return reason < XLB_VERDICTS ? kNames[reason] : "?";
}

const char* action_name(uint32_t action) {
  static constexpr std::array<const char*, 5> kNames{"ABORTED", "DROP", "PASS", "TX", "REDIRECT"};
  return action < kNames.size() ? kNames[action] : "?";
}

}  // namespace xlb::oracle
