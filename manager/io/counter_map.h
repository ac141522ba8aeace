// Per-CPU counters in an array map, summed over the CPUs. Counters are struct xlb_traffic or one
// 64-bit number.
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <xlb/abi.h>

#include <cstdint>
#include <vector>

namespace xlb {

inline void add(xlb_traffic& sum, const xlb_traffic& more) {
  sum.packets += more.packets;
  sum.bytes += more.bytes;
  sum.connections += more.connections;
}
inline void add(uint64_t& sum, const uint64_t& more) {
  sum += more;
}

// Sums of the elements below `end`; elements that cannot be read stay 0. One system call for all of
// them where the kernel can (5.13).
template <typename Counter>
std::vector<Counter> read_counters(int fd, uint32_t end) {
  std::vector<Counter> sums(end);
  if (end == 0) return sums;
  const auto cpus = static_cast<size_t>(libbpf_num_possible_cpus());
  std::vector<Counter> values(cpus * end);
  std::vector<uint32_t> keys(end);
  uint32_t next = 0;
  uint32_t count = end;
  LIBBPF_OPTS(bpf_map_batch_opts, options);
  const int failed =
      bpf_map_lookup_batch(fd, nullptr, &next, keys.data(), values.data(), &count, &options);
  if (failed != 0 && failed != -ENOENT) {
    for (count = 0; count < end; ++count) {
      keys[count] = count;
      (void)bpf_map_lookup_elem(fd, &count, &values[count * cpus]);
    }
  }
  for (uint32_t i = 0; i < count; ++i) {
    for (size_t cpu = 0; cpu < cpus && keys[i] < end; ++cpu) {
      add(sums[keys[i]], values[i * cpus + cpu]);
    }
  }
  return sums;
}

}  // namespace xlb
