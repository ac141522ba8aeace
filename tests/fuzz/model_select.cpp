#include "model_select.h"

#include <arpa/inet.h>
#include <xlb/hash.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "model_flows.h"

namespace xlb::oracle {
namespace {

constexpr unsigned kSlotAttempts = 8;
constexpr uint32_t kForExisting = XLB_RS_FORWARD;
constexpr uint32_t kForNew = XLB_RS_FORWARD | XLB_RS_ACCEPT;

Address address_of(const xlb_service_key& key) {
  Address address{};
  std::memcpy(address.data(), key.address, address.size());
  return address;
}

struct Run {
  uint32_t offset;
  uint32_t length;
};

Run run_of(uint64_t word) {
  return {static_cast<uint32_t>(word), static_cast<uint32_t>(word >> 32)};
}

// The first usable of `run` from `position` on, a number of 32 bits, over at most kSlotAttempts.
uint32_t usable_slot(const Tables& tables, uint16_t service_id, Run run, uint64_t position,
                     uint32_t flags) {
  if (run.length == 0) return 0;
  for (uint32_t i = 0; i < kSlotAttempts; i++) {
    const uint64_t slot = uint64_t{run.offset} + static_cast<uint32_t>(position + i) % run.length;
    if (slot >= tables.slots.size()) continue;
    if (usable(tables, tables.slots[slot], service_id, flags)) return tables.slots[slot];
  }
  return 0;
}

uint64_t active(const Tables& tables, uint32_t real_server) {
  return tables.loads[real_server].active;
}

uint64_t inactive(const Tables& tables, uint32_t real_server) {
  return tables.loads[real_server].inactive;
}

// a / weight(one) < b / weight(other), without dividing.
bool cheaper(const Tables& tables, uint64_t a, uint32_t one, uint64_t b, uint32_t other) {
  return a * tables.real_servers[other].weight < b * tables.real_servers[one].weight;
}

uint32_t least(const Tables& tables, const std::vector<uint32_t>& candidates, bool weighted,
               const std::function<uint64_t(uint32_t)>& overhead) {
  uint32_t best = 0;
  for (const uint32_t one : candidates) {
    if (best == 0) {
      best = one;
    } else if (weighted ? cheaper(tables, overhead(one), one, overhead(best), best)
                        : overhead(one) < overhead(best)) {
      best = one;
    }
  }
  return best;
}

uint32_t by_load(const Tables& tables, const xlb_service& service) {
  const Run run = run_of(service.ring);
  std::vector<uint32_t> candidates;
  for (uint32_t i = 0; i < run.length; i++) {
    const uint64_t slot = uint64_t{run.offset} + i;
    if (slot >= tables.slots.size()) break;
    const uint32_t one = tables.slots[slot];
    if (usable(tables, one, service.id, kForNew) && tables.real_servers[one].weight != 0)
      candidates.push_back(one);
  }
  const auto connections = [&](uint32_t one) {
    return active(tables, one) * 256 + inactive(tables, one);
  };
  const auto expected = [&](uint32_t one) { return active(tables, one) + 1; };
  switch (service.scheduling) {
    case XLB_SCHEDULE_LC:
      return least(tables, candidates, false, connections);
    case XLB_SCHEDULE_WLC:
      return least(tables, candidates, true, connections);
    case XLB_SCHEDULE_NQ:
      for (const uint32_t one : candidates)
        if (active(tables, one) == 0) return one;
      [[fallthrough]];
    default:
      return least(tables, candidates, true, expected);
  }
}

// The first `bits` of an address, the rest 0.
Address masked(Address address, unsigned bits) {
  for (unsigned bit = 0; bit < address.size() * 8; bit++)
    if (bit >= bits) address[bit / 8] &= static_cast<uint8_t>(~(0x80U >> bit % 8));
  return address;
}

struct Words {
  uint64_t high;
  uint64_t low;
};

// In host order; IPv4 as the low word.
Words host_words(const Address& address, uint8_t family) {
  const auto number = [&](size_t from, size_t to) {
    uint64_t value = 0;
    for (size_t i = from; i < to; i++)
      value = value << 8 | address[i];
    return value;
  };
  if (family == XLB_IPV4) return {0, number(0, 4)};
  return {number(0, 8), number(8, 16)};
}

// As loaded; IPv4 as the low word.
Words loaded_words(const Address& address, uint8_t family) {
  Words words{};
  std::memcpy(family == XLB_IPV4 ? &words.low : &words.high, address.data(),
              family == XLB_IPV4 ? 4 : 8);
  if (family != XLB_IPV4) std::memcpy(&words.low, address.data() + 8, 8);
  return words;
}

uint64_t position_of(const xlb_service& service, const Connection& connection) {
  const auto server = host_words(connection.server, connection.family);
  Words client{};
  uint16_t port = 0;
  if ((service.hash_input & XLB_HASH_SOURCE_ADDRESS) != 0)
    client = host_words(masked(connection.client, service.persistence_prefix), connection.family);
  if ((service.hash_input & XLB_HASH_SOURCE_PORT) != 0) port = connection.client_port;
  const uint64_t kind = uint64_t{connection.server_port} * 65536 + connection.protocol;
  uint64_t hash = mix(kind, 0x9e3779b97f4a7c15);
  hash = mix(server.low, hash + server.high);
  hash = mix(client.high ^ port, hash);
  return mix(client.low, hash) >> 32;
}

uint32_t hash_slot(const Tables& tables, const xlb_service& service, const Connection& connection,
                   uint32_t flags) {
  return usable_slot(tables, service.id, run_of(service.hash), position_of(service, connection),
                     flags);
}

uint32_t schedule(Tables& tables, const xlb_service& service, const Connection& connection) {
  switch (service.scheduling) {
    case XLB_SCHEDULE_RING:
      return usable_slot(tables, service.id, run_of(service.ring),
                         tables.schedulers[service.id].cursor++, kForNew);
    case XLB_SCHEDULE_HASH:
      return hash_slot(tables, service, connection, kForNew);
    default:
      return by_load(tables, service);
  }
}

uint32_t persistent(const Tables& tables, const xlb_service& service, const Connection& connection,
                    uint32_t now_s, uint32_t flags) {
  if (service.persistence_timeout_s == 0) return 0;
  const uint32_t found =
      find_client(tables, client_key(connection, service), service.persistence_timeout_s, now_s);
  return usable(tables, found, service.id, flags) ? found : 0;
}

uint32_t open_connection(Tables& tables, const xlb_service& service, const Connection& connection,
                         uint32_t now_s) {
  uint32_t chosen = persistent(tables, service, connection, now_s, kForNew);
  if (chosen == 0) chosen = schedule(tables, service, connection);
  if (chosen == 0) return 0;
  const bool client_noted =
      service.persistence_timeout_s != 0 && note_client(tables, service, connection, chosen, now_s);
  const bool one_packet =
      connection.protocol == kUdp && (service.flags & XLB_SERVICE_ONE_PACKET) != 0;
  if (!one_packet) {
    const uint32_t state = connection.protocol == kUdp ? XLB_FLOW_UDP_ONE : XLB_FLOW_SYN_RECV;
    const bool remembered = insert_flow(tables, service, connection, chosen, state, now_s);
    // What comes next must find the same way without an entry: by the client, or by the hash.
    if (!remembered && !client_noted) chosen = hash_slot(tables, service, connection, kForNew);
    if (chosen == 0) return 0;
  }
  tables.traffic[chosen].connections++;
  return chosen;
}

}  // namespace

const xlb_service* find_service(const Tables& tables, const Address& address, uint16_t port,
                                uint8_t protocol, uint8_t family) {
  for (const xlb_service& service : tables.services) {
    if (address_of(service.key) == address && ntohs(service.key.port) == port &&
        service.key.protocol == protocol && service.key.family == family)
      return &service;
  }
  return nullptr;
}

const xlb_service* service_for(const Tables& tables, const Connection& connection) {
  const auto* service = find_service(tables, connection.server, connection.server_port,
                                     connection.protocol, connection.family);
  if (service != nullptr || tables.settings.any_port == 0) return service;
  return find_service(tables, connection.server, 0, connection.protocol, connection.family);
}

bool usable(const Tables& tables, uint32_t real_server, uint16_t service_id, uint32_t flags) {
  if (real_server == 0 || real_server >= tables.real_servers.size()) return false;
  const xlb_real_server& one = tables.real_servers[real_server];
  return (one.flags & flags) == flags && one.service_id == service_id;
}

uint64_t flow_key(const Connection& connection, const xlb_service& service) {
  const uint16_t client_port = htons(connection.client_port);
  const auto client = loaded_words(connection.client, connection.family);
  if (connection.family == XLB_IPV4 && service.key.port != 0)
    return XLB_FLOW_KEY(client.low, client_port, service.id);
  return xlb_flow_key_hashed(client.high, client.low, client_port, htons(connection.server_port),
                             service.id, kHashSeed);
}

uint64_t client_key(const Connection& connection, const xlb_service& service) {
  const auto client =
      loaded_words(masked(connection.client, service.persistence_prefix), connection.family);
  if (connection.family == XLB_IPV4) return XLB_FLOW_KEY(client.low, 0, service.id);
  return xlb_flow_key_hashed(client.high, client.low, 0, 0, service.id, kHashSeed);
}

uint32_t home_bucket(uint64_t key, uint32_t buckets) {
  return xlb_bucket_hash(key, kHashSeed) & (buckets - 1);
}

uint64_t mix(uint64_t key, uint64_t seed) {
  key ^= seed;
  key = (key ^ key >> 33) * 0xff51afd7ed558ccd;
  key = (key ^ key >> 33) * 0xc4ceb9fe1a85ec53;
  return key ^ key >> 33;
}

uint32_t select_without_memory(const Tables& tables, const xlb_service& service,
                               const Connection& connection, uint32_t now_s) {
  const uint32_t chosen = persistent(tables, service, connection, now_s, kForExisting);
  return chosen != 0 ? chosen : hash_slot(tables, service, connection, kForExisting);
}

Address masked_client(const Connection& connection, const xlb_service& service) {
  return masked(connection.client, service.persistence_prefix);
}

uint32_t select_for_packet(Tables& tables, const xlb_service& service, const Connection& connection,
                           const Parsed& parsed, uint32_t now_s) {
  const uint64_t key = flow_key(connection, service);
  const auto place = find_flow(tables, key, now_s);
  if (place) {
    const uint32_t state = XLB_FLOW_STATE(tables.flows[*place].value);
    const bool again = is_syn(parsed) && (state == XLB_FLOW_FIN_WAIT || state == XLB_FLOW_CLOSE);
    const uint32_t real_server = XLB_FLOW_REAL_SERVER(tables.flows[*place].value);
    if (!again && usable(tables, real_server, service.id, kForExisting)) {
      note_packet(tables, *place, parsed, now_s);
      return real_server;
    }
    if (!again) forget_flow(tables, *place);
  }
  if (opens(parsed)) return open_connection(tables, service, connection, now_s);
  return select_without_memory(tables, service, connection, now_s);
}

uint32_t select_for_error(Tables& tables, const xlb_service& service, const Connection& connection,
                          uint32_t now_s) {
  if (const auto place = find_flow(tables, flow_key(connection, service), now_s)) {
    const uint32_t real_server = XLB_FLOW_REAL_SERVER(tables.flows[*place].value);
    if (usable(tables, real_server, service.id, kForExisting)) return real_server;
  }
  return select_without_memory(tables, service, connection, now_s);
}

}  // namespace xlb::oracle
