#include "io/interface_table.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "io/abi_encode.h"

namespace xlb {
namespace {

std::atomic_ref<__u32> index_of(xlb_interface& entry) {
  return std::atomic_ref(entry.ifindex);
}

}  // namespace

// The place among the interface's that holds `stored`: itself, or 0 for a free one.
xlb_interface* InterfaceTable::find(unsigned ifindex, unsigned stored) const {
  for (unsigned i = 0; i < XLB_INTERFACE_PROBES; ++i) {
    auto& entry = memory_[(ifindex + i) % XLB_INTERFACE_SLOTS];
    if (index_of(entry).load() == stored) return &entry;
  }
  return nullptr;
}

Result<void> InterfaceTable::put(unsigned ifindex, const InterfaceIdentity& identity) {
  xlb_interface* entry = find(ifindex, ifindex);
  if (entry == nullptr) entry = find(ifindex, 0);
  if (entry == nullptr) {
    return fail(
        "cannot forward for interface {}: {} interfaces have numbers that differ from its by "
        "multiples of {}; take one of them off the interfaces list",
        ifindex, +XLB_INTERFACE_PROBES, +XLB_INTERFACE_SLOTS);
  }
  const xlb_interface value = encode_interface(ifindex, identity);
  if (std::memcmp(entry, &value, sizeof value) == 0) return {};
  // A packet in between may find half a MAC address, which is not its own: it is the stack's.
  std::memcpy(&entry->mac, &value.mac, sizeof value - offsetof(xlb_interface, mac));
  index_of(*entry).store(ifindex, std::memory_order_release);
  return {};
}

void InterfaceTable::erase(unsigned ifindex) {
  if (auto* const entry = find(ifindex, ifindex)) index_of(*entry).store(0);
}

std::vector<unsigned> InterfaceTable::interfaces() const {
  std::vector<unsigned> result;
  for (auto& entry : memory_) {
    if (const unsigned ifindex = index_of(entry).load(); ifindex != 0) result.push_back(ifindex);
  }
  std::sort(result.begin(), result.end());
  return result;
}

}  // namespace xlb
