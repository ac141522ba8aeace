// The kernel's maps as memory and values: what the files of Kernel share.
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>

#include "kernel.h"
#include "xlb.skel.h"

namespace xlb::oracle {

[[noreturn]] inline void fail(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

// Memory shared with an ARRAY map, whose elements begin at multiples of 8 bytes.
template <typename T>
class Mapped {
 public:
  Mapped(bpf_object* object, const char* name) {
    bpf_map* map = bpf_object__find_map_by_name(object, name);
    if (map == nullptr) throw std::runtime_error(std::string("no map ") + name);
    count_ = bpf_map__max_entries(map);
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    bytes_ = (count_ * kStride + page - 1) / page * page;
    void* memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
    if (memory == MAP_FAILED) fail(std::string("cannot map ") + name);
    memory_ = static_cast<uint8_t*>(memory);
  }
  ~Mapped() { munmap(memory_, bytes_); }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;

  T& operator[](size_t i) { return *reinterpret_cast<T*>(memory_ + i * kStride); }
  template <typename U = T>
  [[nodiscard]] std::span<U> span() const {
    static_assert(sizeof(T) == kStride && sizeof(T) % sizeof(U) == 0);
    return {reinterpret_cast<U*>(memory_), count_ * (sizeof(T) / sizeof(U))};
  }
  void clear() { std::memset(memory_, 0, count_ * kStride); }

  // Arrays of the same bytes: a bucket's entries may come one by one.
  template <typename U>
  void copy_from(const U& values) {
    static_assert(sizeof(T) % sizeof(values[0]) == 0);
    constexpr size_t kPerElement = sizeof(T) / sizeof(values[0]);
    for (size_t i = 0; i * kPerElement < values.size(); i++)
      std::memcpy(memory_ + i * kStride, &values[i * kPerElement], sizeof(T));
  }

 private:
  static constexpr size_t kStride = (sizeof(T) + 7) / 8 * 8;

  uint8_t* memory_ = nullptr;
  size_t count_ = 0;
  size_t bytes_ = 0;
};

template <typename T>
T sum_of(bpf_map* map, uint32_t index) {
  static_assert(sizeof(T) % 8 == 0);
  static const auto cpus = static_cast<size_t>(libbpf_num_possible_cpus());
  std::vector<std::array<uint64_t, sizeof(T) / 8>> values(cpus);
  if (bpf_map_lookup_elem(bpf_map__fd(map), &index, values.data()) != 0)
    fail(std::string("cannot look up in ") + bpf_map__name(map));
  for (size_t cpu = 1; cpu < cpus; cpu++)
    for (size_t word = 0; word < values[0].size(); word++)
      values[0][word] += values[cpu][word];
  T sum{};
  std::memcpy(&sum, values.data(), sizeof(sum));
  return sum;
}

inline xlb_fragment_key as_kernel(const FragmentKey& key) {
  xlb_fragment_key result{};
  std::memcpy(result.source, key.source.data(), sizeof(result.source));
  std::memcpy(result.destination, key.destination.data(), sizeof(result.destination));
  result.identification = key.identification;
  result.protocol = key.protocol;
  result.family = key.family;
  return result;
}

struct Kernel::Arrays {
  explicit Arrays(bpf_object* object)
      : displacements(object, "xlb_service_displacements"),
        services(object, "xlb_services"),
        places(object, "xlb_service_places"),
        slots(object, "xlb_slots"),
        schedulers(object, "xlb_schedulers"),
        interfaces(object, "xlb_interfaces"),
        peer_filter(object, "xlb_peer_filter"),
        settings(object, "xlb_settings"),
        real_servers(object, "xlb_real_servers"),
        loads(object, "xlb_loads"),
        flows(object, "xlb_flows"),
        flow_addresses(object, "xlb_flow_addresses"),
        clients(object, "xlb_persistence"),
        client_addresses(object, "xlb_client_addresses") {}

  Mapped<uint32_t> displacements;
  Mapped<xlb_service> services;
  Mapped<uint32_t> places;
  Mapped<uint32_t> slots;
  Mapped<xlb_scheduler> schedulers;
  Mapped<xlb_interface> interfaces;
  Mapped<uint64_t> peer_filter;
  Mapped<xlb_settings> settings;
  Mapped<xlb_real_server> real_servers;
  Mapped<xlb_load> loads;
  Mapped<xlb_flow_bucket> flows;
  Mapped<xlb_client_address> flow_addresses;
  Mapped<xlb_client_bucket> clients;
  Mapped<xlb_client_address> client_addresses;
};

}  // namespace xlb::oracle
