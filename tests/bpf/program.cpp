#include "program.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <xlb/hash.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <stdexcept>

#include "xlb.skel.h"

namespace xlb::test {
namespace {

constexpr uint32_t kSlotsPerTable = 512;  // of the ring, of the hash table
constexpr uint32_t kServices = 16;
constexpr uint32_t kRealServers = 64;
constexpr std::array<const char*, XLB_VERDICTS> kReasons{"XLB_PASS_NOT_OURS",
                                                         "XLB_PASS_OTHER_MAC",
                                                         "XLB_PASS_LOCAL",
                                                         "XLB_PASS_PEER_LOCAL",
                                                         "XLB_PASS_NO_REAL_SERVER",
                                                         "XLB_PASS_FRAGMENT",
                                                         "XLB_TX",
                                                         "XLB_REDIRECT",
                                                         "XLB_DROP_TTL",
                                                         "XLB_DROP_PEER",
                                                         "XLB_DROP_MALFORMED",
                                                         "XLB_DROP_NO_PORT"};
constexpr uint64_t kSeed = 0x0123456789abcdef;

template <typename Key, typename Value>
void update(bpf_map* map, const Key& key, const Value& value) {
  if (bpf_map__update_elem(map, &key, sizeof(key), &value, sizeof(value), BPF_ANY) != 0)
    throw std::runtime_error(std::string("cannot update ") + bpf_map__name(map) + ": " +
                             std::strerror(errno));
}

template <typename Value, typename Key>
Value lookup(bpf_map* map, const Key& key) {
  Value value{};
  if (bpf_map__lookup_elem(map, &key, sizeof(key), &value, sizeof(value), 0) != 0)
    throw std::runtime_error(std::string("cannot look up in ") + bpf_map__name(map) + ": " +
                             std::strerror(errno));
  return value;
}

// One element of a PERCPU_ARRAY, per CPU.
template <typename Value>
std::vector<Value> lookup_per_cpu(bpf_map* map, uint32_t index) {
  static_assert(sizeof(Value) % 8 == 0);
  std::vector<Value> values(static_cast<size_t>(libbpf_num_possible_cpus()));
  if (bpf_map__lookup_elem(map, &index, sizeof(index), values.data(), values.size() * sizeof(Value),
                           0) != 0)
    throw std::runtime_error(std::string("cannot look up in ") + bpf_map__name(map));
  return values;
}

xlb_traffic summed_traffic(bpf_map* map, uint32_t index) {
  xlb_traffic sum{};
  for (const xlb_traffic& one : lookup_per_cpu<xlb_traffic>(map, index)) {
    sum.packets += one.packets;
    sum.bytes += one.bytes;
    sum.connections += one.connections;
  }
  return sum;
}

int quiet(libbpf_print_level /*level*/, const char* /*format*/, va_list /*args*/) {
  return 0;
}

xlb_bpf* open_small(uint32_t flow_buckets, uint32_t client_buckets) {
  xlb_bpf* skeleton = xlb_bpf__open();
  if (skeleton == nullptr) return nullptr;
  (void)bpf_map__set_max_entries(skeleton->maps.xlb_flows, flow_buckets);
  (void)bpf_map__set_max_entries(skeleton->maps.xlb_persistence, client_buckets);
  (void)bpf_map__set_max_entries(skeleton->maps.xlb_slots, kServices * 2 * kSlotsPerTable);
  (void)bpf_map__set_max_entries(skeleton->maps.xlb_schedulers, kServices);
  (void)bpf_map__set_max_entries(skeleton->maps.xlb_unserved, kServices);
  (void)bpf_map__set_max_entries(skeleton->maps.xlb_services, 128);
  (void)bpf_map__set_max_entries(skeleton->maps.xlb_real_servers, kRealServers);
  (void)bpf_map__set_max_entries(skeleton->maps.xlb_traffic, kRealServers);
  (void)bpf_map__set_max_entries(skeleton->maps.xlb_peers, 16);
  skeleton->rodata->xlb_flow_mask = flow_buckets - 1;
  skeleton->rodata->xlb_client_mask = client_buckets - 1;
  skeleton->rodata->xlb_hash_seed = kSeed;
  return skeleton;
}

}  // namespace

Mac mac_of(uint32_t real_server) {
  return {0x02, 0, 0, 0, 0x01, static_cast<uint8_t>(real_server)};
}

std::string why_not_loadable() {
  libbpf_set_print(quiet);
  xlb_bpf* skeleton = open_small(2, 1);
  std::string reason;
  if (skeleton == nullptr) return std::strerror(errno);
  const int error = xlb_bpf__load(skeleton);
  if (error == -EPERM || error == -EACCES) reason = std::strerror(-error);
  xlb_bpf__destroy(skeleton);
  libbpf_set_print(nullptr);
  return reason;
}

Program::Program(uint32_t flow_buckets, uint32_t client_buckets)
    : skeleton_(open_small(flow_buckets, client_buckets)) {
  if (skeleton_ == nullptr || xlb_bpf__load(skeleton_) != 0)
    throw std::runtime_error("cannot load the XDP program");
  put_interface(kIngress, kDirectorMac);
}

Program::~Program() {
  xlb_bpf__destroy(skeleton_);
}

Outcome Program::run(const Frame& frame) {
  Outcome outcome{0, Frame(frame.size() + 256)};
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.data(), .data_out = outcome.frame.data(),
              .data_size_in = static_cast<uint32_t>(frame.size()),
              .data_size_out = static_cast<uint32_t>(outcome.frame.size()), .repeat = 1);
  if (bpf_prog_test_run_opts(bpf_program__fd(skeleton_->progs.xlb), &options) != 0)
    throw std::runtime_error(std::string("cannot run the XDP program: ") + std::strerror(errno));
  outcome.action = options.retval;
  outcome.frame.resize(options.data_size_out);
  return outcome;
}

Judged Program::judge(const Frame& frame) {
  const std::vector<uint64_t> before = all_verdicts();
  const Outcome outcome = run(frame);
  const std::vector<uint64_t> after = all_verdicts();
  std::string reason;
  for (size_t i = 0; i < before.size(); i++) {
    if (after[i] == before[i]) continue;
    reason = reason.empty() && after[i] == before[i] + 1 ? kReasons[i] : "none or several";
  }
  return {reason.empty() ? "none or several" : reason, outcome.action, outcome.frame};
}

void Program::put_service(const ServiceSpec& spec) {
  const uint32_t ring_offset = spec.id * 2 * kSlotsPerTable;
  const uint32_t hash_offset = ring_offset + kSlotsPerTable;
  for (uint32_t i = 0; i < spec.ring.size(); i++)
    update(skeleton_->maps.xlb_slots, ring_offset + i, spec.ring[i]);
  for (uint32_t i = 0; i < spec.hash.size(); i++)
    update(skeleton_->maps.xlb_slots, hash_offset + i, spec.hash[i]);
  const xlb_service_key key{htonl(spec.address), htons(spec.port), spec.protocol, 0};
  const xlb_service service{.id = spec.id,
                            .persistence_timeout_s = spec.persistence_timeout_s,
                            .ring_offset = ring_offset,
                            .ring_length = static_cast<uint32_t>(spec.ring.size()),
                            .hash_offset = hash_offset,
                            .hash_length = static_cast<uint32_t>(spec.hash.size()),
                            .local_real_server = spec.local_real_server,
                            .zero = 0};
  update(skeleton_->maps.xlb_services, key, service);
}

void Program::put_real_server(uint32_t index, const RealServerSpec& spec) {
  xlb_real_server real_server{};
  const Mac mac = mac_of(index);
  std::copy(mac.begin(), mac.end(), real_server.destination_mac);
  std::copy(kDirectorMac.begin(), kDirectorMac.end(), real_server.source_mac);
  real_server.ifindex = spec.ifindex;
  real_server.flags = spec.flags;
  real_server.service_id = static_cast<uint16_t>(spec.service_id);
  update(skeleton_->maps.xlb_real_servers, index, real_server);
}

void Program::put_interface(uint32_t ifindex, const Mac& mac) {
  xlb_interface value{};
  std::copy(mac.begin(), mac.end(), value.mac);
  update(skeleton_->maps.xlb_interfaces, ifindex, value);
}

void Program::remove_interface(uint32_t ifindex) {
  (void)bpf_map__delete_elem(skeleton_->maps.xlb_interfaces, &ifindex, sizeof(ifindex), 0);
}

void Program::put_peer(const Mac& mac, uint32_t service_id) {
  xlb_peer_key key{};
  std::copy(mac.begin(), mac.end(), key.mac);
  key.service_id = static_cast<uint16_t>(service_id);
  update(skeleton_->maps.xlb_peers, key, uint8_t{1});
}

void Program::put_port(uint32_t ifindex) {
  update(skeleton_->maps.xlb_ports, ifindex, ifindex);
}

uint64_t Program::verdicts(xlb_verdict reason) {
  return all_verdicts()[reason];
}

std::vector<uint64_t> Program::all_verdicts() {
  std::vector<uint64_t> counts;
  for (uint32_t reason = 0; reason < XLB_VERDICTS; reason++) {
    uint64_t sum = 0;
    for (const uint64_t one : lookup_per_cpu<uint64_t>(skeleton_->maps.xlb_verdicts, reason))
      sum += one;
    counts.push_back(sum);
  }
  return counts;
}

xlb_traffic Program::traffic(uint32_t real_server) {
  return summed_traffic(skeleton_->maps.xlb_traffic, real_server);
}

xlb_traffic Program::unserved(uint32_t service_id) {
  return summed_traffic(skeleton_->maps.xlb_unserved, service_id);
}

uint64_t Program::cursor(uint32_t service_id) {
  return lookup<xlb_scheduler>(skeleton_->maps.xlb_schedulers, service_id).cursor;
}

size_t Program::flow_places() const {
  return size_t{bpf_map__max_entries(skeleton_->maps.xlb_flows)} * XLB_FLOWS_PER_BUCKET;
}

xlb_flow Program::flow(size_t place) {
  const auto bucket = static_cast<uint32_t>(place / XLB_FLOWS_PER_BUCKET);
  return lookup<xlb_flow_bucket>(skeleton_->maps.xlb_flows, bucket)
      .flows[place % XLB_FLOWS_PER_BUCKET];
}

void Program::set_flow(size_t place, const xlb_flow& flow) {
  const auto bucket = static_cast<uint32_t>(place / XLB_FLOWS_PER_BUCKET);
  auto value = lookup<xlb_flow_bucket>(skeleton_->maps.xlb_flows, bucket);
  value.flows[place % XLB_FLOWS_PER_BUCKET] = flow;
  update(skeleton_->maps.xlb_flows, bucket, value);
}

std::vector<xlb_flow> Program::flows() {
  std::vector<xlb_flow> found;
  for (size_t place = 0; place < flow_places(); place++) {
    const xlb_flow one = flow(place);
    if (one.key != 0 && one.value != 0) found.push_back(one);
  }
  return found;
}

std::optional<xlb_flow> Program::flow_of(const Packet& packet, uint32_t service_id) {
  const size_t home = home_of(packet, service_id);
  const size_t buddy = home ^ XLB_FLOWS_PER_BUCKET;
  for (const size_t start : {home, buddy}) {
    for (size_t i = 0; i < XLB_FLOWS_PER_BUCKET; i++) {
      const xlb_flow one = flow(start + i);
      if (one.key == flow_key(packet, service_id)) return one;
    }
  }
  return std::nullopt;
}

size_t Program::home_of(const Packet& packet, uint32_t service_id) {
  const uint32_t mask = skeleton_->rodata->xlb_flow_mask;
  return size_t{static_cast<uint32_t>(xlb_hash(flow_key(packet, service_id), kSeed)) & mask} *
         XLB_FLOWS_PER_BUCKET;
}

size_t Program::client_places() const {
  return size_t{bpf_map__max_entries(skeleton_->maps.xlb_persistence)} * XLB_PERSISTENCE_PER_BUCKET;
}

xlb_client Program::client(size_t place) {
  const auto bucket = static_cast<uint32_t>(place / XLB_PERSISTENCE_PER_BUCKET);
  return lookup<xlb_client_bucket>(skeleton_->maps.xlb_persistence, bucket)
      .clients[place % XLB_PERSISTENCE_PER_BUCKET];
}

void Program::set_client(size_t place, const xlb_client& client) {
  const auto bucket = static_cast<uint32_t>(place / XLB_PERSISTENCE_PER_BUCKET);
  auto value = lookup<xlb_client_bucket>(skeleton_->maps.xlb_persistence, bucket);
  value.clients[place % XLB_PERSISTENCE_PER_BUCKET] = client;
  update(skeleton_->maps.xlb_persistence, bucket, value);
}

std::optional<xlb_client> Program::client_of(uint32_t address, uint32_t service_id) {
  for (size_t place = 0; place < client_places(); place++) {
    const xlb_client one = client(place);
    if (one.key == client_key(address, service_id)) return one;
  }
  return std::nullopt;
}

void Program::put_client(uint32_t address, const xlb_client& client, uint32_t service_id) {
  const uint64_t key = client_key(address, service_id);
  const uint32_t bucket =
      static_cast<uint32_t>(xlb_hash(key, kSeed)) & skeleton_->rodata->xlb_client_mask;
  xlb_client entry = client;
  entry.key = key;
  set_client(size_t{bucket} * XLB_PERSISTENCE_PER_BUCKET, entry);
}

uint64_t flow_key(const Packet& packet, uint32_t service_id) {
  return XLB_FLOW_KEY(htonl(packet.client), htons(packet.client_port), service_id);
}

uint64_t client_key(uint32_t address, uint32_t service_id) {
  return XLB_FLOW_KEY(htonl(address), 0, service_id);
}

uint32_t now_s() {
  timespec now{};
  (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<uint32_t>(now.tv_sec);
}

Frame sent_to(uint32_t real_server, Packet packet) {
  packet.to = mac_of(real_server);
  packet.from = kDirectorMac;
  packet.ttl--;
  return packet.frame();
}

uint32_t receiver(const Outcome& outcome) {
  if (outcome.action != XDP_TX && outcome.action != XDP_REDIRECT) return 0;
  return outcome.frame[5];
}

uint32_t receiver_of(Program& program, const Packet& packet) {
  return receiver(program.run(packet.frame()));
}

}  // namespace xlb::test
