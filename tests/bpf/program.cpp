#include "program.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <doctest/doctest.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "io/kernel_clock.h"
#include "program_memory.h"

namespace xlb::test {
namespace {

constexpr uint32_t kSlotsPerTable = 512;  // of the ring, of the hash table
constexpr uint32_t kServices = 16;
constexpr std::array<const char*, XLB_VERDICTS> kReasons{
    "XLB_PASS_NOT_OURS",   "XLB_PASS_OTHER_MAC",      "XLB_PASS_LOCAL",
    "XLB_PASS_PEER_LOCAL", "XLB_PASS_NO_REAL_SERVER", "XLB_TX",
    "XLB_REDIRECT",        "XLB_TX_TIME_EXCEEDED",    "XLB_TX_TOO_BIG",
    "XLB_DROP_TTL",        "XLB_DROP_TOO_BIG",        "XLB_DROP_PEER",
    "XLB_DROP_MALFORMED",  "XLB_DROP_FLAGS",          "XLB_DROP_FRAGMENT",
    "XLB_DROP_NO_PORT",    "XLB_DROP_NO_ROOM"};

template <typename Key, typename Value>
void update(bpf_map* map, const Key& key, const Value& value) {
  if (bpf_map__update_elem(map, &key, sizeof(key), &value, sizeof(value), BPF_ANY) != 0)
    throw std::runtime_error(std::string("cannot update ") + bpf_map__name(map) + ": " +
                             std::strerror(errno));
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

const KernelClock& kernel_clock() {
  static const Result<KernelClock> clock = read_kernel_clock();
  if (!clock) throw std::runtime_error(clock.error().text);
  return *clock;
}

xlb_bpf* open_small(uint32_t flow_buckets, uint32_t client_buckets) {
  xlb_bpf* skeleton = xlb_bpf__open();
  if (skeleton == nullptr) return nullptr;
  const auto& maps = skeleton->maps;
  const auto size = [](bpf_map* map, uint32_t entries) {
    (void)bpf_map__set_max_entries(map, entries);
  };
  size(maps.xlb_flows, flow_buckets);
  size(maps.xlb_flow_addresses, flow_buckets * XLB_FLOWS_PER_BUCKET);
  size(maps.xlb_persistence, client_buckets);
  size(maps.xlb_client_addresses, client_buckets * XLB_PERSISTENCE_PER_BUCKET);
  size(maps.xlb_slots, kServices * 2 * kSlotsPerTable);
  size(maps.xlb_schedulers, kServices);
  size(maps.xlb_unserved, kServices);
  size(maps.xlb_real_servers, kRealServers);
  size(maps.xlb_loads, kRealServers);
  size(maps.xlb_traffic, kRealServers);
  size(maps.xlb_peers, 16);
  size(maps.xlb_fragments, 64);
  skeleton->rodata->xlb_flow_mask = flow_buckets - 1;
  skeleton->rodata->xlb_client_mask = client_buckets - 1;
  skeleton->rodata->xlb_hash_seed = kSeed;
  return skeleton;
}

void encode_address(uint8_t version, uint32_t address, __be32 (&words)[4]) {
  words[0] = htonl(address);
  if (version == 6) std::memcpy(words, address6(0, address).data(), sizeof words);
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
  if (skeleton_ == nullptr) throw std::runtime_error("cannot open the XDP program");
  skeleton_->rodata->xlb_clock_epoch = kernel_clock().epoch_ticks;
  skeleton_->rodata->xlb_clock_scale = kernel_clock().seconds_per_tick;
  if (xlb_bpf__load(skeleton_) != 0) throw std::runtime_error("cannot load the XDP program");
  memory_ = std::make_unique<Memory>(skeleton_);
  put_interface(kIngress, kDirectorMac);
  settings() = {
      .timeout_s = {0, XLB_SYN_RECV_TIMEOUT_S, XLB_ESTABLISHED_TIMEOUT_S, XLB_FIN_WAIT_TIMEOUT_S,
                    XLB_CLOSE_TIMEOUT_S, XLB_UDP_TIMEOUT_S, XLB_UDP_TIMEOUT_S, 0},
      .any_port = 0,
      .icmp_errors_per_second = XLB_ICMP_ERRORS_PER_SECOND,
      .zero = {}};
}

Program::~Program() {
  const auto counted = counted_flows();
  for (uint32_t index = 0; index < kRealServers; index++) {
    CAPTURE(index);
    CHECK(load(index).active == counted[index].active);
    CHECK(load(index).inactive == counted[index].inactive);
  }
  memory_.reset();
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
    memory_->slots[ring_offset + i].value = spec.ring[i];
  for (uint32_t i = 0; i < spec.hash.size(); i++)
    memory_->slots[hash_offset + i].value = spec.hash[i];
  constexpr uint8_t kAddressAndPort = XLB_HASH_SOURCE_ADDRESS | XLB_HASH_SOURCE_PORT;
  xlb_service service{};
  encode_address(spec.version, spec.address, service.key.address);
  service.key.family = spec.version;
  xlb_service address{};
  address.key = service.key;
  service.key.port = htons(spec.port);
  service.key.protocol = spec.protocol;
  service.id = static_cast<uint16_t>(spec.id);
  service.scheduling = spec.scheduling;
  service.hash_input = spec.hash_input.value_or(
      spec.persistence_timeout_s != 0 ? +XLB_HASH_SOURCE_ADDRESS : kAddressAndPort);
  service.ring = XLB_SLOTS_OF(ring_offset, spec.ring.size());
  service.hash = XLB_SLOTS_OF(hash_offset, spec.hash.size());
  service.persistence_timeout_s = spec.persistence_timeout_s;
  service.persistence_prefix = spec.persistence_prefix;
  service.local_real_server = spec.local_real_server;
  service.flags = spec.flags;
  address = memory_->directory.find(address.key).value_or(address);
  (spec.protocol == kTcp ? address.fragments_tcp : address.fragments_udp) =
      spec.takes_fragments ? service.id : uint16_t{0};
  if (!memory_->directory.put(service) || !memory_->directory.put(address))
    throw std::runtime_error("no place for a virtual server");
  memory_->directory.reclaim();
  if (spec.port == 0) settings().any_port = 1;
}

void Program::put_real_server(uint32_t index, const RealServerSpec& spec) {
  xlb_real_server real_server{};
  const Mac mac = mac_of(index);
  std::copy(mac.begin(), mac.end(), real_server.destination_mac);
  std::copy(kDirectorMac.begin(), kDirectorMac.end(), real_server.source_mac);
  real_server.ifindex = spec.ifindex;
  real_server.flags = static_cast<uint16_t>(spec.flags);
  real_server.service_id = static_cast<uint16_t>(spec.service_id);
  real_server.weight = spec.weight;
  memory_->real_servers[index] = real_server;
}

void Program::put_interface(uint32_t ifindex, const Mac& mac, uint32_t address,
                            std::set<MacAddress> virtual_macs) {
  InterfaceIdentity identity{{mac}, std::nullopt, std::nullopt, std::move(virtual_macs)};
  if (address != 0) {
    identity.address = IpAddress::from_v4(htonl(address));
    identity.address6 = IpAddress::from_v6(address6(0, address));
  }
  if (auto put = memory_->interfaces.put(ifindex, identity); !put)
    throw std::runtime_error(put.error().text);
}

void Program::remove_interface(uint32_t ifindex) {
  memory_->interfaces.erase(ifindex);
}

void Program::put_peer(const Mac& mac, uint32_t service_id) {
  xlb_peer_key key{};
  std::copy(mac.begin(), mac.end(), key.mac);
  key.service_id = static_cast<uint16_t>(service_id);
  memory_->peers.add({mac});
  update(skeleton_->maps.xlb_peers, key, uint8_t{1});
}

xlb_settings& Program::settings() {
  return memory_->settings[0];
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

}  // namespace xlb::test
