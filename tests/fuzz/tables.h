// Everything a decision of the XDP program may depend on besides the frame, as plain values of the
// ABI, and everything it may change. The model works on them; the kernel's maps are filled from
// them and read back into them.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <map>
#include <set>
#include <vector>

#include "xlb/abi.h"

namespace xlb::oracle {

using Bytes = std::vector<uint8_t>;
using Mac = std::array<uint8_t, 6>;
// Network order; IPv4 in the first four bytes, the others 0.
using Address = std::array<uint8_t, 16>;

// Sizes of the tables under test: small, so that entries meet.
inline constexpr uint32_t kFlowBuckets = 16;
inline constexpr uint32_t kClientBuckets = 4;
inline constexpr uint32_t kRealServers = 32;
inline constexpr uint32_t kServices = 16;  // ids
inline constexpr uint32_t kSlots = 512;
inline constexpr uint64_t kHashSeed = 0x0123456789abcdef;
inline constexpr uint32_t kIngress = 1;  // loopback: where BPF_PROG_TEST_RUN lets frames come from

struct Peer {
  Mac mac{};
  uint16_t service_id = 0;
  auto operator<=>(const Peer&) const = default;
};

struct FragmentKey {
  Address source{};
  Address destination{};
  uint32_t identification = 0;  // as it stands in the header
  uint8_t protocol = 0;
  uint8_t family = 0;
  auto operator<=>(const FragmentKey&) const = default;
};

struct IcmpBudget {
  uint32_t second = 0;
  uint64_t sent = 0;
};

struct Tables {
  xlb_settings settings{};
  std::vector<xlb_service> services;  // at most one of each key
  std::array<xlb_real_server, kRealServers> real_servers{};
  std::array<uint32_t, kSlots> slots{};
  std::vector<xlb_interface> interfaces;
  std::set<Peer> peers;
  std::set<uint32_t> ports;

  std::array<xlb_flow, size_t{kFlowBuckets} * XLB_FLOWS_PER_BUCKET> flows{};
  std::array<xlb_client_address, size_t{kFlowBuckets} * XLB_FLOWS_PER_BUCKET> flow_addresses{};
  std::array<xlb_client, size_t{kClientBuckets} * XLB_PERSISTENCE_PER_BUCKET> clients{};
  std::array<xlb_client_address, size_t{kClientBuckets} * XLB_PERSISTENCE_PER_BUCKET>
      client_addresses{};
  std::array<xlb_load, kRealServers> loads{};
  std::array<xlb_scheduler, kServices> schedulers{};
  std::map<FragmentKey, xlb_fragment> fragments;
  IcmpBudget icmp_budget;

  std::array<uint64_t, XLB_VERDICTS> verdicts{};
  std::array<xlb_traffic, kRealServers> traffic{};
  std::array<xlb_traffic, kServices> unserved{};
};

// Where the frame comes from and when, in seconds of the xlb clock.
struct Arrival {
  uint32_t ifindex = kIngress;
  uint32_t now_s = 0;
};

template <typename One, typename Other>
bool same_bytes(const One& one, const Other& other) {
  static_assert(sizeof(One) == sizeof(Other));
  return std::memcmp(&one, &other, sizeof(One)) == 0;
}

}  // namespace xlb::oracle
