#include "io/service_directory.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <xlb/hash.h>

#include <atomic>
#include <bit>
#include <cstring>
#include <map>
#include <random>
#include <thread>
#include <vector>

namespace xlb {
namespace {

xlb_service service4(uint32_t number, uint16_t id, uint64_t ring = 1) {
  xlb_service entry{};
  entry.key.address[0] = htonl(0x0a000000 + number / 3);
  entry.key.port = htons(static_cast<uint16_t>(80 + number % 3));
  entry.key.protocol = number % 2 == 0 ? IPPROTO_TCP : IPPROTO_UDP;
  entry.key.family = XLB_IPV4;
  entry.id = id;
  entry.ring = ring;
  return entry;
}

xlb_service service6(uint32_t number, uint16_t id, uint64_t ring = 1) {
  xlb_service entry = service4(number, id, ring);
  entry.key.address[0] = htonl(0x20010db8);
  entry.key.address[3] = htonl(number / 3);
  entry.key.family = XLB_IPV6;
  return entry;
}

// The entry that makes the virtual server's address one.
xlb_service address_of(const xlb_service& service) {
  xlb_service entry{};
  entry.key = service.key;
  entry.key.port = 0;
  entry.key.protocol = 0;
  entry.fragments_tcp = 9;
  return entry;
}

using KeyBytes = std::array<uint8_t, sizeof(xlb_service_key)>;

KeyBytes bytes_of(const xlb_service_key& key) {
  return std::bit_cast<KeyBytes>(key);
}

// The three arrays, and the program's way to look into them.
struct Arrays {
  std::vector<PaddedWord> displacements = std::vector<PaddedWord>(XLB_SERVICE_BUCKETS);
  std::vector<ServiceMemory> services = std::vector<ServiceMemory>(XLB_SERVICE_SLOTS);
  std::vector<PaddedWord> places = std::vector<PaddedWord>(XLB_MAX_VIRTUAL_SERVERS);

  [[nodiscard]] ServiceDirectory directory() { return {displacements, services, places}; }

  static uint64_t word(const uint64_t& place) {
    return std::atomic_ref(const_cast<uint64_t&>(place)).load(std::memory_order_acquire);
  }
  [[nodiscard]] xlb_service at(uint32_t place) const {
    ServiceMemory words{};
    for (const size_t i : {2, 0, 1, 3, 4, 5, 6, 7})
      words.at(i) = word(services[place][i]);
    return std::bit_cast<xlb_service>(words);
  }
  // nullopt: the program does not find it.
  [[nodiscard]] std::optional<xlb_service> look_up(const xlb_service_key& key) const {
    uint64_t high = 0;
    uint64_t low = key.address[0];
    if (key.family == XLB_IPV6) {
      std::memcpy(&high, &key.address[0], sizeof high);
      std::memcpy(&low, &key.address[2], sizeof low);
    }
    const uint64_t hash =
        xlb_service_hash(high, low, XLB_SERVICE_KIND(key.port, key.protocol, key.family));
    auto& displacement = const_cast<uint32_t&>(displacements[xlb_service_bucket(hash)].value);
    const xlb_service found =
        at(xlb_service_place(hash, std::atomic_ref(displacement).load(std::memory_order_acquire)));
    if (bytes_of(found.key) != bytes_of(key)) return std::nullopt;
    return found;
  }
  [[nodiscard]] std::optional<xlb_service> numbered(uint16_t id) const {
    const uint32_t place = places[id].value;
    if (place == 0) return std::nullopt;
    const xlb_service found = at(place - 1);
    if (found.id != id) return std::nullopt;
    return found;
  }
};

// What should be there, by key.
using Model = std::map<KeyBytes, xlb_service>;

size_t mismatches(const Arrays& arrays, const Model& model) {
  size_t wrong = 0;
  for (const auto& [bytes, entry] : model) {
    const auto found = arrays.look_up(entry.key);
    if (!found || found->ring != entry.ring || found->id != entry.id) ++wrong;
    if (entry.key.protocol == 0) continue;
    const auto numbered = arrays.numbered(entry.id);
    if (!numbered || bytes_of(numbered->key) != bytes) ++wrong;
  }
  return wrong;
}

xlb_service numbered_service(uint32_t number, uint64_t ring = 1) {
  const auto id = static_cast<uint16_t>(number + 1);
  return number % 2 == 0 ? service4(number, id, ring) : service6(number, id, ring);
}

constexpr uint32_t kServices = 8000;

// The same run every time.
class Random {
 public:
  uint32_t operator()() { return static_cast<uint32_t>(engine_()); }

 private:
  std::mt19937 engine_{4711};  // NOLINT: see above
};

}  // namespace

TEST_CASE("as many virtual servers as there can be all have a place, their addresses too") {
  Arrays arrays;
  auto directory = arrays.directory();
  Model model;
  for (uint32_t number = 0; number + 1 < XLB_MAX_VIRTUAL_SERVERS; ++number) {
    // An address of its own for each: the most there can be.
    auto entry = numbered_service(number);
    entry.key.address[0] ^= htonl(number << 12);
    for (const auto& put : {entry, address_of(entry)}) {
      // All at once, moves may leave so many places behind that they must be cleared in between.
      if (!directory.put(put)) {
        directory.reclaim();
        REQUIRE(directory.put(put));
      }
      model[bytes_of(put.key)] = put;
    }
  }
  CHECK(directory.size() == model.size());
  CHECK(mismatches(arrays, model) == 0);
  directory.reclaim();
  CHECK(mismatches(arrays, model) == 0);
  CHECK(directory.entries().size() == model.size());
}

TEST_CASE("whatever is put, changed and erased: every key is where the program looks for it") {
  Random random;
  Arrays arrays;
  auto directory = arrays.directory();
  Model model;
  const auto step = [&] {
    const auto entry = numbered_service(random() % kServices, random());
    const bool address = random() % 8 == 0;
    const auto put = address ? address_of(entry) : entry;
    const KeyBytes key = bytes_of(put.key);
    if (model.contains(key) && random() % 3 == 0) {
      directory.erase(put.key);
      model.erase(key);
      CHECK_FALSE(arrays.look_up(put.key));
      if (!address) CHECK_FALSE(arrays.numbered(put.id));
    } else {
      REQUIRE(directory.put(put));
      model[key] = put;
      REQUIRE(arrays.look_up(put.key));
      CHECK(arrays.look_up(put.key)->ring == put.ring);
    }
    if (random() % 64 == 0) directory.reclaim();
  };
  for (int i = 0; i < 60'000; ++i) {
    step();
    if (i % 1000 != 0) continue;
    REQUIRE(mismatches(arrays, model) == 0);
    REQUIRE(directory.size() == model.size());
  }
  // The next run finds the same, also when this one ended before it could clear what it left.
  auto next = arrays.directory();
  CHECK(next.size() == model.size());
  CHECK(next.entries().size() == model.size());
  CHECK(mismatches(arrays, model) == 0);
  for (const auto& [bytes, entry] : model)
    next.erase(entry.key);
  CHECK(next.size() == 0);
  for (const auto& memory : arrays.services)
    CHECK(std::bit_cast<xlb_service>(memory).key.family == 0);
}

TEST_CASE("a packet finds every virtual server at every moment while others come and go") {
  Arrays arrays;
  auto directory = arrays.directory();
  std::vector<xlb_service> stable;
  for (uint32_t number = 0; number < 2000; ++number) {
    stable.push_back(numbered_service(number));
    REQUIRE(directory.put(stable.back()));
  }
  directory.reclaim();
  std::atomic<bool> ended{false};
  std::atomic<uint64_t> packets{0};
  std::atomic<uint64_t> missed{0};
  std::thread reader([&] {
    for (size_t i = 0; !ended; i = (i + 1) % stable.size()) {
      if (!arrays.look_up(stable[i].key)) ++missed;
      ++packets;
    }
  });
  Random random;
  for (int i = 0; i < 2000; ++i) {
    for (int j = 0; j < 10; ++j) {
      const auto entry = numbered_service(2000 + random() % 6000);
      if (random() % 3 == 0) {
        directory.erase(entry.key);
      } else {
        (void)directory.put(entry);
      }
    }
    // Packets under way are done when two more have begun and ended.
    for (const uint64_t before = packets; packets < before + 2;)
      std::this_thread::yield();
    directory.reclaim();
  }
  ended = true;
  reader.join();
  CHECK(missed == 0);
}

TEST_CASE("what was erased does not come back by a copy that waits to be cleared") {
  Random random;
  Arrays arrays;
  auto directory = arrays.directory();
  // Without a reclaim, places left behind stay. Few services, in few buckets: many moves.
  std::vector<xlb_service> pool;
  for (uint32_t number = 0; pool.size() < 40; ++number) {
    const auto entry = service4(number, static_cast<uint16_t>(pool.size() + 1));
    const uint64_t hash =
        xlb_service_hash(0, entry.key.address[0],
                         XLB_SERVICE_KIND(entry.key.port, entry.key.protocol, entry.key.family));
    if (xlb_service_bucket(hash) == 3) pool.push_back(entry);
  }
  // The places that its first keys would have are taken.
  for (uint32_t number = 0; number < 15'000; ++number)
    (void)directory.put(service6(number, 0));
  Model model;
  for (int i = 0; i < 400; ++i) {
    const auto& entry = pool[random() % 4 + (static_cast<unsigned>(i) / 20) % 10 * 4];
    if (model.contains(bytes_of(entry.key))) {
      directory.erase(entry.key);
      model.erase(bytes_of(entry.key));
    } else if (directory.put(entry)) {
      model[bytes_of(entry.key)] = entry;
    }
    for (const auto& one : pool)
      CHECK(arrays.look_up(one.key).has_value() == model.contains(bytes_of(one.key)));
  }
}

TEST_CASE("a move that its run did not finish is undone by the next") {
  Arrays arrays;
  const auto entry = service4(1, 5);
  REQUIRE(arrays.directory().put(entry));
  uint32_t place = arrays.places[5].value - 1;
  // A copy for a displacement that was never written.
  const uint32_t copy = (place + 77) % XLB_SERVICE_SLOTS;
  arrays.services[copy] = arrays.services[place];
  arrays.places[5].value = copy + 1;
  auto next = arrays.directory();
  CHECK(next.size() == 1);
  CHECK(next.find(entry.key));
  CHECK(arrays.at(copy).key.family == 0);
  CHECK(arrays.places[5].value == place + 1);
}

TEST_CASE("numbers of virtual servers that are no longer there lead nowhere") {
  Arrays arrays;
  arrays.places[7].value = 12;
  const auto next = arrays.directory();
  CHECK(next.size() == 0);
  CHECK(arrays.places[7].value == 0);
}

}  // namespace xlb
