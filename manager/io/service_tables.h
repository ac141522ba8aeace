// Virtual servers, real servers, scheduler slots and peers in the program's maps: who has which
// number, and in which order things are written so that a packet in between finds either the old or
// the new state. It knows neither flows nor interfaces.
//
// Order. Adding: real servers, then the slots that name them, then the virtual server that names
// the slots. Removing: the other way round. New slots are written to a free region; one update of
// the virtual server switches to it. A number is used again only after a whole sweep has removed
// the flows that hold it.
#pragma once

#include <xlb/abi.h>

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "base/result.h"
#include "core/forwarding.h"
#include "core/hash_table.h"
#include "io/bpf_map.h"
#include "io/flow_table.h"
#include "io/index_pool.h"
#include "io/peer_filter.h"
#include "io/service_directory.h"
#include "io/xdp_program.h"

namespace xlb {

// A struct xlb_real_server as it lies in memory: every word is read and written whole.
using RealServerMemory = std::array<uint64_t, 8>;

class ServiceTables {
 public:
  // Learns the numbers that are in use. `program` must outlive this.
  static Result<ServiceTables> open(const XdpProgram& program);

  // New or changed. On an error a new one is not there, a changed one forwards to what of its old
  // and new real servers is usable.
  Result<void> install(const ForwardedVirtualServer& service);
  Result<void> remove(const ServiceKey& key);
  // How long flows are remembered.
  void set_timeouts(const FlowTimeouts& timeouts);
  // Slots and places that were given up before can be used again. Between two applies: packets
  // under way are long done.
  void reclaim();

  [[nodiscard]] std::vector<ServiceKey> services() const;
  // The sweep: entries that do not fit these rules go; numbers retired before a pass began are free
  // after it.
  [[nodiscard]] const SweepRules& rules() const { return rules_; }
  void pass_begins();
  void pass_completed();
  // Whether retired numbers are needed to install `services` more virtual and `real_servers` more
  // real ones.
  [[nodiscard]] bool short_of_numbers(size_t services, size_t real_servers) const;

  // Numbers; 0 when there is none.
  [[nodiscard]] uint32_t id_of(const ServiceKey& key) const;
  [[nodiscard]] uint32_t index_of(const ServiceKey& key, const Endpoint& real_server) const;
  [[nodiscard]] const ServiceKey* service(uint32_t id) const;
  [[nodiscard]] Endpoint real_server(uint32_t index) const;
  // All numbers in use are below these.
  [[nodiscard]] uint32_t index_end() const;
  [[nodiscard]] uint32_t id_end() const;
  // What each real server has now, by index.
  [[nodiscard]] std::span<xlb_load> loads() const { return load_memory_.span(); }

  ServiceTables() = default;  // empty: only to be assigned to

 private:
  struct Region {
    uint32_t offset = 0;
    std::vector<uint32_t> slots;

    [[nodiscard]] bool same_place(const Region& other) const {
      return offset == other.offset && slots.size() == other.slots.size();
    }
  };
  struct Service {
    uint32_t id = 0;
    Region ring;
    Region hash;
    HashTable accepting;  // of those who take new connections
    HashTable serving;    // of all who still serve: used when nobody takes new connections
    std::map<Endpoint, uint32_t> real_servers;  // -> index
    std::set<MacAddress> peers;
  };
  // A number that flows may still hold.
  struct Retired {
    uint32_t number = 0;
    bool pass_began = false;
  };

  Result<void> map_memory(const XdpProgram& program);
  Result<void> learn_services();
  void learn_real_servers();
  Result<void> learn_peers();
  Result<void> add_service(const ServiceKey& key);
  Result<void> update(const ForwardedVirtualServer& desired, Service& service);
  Result<void> number_real_servers(const ForwardedVirtualServer& desired, Service& service);
  static std::vector<uint32_t> hash_of(const ForwardedVirtualServer& desired, Service& service);
  Result<Region> place(std::vector<uint32_t> slots, const Region& current);
  void give_up(Region region);
  Result<void> switch_slots(const ForwardedVirtualServer& desired, Service& service, Region ring,
                            Region hash);
  bool put(const xlb_service& entry);
  Result<void> describe_address(const IpAddress& address);
  void count_any_port();
  Result<void> add_peers(const ForwardedVirtualServer& desired, Service& service);
  Result<void> remove_peers(const std::vector<MacAddress>& keep, Service& service);
  void retire_real_server(uint32_t index);
  [[nodiscard]] xlb_real_server read(uint32_t index) const;
  void write(uint32_t index, const xlb_real_server& value) const;

  BpfMap<xlb_peer_key, uint8_t> peer_map_;
  MappedArray<PaddedWord> displacement_memory_;
  MappedArray<ServiceMemory> service_memory_;
  MappedArray<PaddedWord> place_memory_;
  MappedArray<RealServerMemory> real_server_memory_;
  MappedArray<PaddedWord> slot_memory_;
  MappedArray<xlb_scheduler> scheduler_memory_;
  MappedArray<uint64_t> peer_filter_memory_;
  MappedArray<xlb_load> load_memory_;
  MappedArray<xlb_settings> settings_memory_;
  int traffic_fd_ = -1;
  int unserved_fd_ = -1;
  uint32_t real_server_end_ = 0;  // numbers are below it

  ServiceDirectory directory_;
  PeerFilter peer_filter_;
  std::map<ServiceKey, Service> services_;
  std::vector<std::optional<ServiceKey>> service_by_id_;
  IndexPool ids_{XLB_MAX_VIRTUAL_SERVERS};
  IndexPool indices_{1};  // as many as the program's maps have
  RegionPool regions_{XLB_SLOTS};
  std::vector<Region> given_up_;
  std::vector<Retired> retired_ids_;
  std::vector<Retired> retired_indices_;
  SweepRules rules_;
};

}  // namespace xlb
