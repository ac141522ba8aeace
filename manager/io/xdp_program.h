// The XDP program and its maps: loaded, found again after a restart if they fit, pinned. It knows
// sizes and versions, not what the maps hold.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/bpf_directory.h"

namespace xlb {

// What must be equal for maps to be used by another run of the daemon; kept beside them in the map
// xlb_meta.
struct MapSet {
  uint32_t abi_version = 0;
  uint32_t flow_buckets = 0;    // of xlb_flows, a power of two
  uint32_t client_buckets = 0;  // of xlb_persistence, a power of two
  uint32_t real_servers = 0;    // of xlb_real_servers; index 0 is never used
  uint64_t hash_seed = 0;       // random, as old as the maps
};

// What the configuration asks for.
struct TableSizes {
  uint32_t flows = 1048576;       // connections remembered
  uint32_t real_servers = 16384;  // over all virtual servers
};

class XdpProgram {
 public:
  // Loads the program with the maps of an earlier run if they fit, else with new ones. Changes
  // nothing that runs: that is take_over()'s part.
  static Result<XdpProgram> load(const BpfDirectory& directory, const TableSizes& sizes);
  XdpProgram(XdpProgram&&) noexcept;
  XdpProgram& operator=(XdpProgram&&) noexcept;
  ~XdpProgram();

  [[nodiscard]] int fd() const;
  [[nodiscard]] int map(std::string_view name) const;  // its descriptor
  [[nodiscard]] const MapSet& map_set() const { return set_; }
  // What its maps take, from the kernel.
  [[nodiscard]] uint64_t memory_bytes() const;
  [[nodiscard]] bool adopted() const { return adopted_; }
  // Why maps of an earlier run were not adopted; empty when they were or there were none.
  [[nodiscard]] const std::string& replaced_because() const { return replaced_because_; }

  // Pins program and maps in place of an earlier run's. Links are switched before.
  Result<void> take_over();
  // After take_over(): pins again what is pinned no longer; true: something was not.
  [[nodiscard]] Result<bool> restore_pins() const;

 private:
  struct Object;
  explicit XdpProgram(BpfDirectory directory);
  Result<void> pin_new_maps();

  BpfDirectory directory_;
  std::unique_ptr<Object> object_;
  MapSet set_;
  bool adopted_ = false;
  std::string replaced_because_;
};

}  // namespace xlb
