#include "io/flow_table.h"

#include <arpa/inet.h>
#include <endian.h>
#include <xlb/hash.h>

#include <atomic>
#include <bit>
#include <utility>

namespace xlb {
namespace {

using Word = std::atomic_ref<__u64>;
static_assert(Word::is_always_lock_free);

__u64 load(const __u64& word, std::memory_order order = std::memory_order_relaxed) {
  return Word(const_cast<__u64&>(word)).load(order);
}

struct Seen {
  uint64_t key = 0;  // 0: nobody's, or it was given to somebody else just now
  uint64_t value = 0;
};

// The key is looked at again after the value: else one flow could be judged by another's value.
Seen read_entry(const __u64& key, const __u64& value) {
  const Seen seen{load(key, std::memory_order_acquire), load(value, std::memory_order_acquire)};
  return load(key) == seen.key ? seen : Seen{};
}

bool free_entry(__u64& key, __u64& value, __u64 seen_value) {
  if (!Word(value).compare_exchange_strong(seen_value, 0)) return false;
  Word(key).store(0, std::memory_order_release);
  return true;
}

bool keeps_client(uint32_t state) {
  return state == XLB_FLOW_SYN_RECV || state == XLB_FLOW_ESTABLISHED || state == XLB_FLOW_UDP ||
         state == XLB_FLOW_UDP_ONE;
}

// The owner of an entry's real server is the entry's service.
bool consistent(uint64_t key, uint64_t value, const SweepRules& rules) {
  const uint32_t real_server = XLB_FLOW_REAL_SERVER(value);
  return real_server < rules.service_of_real_server.size() &&
         rules.service_of_real_server[real_server] == key >> 48;
}

const ServiceRules& rules_of(uint64_t key, const SweepRules& rules) {
  static constexpr ServiceRules kNone;
  const uint64_t service = key >> 48;
  return service < rules.services.size() ? rules.services[service] : kNone;
}

// The first `bits` of a word of an address as loaded, the rest 0.
uint64_t masked(uint64_t word, unsigned bits) {
  if (bits >= 64) return word;
  return bits == 0 ? 0 : word & htobe64(~uint64_t{0} << (64 - bits));
}

}  // namespace

FlowTable::FlowTable(const FlowMemory& memory, uint64_t seed)
    : flows_(memory.flows),
      clients_(memory.clients),
      flow_addresses_(memory.flow_addresses),
      client_addresses_(memory.client_addresses),
      loads_(memory.loads),
      seed_(seed) {}

void FlowTable::uncount(uint64_t value) const {
  const uint32_t real_server = XLB_FLOW_REAL_SERVER(value);
  if (real_server >= loads_.size()) return;
  xlb_load& load = loads_[real_server];
  Word(XLB_FLOW_STATE(value) == XLB_FLOW_ESTABLISHED ? load.active : load.inactive)
      .fetch_sub(1, std::memory_order_relaxed);
}

RealServerFlows& FlowTable::counted(uint32_t real_server) {
  auto& counts = counting_.real_servers;
  if (real_server >= counts.size()) counts.resize(real_server + 1U);
  return counts[real_server];
}

void FlowTable::note_absent(__u64& key, uint64_t seen_key, uint32_t now_s) {
  constexpr size_t kLimit = 1024;  // more than processes can have died holding
  constexpr uint32_t kAbandonedAfterS = 2;
  uint32_t since_s = now_s;
  for (const auto& earlier : absent_) {
    if (earlier.place == &key && earlier.key == seen_key) since_s = earlier.since_s;
  }
  if (xlb_age(now_s, since_s) >= kAbandonedAfterS) {
    __u64 expected = seen_key;
    (void)Word(key).compare_exchange_strong(expected, 0);
  } else if (absent_so_far_.size() < kLimit) {
    absent_so_far_.push_back({&key, seen_key, since_s});
  }
}

// The key of the client's entry in the persistence table.
uint64_t FlowTable::client_key(uint64_t flow_key, uint64_t number,
                               const ServiceRules& service) const {
  const auto id = static_cast<uint16_t>(flow_key >> 48);
  const auto& noted = flow_addresses_[service.hashed() ? number : 0].address;
  const unsigned prefix = service.persistence_prefix;
  if (service.ipv6) {
    const auto [high, low] = std::bit_cast<std::array<uint64_t, 2>>(noted);
    return xlb_flow_key_hashed(masked(high, prefix), masked(low, prefix > 64 ? prefix - 64 : 0), 0,
                               0, id, seed_);
  }
  const uint32_t address = service.any_port ? noted[2] : static_cast<uint32_t>(flow_key);
  const uint32_t mask = prefix >= 32 ? ~0U : prefix == 0 ? 0 : ~0U << (32 - prefix);
  return XLB_FLOW_KEY(address & htonl(mask), 0, id);
}

void FlowTable::note_live(uint64_t key, uint32_t real_server, uint32_t now_s) {
  constexpr size_t kInFlight = 64;
  auto& bucket = clients_[xlb_bucket_hash(key, seed_) & (clients_.size() - 1)];
  __builtin_prefetch(&bucket.clients[0]);
  __builtin_prefetch(&bucket.clients[2]);
  live_.push_back({key, &bucket, real_server});
  if (live_.size() == kInFlight) mark_noted(now_s);
}

void FlowTable::mark_noted(uint32_t now_s) {
  for (const auto& noted : live_) {
    for (auto& client : noted.bucket->clients) {
      if (load(client.key) != noted.key) continue;
      // A client that has moved does not stay because of connections to its former real server.
      if (XLB_FLOW_REAL_SERVER(load(client.value)) == noted.real_server &&
          load(client.live) != now_s) {
        Word(client.live).store(now_s, std::memory_order_relaxed);
      }
      break;
    }
  }
  live_.clear();
}

void FlowTable::sweep_flows(size_t bucket_number, uint32_t now_s, const SweepRules& rules) {
  for (size_t i = 0; i < XLB_FLOWS_PER_BUCKET; ++i) {
    auto& flow = flows_[bucket_number].flows[i];
    const auto [key, value] = read_entry(flow.key, flow.value);
    if (key == 0) continue;
    if (value == 0) {
      note_absent(flow.key, key, now_s);
      continue;
    }
    const bool remove = xlb_flow_expired(value, now_s, rules.flow_timeout_s.data()) != 0 ||
                        !consistent(key, value, rules);
    if (remove && free_entry(flow.key, flow.value, value)) {
      uncount(value);
      continue;
    }
    const uint32_t real_server = XLB_FLOW_REAL_SERVER(value);
    const uint32_t state = XLB_FLOW_STATE(value);
    if (real_server >= rules.service_of_real_server.size()) continue;
    ++counting_.flows;
    auto& counts = counted(real_server);
    ++(state == XLB_FLOW_ESTABLISHED ? counts.active : counts.inactive);
    const ServiceRules& service = rules_of(key, rules);
    if (keeps_client(state) && service.persistence_timeout_s != 0) {
      note_live(client_key(key, bucket_number * XLB_FLOWS_PER_BUCKET + i, service), real_server,
                now_s);
    }
  }
}

void FlowTable::sweep_clients(xlb_client_bucket& bucket, uint32_t now_s, const SweepRules& rules) {
  for (auto& client : bucket.clients) {
    const auto [key, value] = read_entry(client.key, client.value);
    if (key == 0) continue;
    if (value == 0) {
      note_absent(client.key, key, now_s);
      continue;
    }
    const uint32_t timeout_s = rules_of(key, rules).persistence_timeout_s;
    const bool remove = timeout_s == 0 || !consistent(key, value, rules) ||
                        xlb_client_expired(value, load(client.live), now_s, timeout_s) != 0;
    if (remove && free_entry(client.key, client.value, value)) continue;
    const uint32_t real_server = XLB_FLOW_REAL_SERVER(value);
    if (real_server < rules.service_of_real_server.size()) ++counted(real_server).clients;
  }
}

bool FlowTable::sweep(uint32_t now_s, const SweepRules& rules, size_t buckets) {
  const size_t end = flows_.size() + clients_.size();
  for (; buckets > 0 && position_ < end; --buckets, ++position_) {
    if (position_ < flows_.size()) {
      sweep_flows(position_, now_s, rules);
    } else {
      if (position_ == flows_.size()) mark_noted(now_s);
      sweep_clients(clients_[position_ - flows_.size()], now_s, rules);
    }
  }
  mark_noted(now_s);
  if (position_ < end) return false;
  position_ = 0;
  counts_ = std::exchange(counting_, {});
  absent_ = std::exchange(absent_so_far_, {});
  return true;
}

uint64_t FlowTable::visit_flows(uint64_t cursor, size_t limit, uint32_t now_s,
                                const SweepRules& rules, const VisitFlow& visit) const {
  const uint64_t end = flows_.size() * XLB_FLOWS_PER_BUCKET;
  for (; cursor < end && limit > 0; ++cursor) {
    const auto& flow = flows_[cursor / XLB_FLOWS_PER_BUCKET].flows[cursor % XLB_FLOWS_PER_BUCKET];
    const auto [key, value] = read_entry(flow.key, flow.value);
    if (key == 0 || xlb_flow_expired(value, now_s, rules.flow_timeout_s.data()) != 0) continue;
    visit({key, value}, flow_addresses_[cursor]);
    --limit;
  }
  return cursor < end ? cursor : 0;
}

uint64_t FlowTable::visit_clients(uint64_t cursor, size_t limit, uint32_t now_s,
                                  const SweepRules& rules, const VisitClient& visit) const {
  constexpr uint64_t kPerBucket = XLB_PERSISTENCE_PER_BUCKET;
  const uint64_t end = clients_.size() * kPerBucket;
  for (; cursor < end && limit > 0; ++cursor) {
    const auto& entry = clients_[cursor / kPerBucket].clients[cursor % kPerBucket];
    const auto [key, value] = read_entry(entry.key, entry.value);
    const xlb_client client{key, value, load(entry.live), 0};
    const uint32_t timeout_s = rules_of(client.key, rules).persistence_timeout_s;
    if (client.key == 0 || timeout_s == 0 ||
        xlb_client_expired(client.value, client.live, now_s, timeout_s) != 0) {
      continue;
    }
    visit(client, client_addresses_[cursor]);
    --limit;
  }
  return cursor < end ? cursor : 0;
}

}  // namespace xlb
