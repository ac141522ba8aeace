// The memory of Program's maps, with the manager's classes that lay it out.
#pragma once

#include <bpf/libbpf.h>

#include <stdexcept>
#include <utility>

#include "io/bpf_map.h"
#include "io/interface_table.h"
#include "io/peer_filter.h"
#include "io/service_directory.h"
#include "program.h"
#include "xlb.skel.h"

namespace xlb::test {

inline constexpr uint32_t kRealServers = 64;
inline constexpr uint64_t kSeed = 0x0123456789abcdef;

template <typename T>
MappedArray<T> mapped(const bpf_map* map) {
  auto memory =
      MappedArray<T>::map(bpf_map__fd(map), bpf_map__max_entries(map), bpf_map__name(map));
  if (!memory) throw std::runtime_error(memory.error().text);
  return std::move(*memory);
}

struct Program::Memory {
  explicit Memory(const xlb_bpf* skeleton)
      : displacements(mapped<PaddedWord>(skeleton->maps.xlb_service_displacements)),
        services(mapped<ServiceMemory>(skeleton->maps.xlb_services)),
        places(mapped<PaddedWord>(skeleton->maps.xlb_service_places)),
        slots(mapped<PaddedWord>(skeleton->maps.xlb_slots)),
        schedulers(mapped<xlb_scheduler>(skeleton->maps.xlb_schedulers)),
        interface_array(mapped<xlb_interface>(skeleton->maps.xlb_interfaces)),
        peer_words(mapped<uint64_t>(skeleton->maps.xlb_peer_filter)),
        settings(mapped<xlb_settings>(skeleton->maps.xlb_settings)),
        real_servers(mapped<xlb_real_server>(skeleton->maps.xlb_real_servers)),
        loads(mapped<xlb_load>(skeleton->maps.xlb_loads)),
        flows(mapped<xlb_flow_bucket>(skeleton->maps.xlb_flows)),
        flow_addresses(mapped<xlb_client_address>(skeleton->maps.xlb_flow_addresses)),
        clients(mapped<xlb_client_bucket>(skeleton->maps.xlb_persistence)),
        directory(displacements.span(), services.span(), places.span()),
        interfaces(interface_array.span()),
        peers(peer_words.span()) {}

  MappedArray<PaddedWord> displacements;
  MappedArray<ServiceMemory> services;
  MappedArray<PaddedWord> places;
  MappedArray<PaddedWord> slots;
  MappedArray<xlb_scheduler> schedulers;
  MappedArray<xlb_interface> interface_array;
  MappedArray<uint64_t> peer_words;
  MappedArray<xlb_settings> settings;
  MappedArray<xlb_real_server> real_servers;
  MappedArray<xlb_load> loads;
  MappedArray<xlb_flow_bucket> flows;
  MappedArray<xlb_client_address> flow_addresses;
  MappedArray<xlb_client_bucket> clients;
  ServiceDirectory directory;
  InterfaceTable interfaces;
  PeerFilter peers;
};

}  // namespace xlb::test
