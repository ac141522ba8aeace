// ServiceTables: learning what an earlier run left, and which numbers are free.
#include <algorithm>

#include "io/abi_encode.h"
#include "io/service_tables.h"

namespace xlb {

Result<ServiceTables> ServiceTables::open(const XdpProgram& program) {
  ServiceTables tables;
  tables.service_map_ = {program.map("xlb_services"), "xlb_services"};
  tables.peer_map_ = {program.map("xlb_peers"), "xlb_peers"};
  tables.traffic_fd_ = program.map("xlb_traffic");
  tables.unserved_fd_ = program.map("xlb_unserved");
  tables.service_by_id_.resize(XLB_MAX_VIRTUAL_SERVERS);
  tables.rules_.persistence_timeout_s.resize(XLB_MAX_VIRTUAL_SERVERS);
  tables.rules_.service_of_real_server.resize(XLB_MAX_REAL_SERVERS);

  auto real_servers = MappedArray<RealServerMemory>::map(program.map("xlb_real_servers"),
                                                         XLB_MAX_REAL_SERVERS, "xlb_real_servers");
  if (!real_servers) return real_servers.error();
  tables.real_server_memory_ = std::move(*real_servers);
  auto slots = MappedArray<SlotMemory>::map(program.map("xlb_slots"), XLB_SLOTS, "xlb_slots");
  if (!slots) return slots.error();
  tables.slot_memory_ = std::move(*slots);
  auto schedulers = MappedArray<xlb_scheduler>::map(program.map("xlb_schedulers"),
                                                    XLB_MAX_VIRTUAL_SERVERS, "xlb_schedulers");
  if (!schedulers) return schedulers.error();
  tables.scheduler_memory_ = std::move(*schedulers);

  if (auto learned = tables.learn_services(); !learned) return learned.error();
  tables.learn_real_servers();
  if (auto learned = tables.learn_peers(); !learned) return learned.error();
  return tables;
}

Result<void> ServiceTables::learn_services() {
  auto entries = service_map_.entries();
  if (!entries) return entries.error();
  for (const auto& [key, value] : *entries) {
    if (!ids_.take(value.id)) {  // nothing this program wrote: forget it
      if (auto erased = service_map_.erase(key); !erased) return erased;
      continue;
    }
    Service service;
    service.id = value.id;
    // A region that cannot be claimed is not ours to give back; the first install writes a new one.
    const auto learn = [&](uint32_t offset, uint32_t length) {
      Region region;
      if (!regions_.take(offset, length)) return region;
      region.offset = offset;
      for (uint32_t i = 0; i < length; ++i) {
        region.slots.push_back(slot_memory_[offset + i].real_server);
      }
      return region;
    };
    service.ring = learn(value.ring_offset, value.ring_length);
    service.hash = learn(value.hash_offset, value.hash_length);
    rules_.persistence_timeout_s[value.id] = value.persistence_timeout_s;
    service_by_id_[value.id] = decode(key);
    services_.emplace(decode(key), std::move(service));
  }
  return {};
}

void ServiceTables::learn_real_servers() {
  for (uint32_t index = 1; index < XLB_MAX_REAL_SERVERS; ++index) {
    const auto value = read(index);
    if (value.service_id == 0) continue;
    indices_.take(index);
    const ServiceKey* key = service(value.service_id);
    const bool known =
        key != nullptr && services_.at(*key).real_servers.emplace(endpoint_of(value), index).second;
    if (known) {
      rules_.service_of_real_server[index] = value.service_id;
    } else {
      retire_real_server(index);
    }
  }
}

Result<void> ServiceTables::learn_peers() {
  auto entries = peer_map_.entries();
  if (!entries) return entries.error();
  for (const auto& [key, value] : *entries) {
    MacAddress mac;
    std::copy(std::begin(key.mac), std::end(key.mac), mac.bytes.begin());
    if (const ServiceKey* owner = service(key.service_id)) {
      services_.at(*owner).peers.insert(mac);
    } else if (auto erased = peer_map_.erase(key); !erased) {
      return erased;
    }
  }
  return {};
}

std::vector<ServiceKey> ServiceTables::services() const {
  std::vector<ServiceKey> result;
  for (const auto& [key, service] : services_)
    result.push_back(key);
  return result;
}

void ServiceTables::pass_begins() {
  for (auto& retired : retired_ids_)
    retired.pass_began = true;
  for (auto& retired : retired_indices_)
    retired.pass_began = true;
}

void ServiceTables::pass_completed() {
  for (const auto& retired : retired_indices_) {
    if (!retired.pass_began) continue;
    write(retired.number, {});
    indices_.give_back(retired.number);
  }
  for (const auto& retired : retired_ids_) {
    if (retired.pass_began) ids_.give_back(retired.number);
  }
  const auto began = [](const Retired& retired) { return retired.pass_began; };
  std::erase_if(retired_ids_, began);
  std::erase_if(retired_indices_, began);
}

bool ServiceTables::short_of_numbers(size_t services, size_t real_servers) const {
  return (!retired_ids_.empty() && ids_.available() < services) ||
         (!retired_indices_.empty() && indices_.available() < real_servers);
}

uint32_t ServiceTables::id_of(const ServiceKey& key) const {
  const auto service = services_.find(key);
  return service == services_.end() ? 0 : service->second.id;
}

uint32_t ServiceTables::index_of(const ServiceKey& key, const Endpoint& real_server) const {
  const auto service = services_.find(key);
  if (service == services_.end()) return 0;
  const auto index = service->second.real_servers.find(real_server);
  return index == service->second.real_servers.end() ? 0 : index->second;
}

const ServiceKey* ServiceTables::service(uint32_t id) const {
  if (id >= service_by_id_.size() || !service_by_id_[id]) return nullptr;
  return &*service_by_id_[id];
}

Endpoint ServiceTables::real_server(uint32_t index) const {
  return endpoint_of(read(index));
}

uint32_t ServiceTables::index_end() const {
  const auto& owners = rules_.service_of_real_server;
  const auto last =
      std::find_if(owners.rbegin(), owners.rend(), [](uint16_t id) { return id != 0; });
  return std::max(1U, static_cast<uint32_t>(owners.rend() - last));
}

uint32_t ServiceTables::id_end() const {
  const auto last = std::find_if(service_by_id_.rbegin(), service_by_id_.rend(),
                                 [](const auto& key) { return key.has_value(); });
  return std::max(1U, static_cast<uint32_t>(service_by_id_.rend() - last));
}

}  // namespace xlb
