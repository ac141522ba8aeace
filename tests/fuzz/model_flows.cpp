#include "model_flows.h"

#include <arpa/inet.h>
#include <xlb/hash.h>

#include <algorithm>

namespace xlb::oracle {
namespace {

constexpr uint32_t kClockBits = 24;

// Seconds since `then`, of a clock of 24 bits; 0 if it lies ahead.
uint32_t age(uint32_t now_s, uint32_t then_s) {
  const uint32_t seconds = (now_s - then_s) % (1U << kClockBits);
  return seconds >= 1U << (kClockBits - 1) ? 0 : seconds;
}

uint32_t age_of(uint64_t value, uint32_t now_s) {
  return age(now_s, XLB_FLOW_SECOND(value));
}

bool expired(const Tables& tables, uint64_t value, uint32_t now_s) {
  return value == 0 ||
         age_of(value, now_s) > tables.settings.timeout_s[XLB_FLOW_STATE(value) % XLB_FLOW_STATES];
}

// Adds to, or takes from, the counts of a flow's real server.
void count_load(Tables& tables, uint64_t value, int64_t change) {
  const uint32_t real_server = XLB_FLOW_REAL_SERVER(value);
  if (value == 0 || real_server >= tables.loads.size()) return;
  xlb_load& load = tables.loads[real_server];
  (XLB_FLOW_STATE(value) == XLB_FLOW_ESTABLISHED ? load.active : load.inactive) +=
      static_cast<uint64_t>(change);
}

std::array<size_t, 2> bucket_pair(uint64_t key) {
  const size_t home = home_bucket(key, kFlowBuckets);
  return {home, home ^ 1U};
}

// What an entry is worth when a new flow needs a place: lower gives way first; within one rank the
// older does.
enum class Rank { free, expired, passing, lasting, untouchable };

Rank rank_of(const Tables& tables, const xlb_flow& flow, uint32_t now_s) {
  if (flow.key == 0) return Rank::free;
  if (flow.value == 0) return Rank::untouchable;  // somebody's just now
  if (expired(tables, flow.value, now_s)) return Rank::expired;
  const uint32_t state = XLB_FLOW_STATE(flow.value);
  if (state != XLB_FLOW_ESTABLISHED && state != XLB_FLOW_UDP) return Rank::passing;
  return age_of(flow.value, now_s) <= XLB_LIVE_FLOW_S ? Rank::untouchable : Rank::lasting;
}

std::optional<size_t> place_for(const Tables& tables, uint64_t key, uint32_t now_s) {
  std::optional<size_t> best;
  Rank best_rank = Rank::untouchable;
  uint32_t best_age = 0;
  for (const size_t bucket : bucket_pair(key)) {
    for (size_t i = 0; i < XLB_FLOWS_PER_BUCKET; i++) {
      const size_t place = bucket * XLB_FLOWS_PER_BUCKET + i;
      const xlb_flow& flow = tables.flows[place];
      if (flow.key == key && flow.value != 0) return place;  // of an earlier life
      const Rank rank = rank_of(tables, flow, now_s);
      const uint32_t flow_age = rank == Rank::free ? 0 : age_of(flow.value, now_s);
      if (rank == Rank::untouchable) continue;
      if (!best || rank < best_rank || (rank == best_rank && flow_age > best_age)) {
        best = place;
        best_rank = rank;
        best_age = flow_age;
      }
    }
  }
  return best;
}

uint32_t next_state(uint32_t state, const Parsed& parsed) {
  if (parsed.protocol == kUdp) return state == XLB_FLOW_UDP_ONE ? uint32_t{XLB_FLOW_UDP} : state;
  if ((parsed.tcp_flags & kRst) != 0) return XLB_FLOW_CLOSE;
  if ((parsed.tcp_flags & kSyn) != 0) return state;
  if ((parsed.tcp_flags & kFin) != 0)
    return state == XLB_FLOW_CLOSE ? uint32_t{XLB_FLOW_CLOSE} : uint32_t{XLB_FLOW_FIN_WAIT};
  if ((parsed.tcp_flags & kAck) != 0 && state == XLB_FLOW_SYN_RECV) return XLB_FLOW_ESTABLISHED;
  return state;
}

// As two words of which IPv4 fills the lower one's first half.
xlb_client_address as_entry(const Address& client, uint16_t port, uint8_t family) {
  xlb_client_address address{};
  if (family == XLB_IPV4)
    std::memcpy(&address.address[2], client.data(), 4);
  else
    std::memcpy(address.address, client.data(), sizeof(address.address));
  address.port = htons(port);
  return address;
}

bool client_live(const xlb_client& client, uint32_t now_s) {
  return client.live != 0 && age(now_s, static_cast<uint32_t>(client.live)) <= XLB_LIVE_GRACE_S;
}

// Seconds since the client opened a connection or was seen live.
uint32_t idle_of(const xlb_client& client, uint32_t now_s) {
  const uint32_t opened = age_of(client.value, now_s);
  if (client.live == 0) return opened;
  return std::min(opened, age(now_s, static_cast<uint32_t>(client.live)));
}

bool gives_way_before(const xlb_client& one, const xlb_client& other, uint32_t now_s) {
  if (other.key == 0) return false;
  return one.key == 0 || idle_of(one, now_s) > idle_of(other, now_s);
}

}  // namespace

std::optional<size_t> find_flow(const Tables& tables, uint64_t key, uint32_t now_s) {
  for (const size_t bucket : bucket_pair(key)) {
    for (size_t i = 0; i < XLB_FLOWS_PER_BUCKET; i++) {
      const size_t place = bucket * XLB_FLOWS_PER_BUCKET + i;
      const xlb_flow& flow = tables.flows[place];
      if (flow.key == key && !expired(tables, flow.value, now_s)) return place;
    }
  }
  return std::nullopt;
}

bool insert_flow(Tables& tables, const xlb_service& service, const Connection& connection,
                 uint32_t real_server, uint32_t state, uint32_t now_s) {
  const uint64_t key = flow_key(connection, service);
  const auto place = place_for(tables, key, now_s);
  if (!place) return false;
  count_load(tables, tables.flows[*place].value, -1);
  tables.flows[*place] = {key, XLB_FLOW_VALUE(real_server, now_s, state)};
  count_load(tables, tables.flows[*place].value, +1);
  if (connection.family == XLB_IPV6 || service.key.port == 0)
    tables.flow_addresses[*place] =
        as_entry(connection.client, connection.client_port, connection.family);
  return true;
}

void note_packet(Tables& tables, size_t place, const Parsed& parsed, uint32_t now_s) {
  auto& value = tables.flows[place].value;
  count_load(tables, value, -1);
  value =
      XLB_FLOW_VALUE(XLB_FLOW_REAL_SERVER(value), now_s, next_state(XLB_FLOW_STATE(value), parsed));
  count_load(tables, value, +1);
}

void forget_flow(Tables& tables, size_t place) {
  count_load(tables, tables.flows[place].value, -1);
  tables.flows[place] = {};
}

uint32_t find_client(const Tables& tables, uint64_t key, uint32_t timeout_s, uint32_t now_s) {
  const size_t bucket = home_bucket(key, kClientBuckets);
  for (size_t i = 0; i < XLB_PERSISTENCE_PER_BUCKET; i++) {
    const xlb_client& client = tables.clients[bucket * XLB_PERSISTENCE_PER_BUCKET + i];
    if (client.key != key || client.value == 0) continue;
    if (age_of(client.value, now_s) <= timeout_s || client_live(client, now_s))
      return XLB_FLOW_REAL_SERVER(client.value);
  }
  return 0;
}

bool note_client(Tables& tables, const xlb_service& service, const Connection& connection,
                 uint32_t real_server, uint32_t now_s) {
  const uint64_t key = client_key(connection, service);
  const size_t bucket = home_bucket(key, kClientBuckets);
  std::optional<size_t> best;
  for (size_t i = 0; i < XLB_PERSISTENCE_PER_BUCKET; i++) {
    const size_t place = bucket * XLB_PERSISTENCE_PER_BUCKET + i;
    const xlb_client& client = tables.clients[place];
    if (client.key != 0 && client.value == 0) continue;  // somebody's just now
    if (client.key == key) {
      best = place;
      break;
    }
    if (!best || gives_way_before(client, tables.clients[*best], now_s)) best = place;
  }
  if (!best) return false;
  xlb_client& client = tables.clients[*best];
  if (client.key != key) {
    client.live = 0;
    if (connection.family == XLB_IPV6)
      tables.client_addresses[*best] = as_entry(masked_client(connection, service), 0, XLB_IPV6);
  }
  client.key = key;
  client.value = XLB_FLOW_VALUE(real_server, now_s, 1);
  return true;
}

}  // namespace xlb::oracle
