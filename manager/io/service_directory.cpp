#include "io/service_directory.h"

#include <xlb/hash.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>

namespace xlb {
namespace {

constexpr size_t kKeyWord = 2;  // holds port, protocol and family: what makes an entry valid
static_assert(offsetof(xlb_service, key.port) == kKeyWord * 8);
static_assert(sizeof(xlb_service) == sizeof(ServiceMemory));

// Tried for one bucket before it is given up: with the table at most half full one in two displaces
// a single key, and a bucket has few.
constexpr uint32_t kDisplacements = 1 << 16;

uint64_t hash_of(const xlb_service_key& key) {
  uint64_t high = 0;
  uint64_t low = 0;
  if (key.family == XLB_IPV6) {
    std::memcpy(&high, &key.address[0], sizeof high);
    std::memcpy(&low, &key.address[2], sizeof low);
  } else {
    low = key.address[0];
  }
  return xlb_service_hash(high, low, XLB_SERVICE_KIND(key.port, key.protocol, key.family));
}

bool same(const xlb_service_key& one, const xlb_service_key& other) {
  return std::memcmp(&one, &other, sizeof one) == 0;
}

uint64_t load(const uint64_t& word) {
  return std::atomic_ref(const_cast<uint64_t&>(word)).load(std::memory_order_relaxed);
}

void store(uint64_t& word, uint64_t value) {
  std::atomic_ref(word).store(value, std::memory_order_release);
}

xlb_service read(const ServiceMemory& memory) {
  ServiceMemory words{};
  std::transform(memory.begin(), memory.end(), words.begin(), load);
  return std::bit_cast<xlb_service>(words);
}

}  // namespace

ServiceDirectory::ServiceDirectory(std::span<PaddedWord> displacements,
                                   std::span<ServiceMemory> services, std::span<PaddedWord> places)
    : displacements_(displacements),
      services_(services),
      places_(places),
      taken_(services.size()),
      members_(displacements.size()) {
  std::vector<bool> numbered(places_.size());
  for (uint32_t place = 0; place < services_.size(); ++place) {
    const xlb_service entry = read(services_[place]);
    if (entry.key.family == 0) continue;
    if (place_of(entry.key) != place) {  // left by a move that a predecessor did not finish
      clear(place);
      continue;
    }
    taken_[place] = true;
    members_[xlb_service_bucket(hash_of(entry.key))].push_back(place);
    note_place(entry, place);
    if (entry.key.protocol != 0 && entry.id < numbered.size()) numbered[entry.id] = true;
    ++size_;
  }
  for (size_t id = 0; id < places_.size(); ++id) {
    if (!numbered[id]) places_[id].value = 0;
  }
}

uint32_t ServiceDirectory::place_of(const xlb_service_key& key) const {
  const uint64_t hash = hash_of(key);
  return xlb_service_place(hash, displacements_[xlb_service_bucket(hash)].value);
}

std::optional<uint32_t> ServiceDirectory::holding(const xlb_service_key& key) const {
  const uint32_t place = place_of(key);
  if (!same(read(services_[place]).key, key)) return std::nullopt;
  return place;
}

std::optional<xlb_service> ServiceDirectory::find(const xlb_service_key& key) const {
  const auto place = holding(key);
  if (!place) return std::nullopt;
  return read(services_[*place]);
}

std::vector<xlb_service> ServiceDirectory::entries() const {
  std::vector<xlb_service> result;
  for (const auto& bucket : members_) {
    for (const uint32_t place : bucket)
      result.push_back(read(services_[place]));
  }
  return result;
}

bool ServiceDirectory::put(const xlb_service& entry) {
  if (const auto place = holding(entry.key)) {
    write(*place, entry);
    return true;
  }
  if (taken_[place_of(entry.key)] && !make_room(entry.key)) return false;
  const uint32_t place = place_of(entry.key);
  taken_[place] = true;
  members_[xlb_service_bucket(hash_of(entry.key))].push_back(place);
  write(place, entry);
  note_place(entry, place);
  ++size_;
  return true;
}

// The places that keys with these hashes have under a displacement, if all are free.
std::optional<std::vector<uint32_t>> ServiceDirectory::fit(std::span<const uint64_t> hashes,
                                                           uint32_t displacement) const {
  std::vector<uint32_t> result;
  for (const uint64_t hash : hashes) {
    const uint32_t place = xlb_service_place(hash, displacement);
    if (taken_[place] || std::find(result.begin(), result.end(), place) != result.end()) {
      return std::nullopt;
    }
    result.push_back(place);
  }
  return result;
}

// Moves the key's whole bucket to where the key fits too.
bool ServiceDirectory::make_room(const xlb_service_key& key) {
  const uint32_t bucket = xlb_service_bucket(hash_of(key));
  auto& members = members_[bucket];
  std::vector<uint64_t> hashes;
  for (const uint32_t place : members)
    hashes.push_back(hash_of(read(services_[place]).key));
  hashes.push_back(hash_of(key));
  for (uint32_t displacement = 0; displacement < kDisplacements; ++displacement) {
    auto found = fit(hashes, displacement);
    if (!found) continue;
    found->pop_back();  // the new key's place is its caller's to fill
    for (size_t i = 0; i < members.size(); ++i) {
      const xlb_service entry = read(services_[members[i]]);
      taken_[(*found)[i]] = true;
      write((*found)[i], entry);
      note_place(entry, (*found)[i]);
    }
    std::atomic_ref(displacements_[bucket].value).store(displacement, std::memory_order_release);
    left_.insert(left_.end(), members.begin(), members.end());
    members = std::move(*found);
    return true;
  }
  return false;
}

void ServiceDirectory::erase(const xlb_service_key& key) {
  const auto place = holding(key);
  if (!place) return;
  const xlb_service entry = read(services_[*place]);
  if (entry.key.protocol != 0) places_[entry.id].value = 0;
  clear(*place);
  taken_[*place] = false;
  // A copy that it left could be found again when its bucket moves once more.
  for (const uint32_t left : left_) {
    if (same(read(services_[left]).key, key)) clear(left);
  }
  std::erase(members_[xlb_service_bucket(hash_of(key))], *place);
  --size_;
}

void ServiceDirectory::reclaim() {
  for (const uint32_t place : left_) {
    clear(place);
    taken_[place] = false;
  }
  left_.clear();
}

void ServiceDirectory::write(uint32_t place, const xlb_service& entry) {
  const auto words = std::bit_cast<ServiceMemory>(entry);
  auto& memory = services_[place];
  for (size_t i = 0; i < words.size(); ++i) {
    if (i != kKeyWord && load(memory[i]) != words[i]) store(memory[i], words[i]);
  }
  if (load(memory[kKeyWord]) != words[kKeyWord]) store(memory[kKeyWord], words[kKeyWord]);
}

void ServiceDirectory::clear(uint32_t place) {
  store(services_[place][kKeyWord], 0);
}

void ServiceDirectory::note_place(const xlb_service& entry, uint32_t place) const {
  if (entry.key.protocol == 0 || entry.id >= places_.size()) return;
  std::atomic_ref(places_[entry.id].value).store(place + 1, std::memory_order_release);
}

}  // namespace xlb
