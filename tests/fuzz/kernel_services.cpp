#include <arpa/inet.h>
#include <xlb/hash.h>

#include <map>
#include <set>

#include "kernel_maps.h"

namespace xlb::oracle {
namespace {

uint64_t service_hash(const xlb_service_key& key) {
  uint64_t words[2] = {0, 0};
  if (key.family == XLB_IPV4)
    words[1] = key.address[0];
  else
    std::memcpy(words, key.address, sizeof(words));
  return xlb_service_hash(words[0], words[1], XLB_SERVICE_KIND(key.port, key.protocol, key.family));
}

}  // namespace

void Kernel::place_services(const Tables& tables) {
  for (const uint32_t place : used_places_)
    arrays_->services[place] = {};
  used_places_.clear();
  arrays_->displacements.clear();
  arrays_->places.clear();
  std::map<uint32_t, std::vector<const xlb_service*>> buckets;
  for (const xlb_service& service : tables.services)
    buckets[xlb_service_bucket(service_hash(service.key))].push_back(&service);
  for (const auto& [bucket, services] : buckets) {
    std::vector<uint32_t> found;
    uint32_t displacement = bucket % 7;  // any will do
    for (;; displacement++) {
      found.clear();
      for (const xlb_service* service : services) {
        const uint32_t place = xlb_service_place(service_hash(service->key), displacement);
        const bool taken = std::count(found.begin(), found.end(), place) != 0 ||
                           arrays_->services[place].key.family != 0;
        if (!taken) found.push_back(place);
      }
      if (found.size() == services.size()) break;
    }
    arrays_->displacements[bucket] = displacement;
    for (size_t i = 0; i < services.size(); i++) {
      arrays_->services[found[i]] = *services[i];
      used_places_.push_back(found[i]);
      if (services[i]->key.protocol != 0) arrays_->places[services[i]->id] = found[i] + 1;
    }
  }
}

// Keys that nobody has, but that differ from a service's in one thing only, are led to that
// service's place: the program must look at all of a key.
void Kernel::place_decoys(const Tables& tables) {
  std::set<uint32_t> used;
  for (const xlb_service& service : tables.services)
    used.insert(xlb_service_bucket(service_hash(service.key)));
  const auto lead = [&](const xlb_service_key& decoy, const xlb_service_key& key) {
    const uint64_t hash = service_hash(decoy);
    const uint32_t bucket = xlb_service_bucket(hash);
    if (!used.insert(bucket).second) return;
    const uint64_t own = service_hash(key);
    const uint32_t place = xlb_service_place(own, arrays_->displacements[xlb_service_bucket(own)]);
    // Places are base + displacement * step, modulo a power of two; the step is odd.
    const uint32_t base = xlb_service_place(hash, 0);
    const uint32_t step = xlb_service_place(hash, 1) - base;
    uint32_t inverse = step;
    for (int i = 0; i < 5; i++)
      inverse *= 2 - step * inverse;
    const uint32_t displacement = (place - base) * inverse % XLB_SERVICE_SLOTS;
    if (xlb_service_place(hash, displacement) != place) throw std::logic_error("no decoy");
    arrays_->displacements[bucket] = displacement;
  };
  for (const xlb_service& service : tables.services) {
    const xlb_service_key& key = service.key;
    xlb_service_key decoy = key;
    decoy.protocol = key.protocol == 6 ? 17 : 6;
    lead(decoy, key);
    decoy = key;
    for (const uint16_t port : std::array<uint16_t, 5>{80, 443, 53, 8080, 0}) {
      decoy.port = htons(port);
      lead(decoy, key);
    }
    for (size_t word = 0; word < (key.family == XLB_IPV4 ? 1U : 4U); word++) {
      for (const uint32_t bit : {0U, 24U, 25U}) {
        decoy = key;
        decoy.address[word] ^= uint32_t{1} << bit;
        lead(decoy, key);
      }
    }
  }
}

}  // namespace xlb::oracle
