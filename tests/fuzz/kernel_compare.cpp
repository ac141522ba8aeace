#include "kernel_maps.h"

namespace xlb::oracle {

std::span<xlb_flow> Kernel::flows() {
  return arrays_->flows.span<xlb_flow>();
}

std::span<xlb_client> Kernel::clients() {
  return arrays_->clients.span<xlb_client>();
}

std::span<xlb_load> Kernel::loads() {
  return arrays_->loads.span();
}

std::span<xlb_scheduler> Kernel::schedulers() {
  return arrays_->schedulers.span();
}

void Kernel::read(Tables& tables) {
  const auto& maps = skeleton_->maps;
  for (size_t i = 0; i < tables.flows.size(); i++) {
    tables.flows[i] = arrays_->flows[i / XLB_FLOWS_PER_BUCKET].flows[i % XLB_FLOWS_PER_BUCKET];
    tables.flow_addresses[i] = arrays_->flow_addresses[i];
  }
  for (size_t i = 0; i < tables.clients.size(); i++) {
    tables.clients[i] =
        arrays_->clients[i / XLB_PERSISTENCE_PER_BUCKET].clients[i % XLB_PERSISTENCE_PER_BUCKET];
    tables.client_addresses[i] = arrays_->client_addresses[i];
  }
  for (uint32_t i = 0; i < kRealServers; i++) {
    tables.loads[i] = arrays_->loads[i];
    tables.traffic[i] = sum_of<xlb_traffic>(maps.xlb_traffic, i);
  }
  for (uint32_t i = 0; i < kServices; i++) {
    tables.schedulers[i] = arrays_->schedulers[i];
    tables.unserved[i] = sum_of<xlb_traffic>(maps.xlb_unserved, i);
  }
  for (uint32_t i = 0; i < XLB_VERDICTS; i++)
    tables.verdicts[i] = verdict(static_cast<xlb_verdict>(i));
}

uint64_t Kernel::verdict(xlb_verdict reason) {
  return sum_of<uint64_t>(skeleton_->maps.xlb_verdicts, reason);
}

std::string Kernel::quick_difference(const Tables& tables) {
  const auto text = [](const char* what, size_t at, const auto&... words) {
    std::string line = what + std::string(" ") + std::to_string(at) + ":";
    ((line += " " + std::to_string(words)), ...);
    return line + " (each: kernel, model)";
  };
  for (size_t i = 0; i < tables.flows.size(); i++) {
    const xlb_flow& is = arrays_->flows[i / XLB_FLOWS_PER_BUCKET].flows[i % XLB_FLOWS_PER_BUCKET];
    const xlb_flow& want = tables.flows[i];
    if (!same_bytes(is, want)) {
      char line[200];
      snprintf(line, sizeof(line), "flow %zu: kernel %016llx %016llx, model %016llx %016llx", i,
               is.key, is.value, want.key, want.value);
      return line;
    }
    if (want.key != 0 && !same_bytes(arrays_->flow_addresses[i], tables.flow_addresses[i]))
      return text("flow address", i);
  }
  for (size_t i = 0; i < tables.clients.size(); i++) {
    const xlb_client& is =
        arrays_->clients[i / XLB_PERSISTENCE_PER_BUCKET].clients[i % XLB_PERSISTENCE_PER_BUCKET];
    const xlb_client& want = tables.clients[i];
    if (!same_bytes(is, want))
      return text("client", i, is.key, want.key, is.value, want.value, is.live, want.live);
    if (want.key != 0 && !same_bytes(arrays_->client_addresses[i], tables.client_addresses[i]))
      return text("client address", i);
  }
  for (size_t i = 0; i < tables.loads.size(); i++) {
    const xlb_load is = arrays_->loads[i];
    if (!same_bytes(is, tables.loads[i]))
      return text("load", i, is.active, tables.loads[i].active, is.inactive,
                  tables.loads[i].inactive);
  }
  for (size_t i = 0; i < tables.schedulers.size(); i++)
    if (arrays_->schedulers[i].cursor != tables.schedulers[i].cursor)
      return text("cursor", i, arrays_->schedulers[i].cursor, tables.schedulers[i].cursor);
  return {};
}

std::string Kernel::difference(const Tables& tables) {
  std::string found = quick_difference(tables);
  if (!found.empty()) return found;
  const auto& maps = skeleton_->maps;
  const auto differs = [](const std::string& what, uint64_t is, uint64_t want) {
    return what + ": kernel " + std::to_string(is) + ", model " + std::to_string(want);
  };
  for (uint32_t i = 0; i < XLB_VERDICTS; i++) {
    const auto is = sum_of<uint64_t>(maps.xlb_verdicts, i);
    if (is != tables.verdicts[i])
      return differs(std::string("counter ") + name_of(static_cast<xlb_verdict>(i)), is,
                     tables.verdicts[i]);
  }
  const auto compare_traffic = [&](bpf_map* map, uint32_t i, const xlb_traffic& want) {
    const auto is = sum_of<xlb_traffic>(map, i);
    const std::string what = std::string(bpf_map__name(map)) + " " + std::to_string(i);
    if (is.packets != want.packets) return differs(what + " packets", is.packets, want.packets);
    if (is.bytes != want.bytes) return differs(what + " bytes", is.bytes, want.bytes);
    if (is.connections != want.connections)
      return differs(what + " connections", is.connections, want.connections);
    return std::string();
  };
  for (uint32_t i = 0; i < kRealServers && found.empty(); i++)
    found = compare_traffic(maps.xlb_traffic, i, tables.traffic[i]);
  for (uint32_t i = 0; i < kServices && found.empty(); i++)
    found = compare_traffic(maps.xlb_unserved, i, tables.unserved[i]);
  if (!found.empty()) return found;
  const int fragments = bpf_map__fd(maps.xlb_fragments);
  size_t count = 0;
  xlb_fragment_key key{};
  for (const void* previous = nullptr; bpf_map_get_next_key(fragments, previous, &key) == 0;
       previous = &key)
    count++;
  if (count != tables.fragments.size())
    return differs("fragments remembered", count, tables.fragments.size());
  for (const auto& [fragment_key, want] : tables.fragments) {
    key = as_kernel(fragment_key);
    xlb_fragment is{};
    if (bpf_map_lookup_elem(fragments, &key, &is) != 0) return "a fragment is not remembered";
    if (!same_bytes(is, want))
      return differs("fragment's real server", is.real_server, want.real_server);
  }
  return {};
}

const char* name_of(xlb_verdict reason) {
  static constexpr std::array<const char*, XLB_VERDICTS> kNames{
      "PASS_NOT_OURS",   "PASS_OTHER_MAC",      "PASS_LOCAL",
      "PASS_PEER_LOCAL", "PASS_NO_REAL_SERVER", "TX",
      "REDIRECT",        "TX_TIME_EXCEEDED",    "TX_TOO_BIG",
      "DROP_TTL",        "DROP_TOO_BIG",        "DROP_PEER",
      "DROP_MALFORMED",  "DROP_FLAGS",          "DROP_FRAGMENT",
      "DROP_NO_PORT",    "DROP_NO_ROOM"};
  return reason < XLB_VERDICTS ? kNames[reason] : "?";
}

const char* action_name(uint32_t action) {
  static constexpr std::array<const char*, 5> kNames{"ABORTED", "DROP", "PASS", "TX", "REDIRECT"};
  return action < kNames.size() ? kNames[action] : "?";
}

}  // namespace xlb::oracle
