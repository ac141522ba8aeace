// Where virtual servers stand in xlb_services: every key has one place, named by its hash and by
// one of the displacement words, so that the program finds it without a search (hash and displace).
// The words are chosen here such that no two keys meet. Pure apart from the memory it shares with
// the running program: no map.
//
// Order. A new entry's key is written last; an entry that has to move is written to its new place
// before the word that leads there. The place it left is cleared by reclaim(), when packets that
// read the old word are done.
#pragma once

#include <xlb/abi.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace xlb {

// A struct xlb_service as it lies in memory: every word is read and written whole.
using ServiceMemory = std::array<uint64_t, 8>;

// An element of an array map of __u32 as it lies in memory.
struct PaddedWord {
  uint32_t value = 0;
  uint32_t padding = 0;
};

class ServiceDirectory {
 public:
  ServiceDirectory() = default;
  // The three arrays: XLB_SERVICE_BUCKETS, XLB_SERVICE_SLOTS and XLB_MAX_VIRTUAL_SERVERS elements,
  // which must outlive this. Learns what is there.
  ServiceDirectory(std::span<PaddedWord> displacements, std::span<ServiceMemory> services,
                   std::span<PaddedWord> places);

  // New or changed, by its key; false when no place can be found (it is then not there).
  bool put(const xlb_service& entry);
  void erase(const xlb_service_key& key);
  // To be called when packets that began before the last put() are done.
  void reclaim();

  [[nodiscard]] std::optional<xlb_service> find(const xlb_service_key& key) const;
  [[nodiscard]] std::vector<xlb_service> entries() const;
  [[nodiscard]] size_t size() const { return size_; }

 private:
  [[nodiscard]] uint32_t place_of(const xlb_service_key& key) const;
  [[nodiscard]] std::optional<uint32_t> holding(const xlb_service_key& key) const;
  bool make_room(const xlb_service_key& key);
  [[nodiscard]] std::optional<std::vector<uint32_t>> fit(std::span<const uint64_t> hashes,
                                                         uint32_t displacement) const;
  void write(uint32_t place, const xlb_service& entry);
  void clear(uint32_t place);
  void note_place(const xlb_service& entry, uint32_t place) const;

  std::span<PaddedWord> displacements_;
  std::span<ServiceMemory> services_;
  std::span<PaddedWord> places_;
  std::vector<bool> taken_;                     // by place; places left and not reclaimed too
  std::vector<std::vector<uint32_t>> members_;  // by bucket: the places of its entries
  std::vector<uint32_t> left_;
  size_t size_ = 0;
};

}  // namespace xlb
