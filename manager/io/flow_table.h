// The flow and persistence tables as the manager sees them: memory that it shares with the running
// XDP program. It expires entries, counts them and tells which clients still have live connections;
// it never adds any. Pure apart from that memory: no map, no clock.
//
// Discipline (include/xlb/abi.h): every word is read and written whole. To remove an entry its
// value is swapped to 0, which fails if a packet has just refreshed it, and then its key, which
// fails if the program has already given the place away.
#pragma once

#include <xlb/abi.h>

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace xlb {

struct ServiceRules {
  uint32_t persistence_timeout_s = 0;  // 0: not persistent, its clients go
  uint8_t persistence_prefix = 0;      // bits of a client's address
  bool ipv6 = false;
  bool any_port = false;

  // Whether flow keys are hashes, with the client noted beside them.
  [[nodiscard]] bool hashed() const { return ipv6 || any_port; }
};

// What the sweep must know of the applied forwarding state. Entries that disagree with it are
// removed.
struct SweepRules {
  std::vector<uint16_t> service_of_real_server;            // by real server index; 0: not in use
  std::vector<ServiceRules> services;                      // by service id
  std::array<uint32_t, XLB_FLOW_STATES> flow_timeout_s{};  // by state
};

// The memory that is shared; it must outlive who uses it. Sizes of flows and clients are powers of
// two; the addresses are one for each entry, the loads one for each real server index.
struct FlowMemory {
  std::span<xlb_flow_bucket> flows;
  std::span<xlb_client_bucket> clients;
  std::span<xlb_client_address> flow_addresses;
  std::span<xlb_client_address> client_addresses;
  std::span<xlb_load> loads;
};

struct RealServerFlows {
  uint64_t active = 0;    // TCP, established
  uint64_t inactive = 0;  // every other state
  uint64_t clients = 0;   // persistence entries
};

// What one whole pass found.
struct FlowCounts {
  uint64_t flows = 0;
  std::vector<RealServerFlows> real_servers;  // by index; shorter when the highest have none
};

class FlowTable {
 public:
  FlowTable() = default;
  // `seed` is the hash seed that the program uses.
  FlowTable(const FlowMemory& memory, uint64_t seed);

  // Looks at up to `buckets` more buckets; true when that completed a pass (and counts() changed).
  // `now_s` is the xlb clock.
  bool sweep(uint32_t now_s, const SweepRules& rules, size_t buckets);
  // Of the last complete pass.
  [[nodiscard]] const FlowCounts& counts() const { return counts_; }
  // The pass under way has not begun yet: whatever changes now is seen by the whole of it.
  [[nodiscard]] bool between_passes() const { return position_ == 0; }

  // Visits at most `limit` entries that are not expired, from `cursor` on; returns where to go on,
  // 0 at the end.
  using VisitFlow = std::function<void(const xlb_flow&, const xlb_client_address& noted)>;
  using VisitClient = std::function<void(const xlb_client&, const xlb_client_address& noted)>;
  uint64_t visit_flows(uint64_t cursor, size_t limit, uint32_t now_s, const SweepRules& rules,
                       const VisitFlow& visit) const;
  uint64_t visit_clients(uint64_t cursor, size_t limit, uint32_t now_s, const SweepRules& rules,
                         const VisitClient& visit) const;

 private:
  void sweep_flows(size_t bucket_number, uint32_t now_s, const SweepRules& rules);
  void sweep_clients(xlb_client_bucket& bucket, uint32_t now_s, const SweepRules& rules);
  // A client is marked some flows later, when its memory has come: the places are random.
  void note_live(uint64_t client_key, uint32_t real_server, uint32_t now_s);
  [[nodiscard]] uint64_t client_key(uint64_t flow_key, uint64_t number,
                                    const ServiceRules& service) const;
  void mark_noted(uint32_t now_s);
  void uncount(uint64_t value) const;
  void note_absent(__u64& key, uint64_t seen_key, uint32_t now_s);
  RealServerFlows& counted(uint32_t real_server);

  struct LiveClient {
    uint64_t key;
    xlb_client_bucket* bucket;
    uint32_t real_server;
  };
  // An entry seen with a key but no value.
  struct Absent {
    const __u64* place;
    uint64_t key;
    uint32_t since_s;
  };

  std::span<xlb_flow_bucket> flows_;
  std::span<xlb_client_bucket> clients_;
  std::span<xlb_client_address> flow_addresses_;
  std::span<xlb_client_address> client_addresses_;
  std::span<xlb_load> loads_;
  uint64_t seed_ = 0;
  size_t position_ =
      0;  // next bucket: the flows first, then the clients, which need what the flows told
  std::vector<LiveClient> live_;
  std::vector<Absent> absent_;         // by the last pass
  std::vector<Absent> absent_so_far_;  // by the pass under way
  FlowCounts counting_;
  FlowCounts counts_;
};

}  // namespace xlb
