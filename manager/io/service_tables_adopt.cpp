// ServiceTables: learning what an earlier run left, and which numbers are free.
#include <algorithm>

#include "io/abi_encode.h"
#include "io/service_tables.h"

namespace xlb {

namespace {

template <typename T>
Result<void> map_into(MappedArray<T>& array, const XdpProgram& program, size_t count,
                      std::string_view name) {
  auto mapped = MappedArray<T>::map(program.map(name), count, name);
  if (!mapped) return mapped.error();
  array = std::move(*mapped);
  return {};
}

}  // namespace

Result<ServiceTables> ServiceTables::open(const XdpProgram& program) {
  ServiceTables tables;
  tables.peer_map_ = {program.map("xlb_peers"), "xlb_peers"};
  tables.traffic_fd_ = program.map("xlb_traffic");
  tables.unserved_fd_ = program.map("xlb_unserved");
  tables.real_server_end_ = program.map_set().real_servers;
  tables.indices_ = IndexPool(tables.real_server_end_);
  tables.service_by_id_.resize(XLB_MAX_VIRTUAL_SERVERS);
  tables.rules_.services.resize(XLB_MAX_VIRTUAL_SERVERS);
  tables.rules_.service_of_real_server.resize(tables.real_server_end_);
  if (auto mapped = tables.map_memory(program); !mapped) return mapped.error();
  tables.set_timeouts({});
  if (auto learned = tables.learn_services(); !learned) return learned.error();
  tables.learn_real_servers();
  if (auto learned = tables.learn_peers(); !learned) return learned.error();
  return tables;
}

Result<void> ServiceTables::map_memory(const XdpProgram& program) {
  Result<void> done;
  const auto map = [&](auto& array, size_t count, std::string_view name) {
    if (done) done = map_into(array, program, count, name);
  };
  map(displacement_memory_, XLB_SERVICE_BUCKETS, "xlb_service_displacements");
  map(service_memory_, XLB_SERVICE_SLOTS, "xlb_services");
  map(place_memory_, XLB_MAX_VIRTUAL_SERVERS, "xlb_service_places");
  map(real_server_memory_, real_server_end_, "xlb_real_servers");
  map(load_memory_, real_server_end_, "xlb_loads");
  map(slot_memory_, XLB_SLOTS, "xlb_slots");
  map(scheduler_memory_, XLB_MAX_VIRTUAL_SERVERS, "xlb_schedulers");
  map(peer_filter_memory_, XLB_PEER_FILTER_WORDS, "xlb_peer_filter");
  map(settings_memory_, 1, "xlb_settings");
  if (!done) return done;
  directory_ =
      ServiceDirectory(displacement_memory_.span(), service_memory_.span(), place_memory_.span());
  peer_filter_ = PeerFilter(peer_filter_memory_.span());
  return {};
}

Result<void> ServiceTables::learn_services() {
  for (const auto& value : directory_.entries()) {
    if (value.key.protocol == 0) continue;  // an address: described anew with its services
    if (!ids_.take(value.id)) {             // nothing this program wrote: forget it
      directory_.erase(value.key);
      continue;
    }
    Service service;
    service.id = value.id;
    // A region that cannot be claimed is not ours to give back; the first install writes a new one.
    const auto learn = [&](uint64_t slots) {
      Region region;
      const uint32_t length = XLB_SLOTS_LENGTH(slots);
      if (!regions_.take(XLB_SLOTS_OFFSET(slots), length)) return region;
      region.offset = XLB_SLOTS_OFFSET(slots);
      for (uint32_t i = 0; i < length; ++i) {
        region.slots.push_back(slot_memory_[region.offset + i].value);
      }
      return region;
    };
    service.ring = learn(value.ring);
    service.hash = learn(value.hash);
    const ServiceKey key = decode(value.key);
    rules_.services[value.id] = {.persistence_timeout_s = value.persistence_timeout_s,
                                 .persistence_prefix = value.persistence_prefix,
                                 .ipv6 = !key.address.is_v4(),
                                 .any_port = key.port == 0};
    service_by_id_[value.id] = key;
    services_.emplace(key, std::move(service));
  }
  count_any_port();
  return {};
}

void ServiceTables::learn_real_servers() {
  for (uint32_t index = 1; index < real_server_end_; ++index) {
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
      peer_filter_.add(mac);
    } else if (auto erased = peer_map_.erase(key); !erased) {
      return erased;
    }
  }
  peer_filter_.clear_others();
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
    load_memory_[retired.number] = {};
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
