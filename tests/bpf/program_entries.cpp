// Program: the entries of its tables and their keys.
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <xlb/hash.h>

#include <cstring>
#include <ctime>

#include "program_memory.h"

namespace xlb::test {
namespace {

// An address as the program loads it: two words.
std::pair<uint64_t, uint64_t> loaded(const std::array<uint8_t, 16>& address) {
  uint64_t high = 0;
  uint64_t low = 0;
  std::memcpy(&high, address.data(), sizeof high);
  std::memcpy(&low, address.data() + 8, sizeof low);
  return {high, low};
}

}  // namespace

uint64_t Program::cursor(uint32_t service_id) {
  return memory_->schedulers[service_id].cursor;
}

Load Program::load(uint32_t real_server) {
  const xlb_load& load = memory_->loads[real_server];
  return {static_cast<int64_t>(load.active), static_cast<int64_t>(load.inactive)};
}

void Program::count(const xlb_flow& flow, int64_t change) {
  const uint32_t real_server = XLB_FLOW_REAL_SERVER(flow.value);
  if (flow.value == 0 || real_server >= kRealServers) return;
  xlb_load& load = memory_->loads[real_server];
  (XLB_FLOW_STATE(flow.value) == XLB_FLOW_ESTABLISHED ? load.active : load.inactive) +=
      static_cast<uint64_t>(change);
}

std::vector<Load> Program::counted_flows() {
  std::vector<Load> result(kRealServers);
  for (const xlb_flow& one : flows()) {
    const uint32_t real_server = XLB_FLOW_REAL_SERVER(one.value);
    if (real_server >= kRealServers) continue;
    Load& load = result[real_server];
    ++(XLB_FLOW_STATE(one.value) == XLB_FLOW_ESTABLISHED ? load.active : load.inactive);
  }
  return result;
}

size_t Program::flow_places() const {
  return size_t{bpf_map__max_entries(skeleton_->maps.xlb_flows)} * XLB_FLOWS_PER_BUCKET;
}

xlb_flow Program::flow(size_t place) {
  return memory_->flows[place / XLB_FLOWS_PER_BUCKET].flows[place % XLB_FLOWS_PER_BUCKET];
}

void Program::set_flow(size_t place, const xlb_flow& flow) {
  auto& entry = memory_->flows[place / XLB_FLOWS_PER_BUCKET].flows[place % XLB_FLOWS_PER_BUCKET];
  count(entry, -1);
  entry = flow;
  count(entry, 1);
}

xlb_client_address Program::noted_client(size_t place) {
  return memory_->flow_addresses[place];
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
  return size_t{xlb_bucket_hash(flow_key(packet, service_id), kSeed) & mask} * XLB_FLOWS_PER_BUCKET;
}

size_t Program::client_places() const {
  return size_t{bpf_map__max_entries(skeleton_->maps.xlb_persistence)} * XLB_PERSISTENCE_PER_BUCKET;
}

xlb_client Program::client(size_t place) {
  return memory_->clients[place / XLB_PERSISTENCE_PER_BUCKET]
      .clients[place % XLB_PERSISTENCE_PER_BUCKET];
}

void Program::set_client(size_t place, const xlb_client& client) {
  memory_->clients[place / XLB_PERSISTENCE_PER_BUCKET].clients[place % XLB_PERSISTENCE_PER_BUCKET] =
      client;
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
  const uint32_t bucket = xlb_bucket_hash(key, kSeed) & skeleton_->rodata->xlb_client_mask;
  xlb_client entry = client;
  entry.key = key;
  set_client(size_t{bucket} * XLB_PERSISTENCE_PER_BUCKET, entry);
}

uint64_t flow_key(const Packet& packet, uint32_t service_id) {
  if (packet.version == 6) {
    const auto [high, low] = loaded(address6(packet.client_net, packet.client));
    return xlb_flow_key_hashed(high, low, htons(packet.client_port), htons(packet.port),
                               static_cast<uint16_t>(service_id), kSeed);
  }
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
