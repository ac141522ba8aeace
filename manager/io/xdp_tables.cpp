// XdpDataplane: how full its tables are. A table is what users know by that name; it may lie in
// several maps. Sizes and memory are the maps', asked of the kernel once; what is used is what the
// manager knows anyway, so that no map is walked for it.
#include <bpf/bpf.h>
#include <xlb/abi.h>

#include <cstdlib>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "io/xdp_dataplane.h"

namespace xlb {
namespace {

struct TableMaps {
  const char* name;
  uint64_t size;  // 0: as many as the first map has elements
  uint64_t per_element;
  uint64_t reserved;  // element 0 means "none"
  std::initializer_list<const char*> maps;
};

// The order of tables().
const TableMaps kTables[] = {
    {"flows", 0, XLB_FLOWS_PER_BUCKET, 0, {"xlb_flows", "xlb_flow_addresses"}},
    {"persistence", 0, XLB_PERSISTENCE_PER_BUCKET, 0, {"xlb_persistence", "xlb_client_addresses"}},
    {"virtual_servers",
     XLB_MAX_VIRTUAL_SERVERS - 1,
     1,
     0,
     {"xlb_services", "xlb_service_displacements", "xlb_service_places", "xlb_schedulers",
      "xlb_unserved"}},
    {"real_servers", 0, 1, 1, {"xlb_real_servers", "xlb_loads", "xlb_traffic"}},
    {"scheduler_slots", 0, 1, 0, {"xlb_slots"}},
    {"peers", 0, 1, 0, {"xlb_peers", "xlb_peer_filter"}},
    {"interfaces", XLB_MAX_INTERFACES, 1, 0, {"xlb_interfaces", "xlb_ports"}},
    {"fragments", 0, 1, 0, {"xlb_fragments"}},
};

// What the kernel charges for a map; 0 where it does not tell.
uint64_t memory_of(int map) {
  constexpr std::string_view kField = "memlock:";
  std::ifstream file("/proc/self/fdinfo/" + std::to_string(map));
  for (std::string line; std::getline(file, line);) {
    if (line.compare(0, kField.size(), kField) == 0) {
      return std::strtoull(line.c_str() + kField.size(), nullptr, 10);
    }
  }
  return 0;
}

std::optional<uint64_t> elements_of(int map) {
  bpf_map_info info{};
  uint32_t size = sizeof info;
  if (bpf_obj_get_info_by_fd(map, &info, &size) != 0) return std::nullopt;
  return info.max_entries;
}

Status::Table describe(const TableMaps& table, const XdpProgram& program) {
  Status::Table result{table.name, {}, table.size, {}};
  if (table.size == 0) {
    const auto elements = elements_of(program.map(*table.maps.begin()));
    result.size.reset();
    if (elements) result.size = *elements * table.per_element - table.reserved;
  }
  uint64_t memory = 0;
  for (const char* name : table.maps)
    memory += memory_of(program.map(name));
  if (memory != 0) result.memory_bytes = memory;
  return result;
}

}  // namespace

std::vector<Status::Table> XdpDataplane::tables() {
  if (table_sizes_.empty()) {
    for (const TableMaps& table : kTables)
      table_sizes_.push_back(describe(table, program_));
  }
  uint64_t clients = 0;
  for (const auto& counts : flows_.counts().real_servers)
    clients += counts.clients;
  uint64_t real_servers = 0;
  uint64_t peers = 0;
  for (const auto& service : applied_.virtual_servers) {
    real_servers += service.real_servers.size();
    peers += service.peers.size();
  }
  // In the order of kTables.
  const std::optional<uint64_t> used[] = {
      flows_.counts().flows, clients, applied_.virtual_servers.size(), real_servers,
      std::nullopt,          peers,   links_.interfaces().size(),      std::nullopt};
  static_assert(std::size(used) == std::size(kTables));
  auto result = table_sizes_;
  for (size_t i = 0; i < result.size(); ++i)
    result[i].used = used[i];
  return result;
}

}  // namespace xlb
