#include "io/service_tables.h"

#include <bpf/libbpf.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>

#include "core/schedule.h"
#include "io/abi_encode.h"

namespace xlb {
namespace {

static_assert(sizeof(xlb_real_server) == sizeof(RealServerMemory));

bool weighted(Scheduler scheduler) {
  return scheduler != Scheduler::rr && scheduler != Scheduler::lc && scheduler != Scheduler::dh;
}

// New connections go to those that take them, by the scheduler's order; those that compare
// connections need each once.
std::vector<uint32_t> ring_of(const ForwardedVirtualServer& service) {
  if (scheduling_of(service.scheduler) == XLB_SCHEDULE_HASH) return {};
  std::vector<int> weights;
  for (const auto& server : service.real_servers) {
    weights.push_back(server.forwardable == Forwardable::yes ? server.weight : 0);
  }
  return service.scheduler == Scheduler::wrr ? weighted_round_robin(weights) : round_robin(weights);
}

// weight 0 never takes new connections, whatever else is said.
ForwardedRealServer normalized(ForwardedRealServer server) {
  if (server.weight <= 0 && server.forwardable == Forwardable::yes) {
    server.forwardable = Forwardable::existing;
  }
  return server;
}

Result<void> zero_traffic(int fd, uint32_t index) {
  const std::vector<xlb_traffic> zeros(static_cast<size_t>(libbpf_num_possible_cpus()));
  const int failed = bpf_map_update_elem(fd, &index, zeros.data(), BPF_ANY);
  if (failed != 0) return fail_errno(failed, "cannot reset the counters of number {}", index);
  return {};
}

}  // namespace

// Packets of unknown connections go to the same, or, if nobody takes new connections, to who still
// serves existing ones.
std::vector<uint32_t> ServiceTables::hash_of(const ForwardedVirtualServer& desired,
                                             Service& service) {
  std::vector<HashCandidate> accepting;
  std::vector<HashCandidate> serving;
  for (const auto& server : desired.real_servers) {
    const bool accepts = server.forwardable == Forwardable::yes && server.weight > 0;
    const int weight = weighted(desired.scheduler) ? server.weight : 1;
    accepting.push_back({server.endpoint, accepts ? weight : 0});
    serving.push_back({server.endpoint, server.forwardable == Forwardable::no ? 0 : 1});
  }
  const size_t size = hash_table_size(desired.real_servers.size());
  auto slots = service.accepting.update(accepting, size);
  return slots.empty() ? service.serving.update(serving, size) : slots;
}

Result<void> ServiceTables::install(const ForwardedVirtualServer& desired) {
  const std::string what = fmt::format("cannot apply virtual server {}", desired.key);
  const bool fresh = !services_.contains(desired.key);
  if (fresh) {
    if (auto added = add_service(desired.key); !added) return added.error().context(what);
  }
  auto updated = update(desired, services_.at(desired.key));
  if (updated) return {};
  if (fresh) (void)remove(desired.key);
  return updated.error().context(what);
}

Result<void> ServiceTables::add_service(const ServiceKey& key) {
  const auto id = ids_.take();
  if (!id) return fail("more than {} virtual servers", XLB_MAX_VIRTUAL_SERVERS - 1);
  if (auto zeroed = zero_traffic(unserved_fd_, *id); !zeroed) {
    ids_.give_back(*id);
    return zeroed;
  }
  scheduler_memory_[*id].cursor = 0;
  service_by_id_[*id] = key;
  services_[key].id = *id;
  return {};
}

Result<void> ServiceTables::update(const ForwardedVirtualServer& desired, Service& service) {
  std::vector<xlb_real_server> encoded;
  std::set<Endpoint> endpoints;
  for (const auto& server : desired.real_servers) {
    if (!endpoints.insert(server.endpoint).second) {
      return fail("real server {} is there twice", server.endpoint);
    }
    auto value = encode(normalized(server), static_cast<uint16_t>(service.id));
    if (!value) return value.error();
    encoded.push_back(*value);
  }
  if (auto numbered = number_real_servers(desired, service); !numbered) return numbered;
  for (size_t i = 0; i < encoded.size(); ++i) {
    write(service.real_servers.at(desired.real_servers[i].endpoint), encoded[i]);
  }
  const auto to_indices = [&](std::vector<uint32_t> positions) {
    for (auto& slot : positions) {
      slot = service.real_servers.at(desired.real_servers[slot].endpoint);
    }
    return positions;
  };
  auto ring = place(to_indices(ring_of(desired)), service.ring);
  if (!ring) return ring.error();
  auto hash = place(to_indices(hash_of(desired, service)), service.hash);
  if (!hash) {
    if (!ring->same_place(service.ring)) give_up(*ring);
    return hash.error();
  }
  if (auto added = add_peers(desired, service); !added) return added;
  if (auto switched = switch_slots(desired, service, std::move(*ring), std::move(*hash));
      !switched) {
    return switched;
  }
  for (auto known = service.real_servers.begin(); known != service.real_servers.end();) {
    if (endpoints.contains(known->first)) {
      ++known;
      continue;
    }
    retire_real_server(known->second);
    known = service.real_servers.erase(known);
  }
  return remove_peers(desired.peers, service);
}

Result<void> ServiceTables::number_real_servers(const ForwardedVirtualServer& desired,
                                                Service& service) {
  for (const auto& server : desired.real_servers) {
    if (service.real_servers.contains(server.endpoint)) continue;
    const auto index = indices_.take();
    if (!index) {
      return fail(
          "more than {} real servers: set real_servers_max in the xlb block to more, up to {}",
          real_server_end_ - 1, +XLB_MAX_REAL_SERVERS);
    }
    if (auto zeroed = zero_traffic(traffic_fd_, *index); !zeroed) {
      indices_.give_back(*index);
      return zeroed;
    }
    load_memory_[*index] = {};
    service.real_servers.emplace(server.endpoint, *index);
    rules_.service_of_real_server[*index] = static_cast<uint16_t>(service.id);
  }
  return {};
}

Result<ServiceTables::Region> ServiceTables::place(std::vector<uint32_t> slots,
                                                   const Region& current) {
  if (slots == current.slots) return current;
  const auto length = static_cast<uint32_t>(slots.size());
  auto offset = regions_.take(length);
  if (!offset) {
    reclaim();
    offset = regions_.take(length);
  }
  if (!offset) return fail("all {} scheduler slots are in use", +XLB_SLOTS);
  for (uint32_t i = 0; i < length; ++i)
    slot_memory_[*offset + i].value = slots[i];
  return Region{*offset, std::move(slots)};
}

Result<void> ServiceTables::switch_slots(const ForwardedVirtualServer& desired, Service& service,
                                         Region ring, Region hash) {
  xlb_service value{};
  value.key = encode(desired.key);
  value.id = static_cast<uint16_t>(service.id);
  value.scheduling = static_cast<uint8_t>(scheduling_of(desired.scheduler));
  value.hash_input = hash_input_of(desired);
  value.ring = XLB_SLOTS_OF(ring.offset, ring.slots.size());
  value.hash = XLB_SLOTS_OF(hash.offset, hash.slots.size());
  value.persistence_timeout_s = encode_persistence(desired.persistence_timeout);
  value.persistence_prefix = desired.persistence_prefix;
  if (desired.one_packet && desired.key.protocol == Protocol::udp) {
    value.flags |= XLB_SERVICE_ONE_PACKET;
  }
  for (const auto& server : desired.real_servers) {
    if (server.local) value.local_real_server = service.real_servers.at(server.endpoint);
  }
  rules_.services[service.id] = {.persistence_timeout_s = value.persistence_timeout_s,
                                 .persistence_prefix = value.persistence_prefix,
                                 .ipv6 = !desired.key.address.is_v4(),
                                 .any_port = desired.key.port == 0};
  if (desired.key.port == 0) settings_memory_[0].any_port = 1;
  const bool written = put(value);
  // What is not in force, the old or the new, is given up.
  if (written) {
    std::swap(service.ring, ring);
    std::swap(service.hash, hash);
  }
  if (!ring.same_place(service.ring)) give_up(std::move(ring));
  if (!hash.same_place(service.hash)) give_up(std::move(hash));
  if (!written) return fail("there is no place for it among the others");
  return describe_address(desired.key.address);
}

// Makes the address one of a virtual server's, or no longer. A later fragment tells no port: it can
// be placed where the address has one virtual server of its protocol, which sends all of a client's
// packets alike.
Result<void> ServiceTables::describe_address(const IpAddress& address) {
  xlb_service entry{};
  entry.key = address_key(address);
  size_t count = 0;
  std::map<Protocol, size_t> of_protocol;
  for (auto at = services_.lower_bound({address, 0, Protocol::tcp});
       at != services_.end() && at->first.address == address; ++at) {
    const auto service = directory_.find(encode(at->first));
    if (!service) continue;
    ++count;
    const bool alike =
        ++of_protocol[at->first.protocol] == 1 && at->first.port != 0 &&
        (service->hash_input & XLB_HASH_SOURCE_PORT) == 0 &&
        (service->scheduling == XLB_SCHEDULE_HASH || service->persistence_timeout_s != 0);
    auto& taker = at->first.protocol == Protocol::tcp ? entry.fragments_tcp : entry.fragments_udp;
    taker = alike ? service->id : 0;
  }
  if (count == 0) {
    directory_.erase(entry.key);
    return {};
  }
  if (!put(entry)) return fail("there is no place for its address among the others");
  return {};
}

// Many moves leave many places behind. The search that found none of them free took longer than any
// packet under way: they can be used.
bool ServiceTables::put(const xlb_service& entry) {
  if (directory_.put(entry)) return true;
  directory_.reclaim();
  return directory_.put(entry);
}

void ServiceTables::count_any_port() {
  settings_memory_[0].any_port = static_cast<uint32_t>(
      std::count_if(services_.begin(), services_.end(),
                    [](const auto& service) { return service.first.port == 0; }));
}

void ServiceTables::set_timeouts(const FlowTimeouts& timeouts) {
  xlb_settings& settings = settings_memory_[0];
  encode_timeouts(timeouts, settings.timeout_s);
  std::copy(std::begin(settings.timeout_s), std::end(settings.timeout_s),
            rules_.flow_timeout_s.begin());
  settings.icmp_errors_per_second = XLB_ICMP_ERRORS_PER_SECOND;
}

void ServiceTables::give_up(Region region) {
  if (!region.slots.empty()) given_up_.push_back(std::move(region));
}

void ServiceTables::reclaim() {
  directory_.reclaim();
  for (const auto& region : given_up_) {
    regions_.give_back(region.offset, static_cast<uint32_t>(region.slots.size()));
  }
  given_up_.clear();
}

Result<void> ServiceTables::add_peers(const ForwardedVirtualServer& desired, Service& service) {
  for (const auto& mac : desired.peers) {
    if (service.peers.contains(mac)) continue;
    peer_filter_.add(mac);
    auto put = peer_map_.put(encode_peer(mac, static_cast<uint16_t>(service.id)), 1);
    if (!put) {
      peer_filter_.remove(mac);
      return put;
    }
    service.peers.insert(mac);
  }
  return {};
}

Result<void> ServiceTables::remove_peers(const std::vector<MacAddress>& keep, Service& service) {
  for (auto mac = service.peers.begin(); mac != service.peers.end();) {
    if (std::find(keep.begin(), keep.end(), *mac) != keep.end()) {
      ++mac;
      continue;
    }
    auto erased = peer_map_.erase(encode_peer(*mac, static_cast<uint16_t>(service.id)));
    if (!erased) return erased;
    peer_filter_.remove(*mac);
    mac = service.peers.erase(mac);
  }
  return {};
}

Result<void> ServiceTables::remove(const ServiceKey& key) {
  const auto found = services_.find(key);
  if (found == services_.end()) return {};
  auto& service = found->second;
  const std::string what = fmt::format("cannot remove virtual server {}", key);
  directory_.erase(encode(key));
  if (auto removed = remove_peers({}, service); !removed) return removed.error().context(what);
  give_up(std::move(service.ring));
  give_up(std::move(service.hash));
  for (const auto& [endpoint, index] : service.real_servers)
    retire_real_server(index);
  rules_.services[service.id] = {};
  service_by_id_[service.id].reset();
  retired_ids_.push_back({service.id, false});
  services_.erase(found);
  count_any_port();
  return describe_address(key.address);
}

void ServiceTables::retire_real_server(uint32_t index) {
  auto value = read(index);
  value.flags = 0;  // the identity stays until its number is free
  write(index, value);
  rules_.service_of_real_server[index] = 0;
  retired_indices_.push_back({index, false});
}

xlb_real_server ServiceTables::read(uint32_t index) const {
  RealServerMemory words{};
  for (size_t i = 0; i < words.size(); ++i) {
    words[i] = std::atomic_ref(real_server_memory_[index][i]).load(std::memory_order_relaxed);
  }
  return std::bit_cast<xlb_real_server>(words);
}

// Words 0, 1 and from 5 on hold where frames go, word 2 the flags. Going up, the flags are last;
// going down, they are all that changes, so a packet under way still leaves by the old way. A
// packet that meets a change of the way itself may leave by a mixture: it is lost.
void ServiceTables::write(uint32_t index, const xlb_real_server& value) const {
  static_assert(offsetof(xlb_real_server, flags) == 16);
  static_assert(offsetof(xlb_real_server, address) == 24);
  const auto words = std::bit_cast<RealServerMemory>(value);
  auto& memory = real_server_memory_[index];
  const auto store = [&](size_t i) {
    std::atomic_ref(memory[i]).store(words[i], std::memory_order_release);
  };
  constexpr std::array<size_t, 5> kWay = {0, 1, 5, 6, 7};
  for (const size_t i : kWay) {
    if (value.flags != 0 || value.service_id == 0) store(i);
  }
  store(3);
  store(4);
  if (value.flags == 0 && value.service_id != 0) store(5);  // the identity's port
  store(2);
}

}  // namespace xlb
