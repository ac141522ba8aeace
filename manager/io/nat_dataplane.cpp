#include "io/nat_dataplane.h"

#include <algorithm>

namespace xlb {
namespace {

constexpr auto kSweepBudget = std::chrono::milliseconds(1);
constexpr auto kReadInterval = std::chrono::milliseconds(900);
// A reading may take a fifth of the thread's time.
constexpr int kReadingShare = 5;

// Rounded up: 0 is over.
std::chrono::seconds remaining(Duration then, Duration age) {
  return std::max(std::chrono::seconds(0), std::chrono::ceil<std::chrono::seconds>(then - age));
}

}  // namespace

NatDataplane::NatDataplane(NatWorker& table) : table_(table) {
  auto conntrack = Conntrack::open();
  if (conntrack) {
    conntrack_.emplace(std::move(*conntrack));
  } else {
    trouble_ = conntrack.error().text;
  }
}

Result<void> NatDataplane::apply(const ForwardingTable& desired) {
  table_.set_balanced(desired);
  if (desired == desired_) return {};
  desired_ = desired;
  thorough_ = true;
  current_.reset();  // it judges by what was desired before
  return {};
}

void NatDataplane::begin_pass(TimePoint now) {
  current_.emplace();
  current_->at = now;
  for (const auto& service : desired_.virtual_servers) {
    bool& served = current_->services[service.key];
    for (const auto& server : service.real_servers) {
      const ServerKey key{service.key, server.endpoint};
      const auto position = static_cast<uint32_t>(current_->servers.size());
      current_->index[key] = position;
      Endpoint target = target_of(service.key, server, table_.vips_on_loopback());
      if (is_loopback(target.address)) target.address = {};
      current_->answering[{service.key, target}] = position;
      current_->servers.push_back({key, server.forwardable != Forwardable::no});
      served = served || server.forwardable == Forwardable::yes;
    }
  }
  const bool all = thorough_ || table_.vips_on_loopback();
  const auto scope = all ? Conntrack::Scope::all : Conntrack::Scope::translated;
  thorough_ = false;
  if (const auto begun = conntrack_->begin(scope); !begun) {
    trouble_ = begun.error().text;
    conntrack_.reset();
  }
}

// A real server on a loopback address answers from an address that is known to nobody.
NatDataplane::Server* NatDataplane::find(const ServiceKey& service, const Endpoint& answering) {
  auto found = current_->answering.find({service, answering});
  if (found == current_->answering.end()) {
    found = current_->answering.find({service, {IpAddress(), answering.port}});
  }
  return found == current_->answering.end() ? nullptr : &current_->servers[found->second];
}

// A connection whose real server is gone, and a UDP client's that was let through when nobody could
// serve it, would stay as they are as long as packets come.
void NatDataplane::meet(const TrackedConnection& connection) {
  const ServiceKey service{connection.destination.address, connection.destination.port,
                           connection.protocol};
  const auto known = current_->services.find(service);
  if (known == current_->services.end()) return;
  Server* const server = find(service, connection.answering);
  if (server == nullptr || !server->usable) {
    const bool stale =
        connection.translated || (connection.protocol == Protocol::udp && known->second);
    if (stale) conntrack_->forget(connection);
    return;
  }
  ++(connection.state == TrackedState::established ? server->active : server->inactive);
  current_->connections.push_back({connection.client.address.v4_network_order(),
                                   connection.client.port, connection.state,
                                   static_cast<uint32_t>(server - current_->servers.data()),
                                   static_cast<uint32_t>(connection.expires_in.count())});
}

bool NatDataplane::end_pass() {
  last_ = std::move(*current_);
  current_.reset();
  return true;
}

bool NatDataplane::sweep_step(TimePoint now) {
  if (!current_) {
    read_table(now);
    if (conntrack_) begin_pass(now);
    if (!conntrack_) {
      current_.reset();
      return true;
    }
  }
  const auto deadline = std::chrono::steady_clock::now() + kSweepBudget;
  do {
    const auto ended = conntrack_->step([this](const auto& connection) { meet(connection); });
    if (!ended) {
      trouble_ = ended.error().text;
      current_.reset();  // the next sweep begins anew
      return true;
    }
    if (*ended) return end_pass();
  } while (std::chrono::steady_clock::now() < deadline);
  return false;
}

void NatDataplane::read_table(TimePoint now) {
  if (now < next_reading_) return;
  next_reading_ = TimePoint::max();  // until this one is there
  table_.read([this, alive = std::weak_ptr<bool>(alive_), now](const Result<NatReading>& reading) {
    if (!alive.expired()) took_reading(reading, now);
  });
}

void NatDataplane::took_reading(const Result<NatReading>& reading, TimePoint asked) {
  const TimePoint now = std::chrono::steady_clock::now();
  next_reading_ = std::max(asked + kReadInterval, now + (now - asked) * kReadingShare);
  trouble_ = reading ? "" : reading.error().text;
  if (!reading) return;
  reading_ = *reading;
  reading_at_ = now;
}

RealServerCounters NatDataplane::counters_of(const ServerKey& key) const {
  RealServerCounters result;
  result.endpoint = key.second;
  const auto count = [this](const std::string& name) {
    const auto found = reading_.counters.find(name);
    return found == reading_.counters.end() ? NatReading::Count{} : found->second;
  };
  const auto packets = count(packet_counter(key.first, key.second));
  result.traffic.packets = packets.packets;
  result.traffic.bytes = packets.bytes;
  result.traffic.connections = count(connection_counter(key.first, key.second)).packets;
  const auto clients = reading_.client_sets.find(client_set(key.first, key.second));
  if (clients != reading_.client_sets.end()) result.persistent_clients = clients->second.size();
  const auto index = last_.index.find(key);
  if (index == last_.index.end()) return result;
  result.active_connections = last_.servers[index->second].active;
  result.inactive_connections = last_.servers[index->second].inactive;
  return result;
}

DataplaneCounters NatDataplane::counters() {
  DataplaneCounters result;
  result.flows = last_.connections.size();
  for (const auto& service : desired_.virtual_servers) {
    ServiceCounters& counters = result.services.emplace_back();
    counters.key = service.key;
    const auto unserved = reading_.counters.find(unserved_counter(service.key));
    if (unserved != reading_.counters.end()) {
      counters.unserved = {unserved->second.packets, unserved->second.bytes, 0};
    }
    for (const auto& server : service.real_servers)
      counters.real_servers.push_back(counters_of({service.key, server.endpoint}));
  }
  return result;
}

uint64_t NatDataplane::visit_connections(uint64_t cursor, size_t limit, TimePoint now,
                                         const std::function<void(const Connection&)>& visit) {
  const auto& connections = last_.connections;
  const uint64_t end = std::min<uint64_t>(connections.size(), cursor + limit);
  for (; cursor < end; ++cursor) {
    const Remembered& item = connections[cursor];
    const auto& [service, real_server] = last_.servers[item.server].key;
    visit({.protocol = service.protocol,
           .state = name_of(item.state),
           .expires_in = remaining(std::chrono::seconds(item.expires_in_s), now - last_.at),
           .client = {IpAddress::from_v4(item.client), item.port},
           .virtual_server = {service.address, service.port},
           .real_server = real_server});
  }
  return cursor < connections.size() ? cursor : 0;
}

uint64_t NatDataplane::visit_persistence(
    uint64_t cursor, size_t limit, TimePoint now,
    const std::function<void(const PersistentClient&)>& visit) {
  uint64_t position = 0;  // of the first client of a set
  const uint64_t end = cursor + limit;
  for (const auto& service : desired_.virtual_servers) {
    for (const auto& server : service.real_servers) {
      const auto found = reading_.client_sets.find(client_set(service.key, server.endpoint));
      if (found == reading_.client_sets.end()) continue;
      const auto& clients = found->second;
      for (; cursor < end && cursor - position < clients.size(); ++cursor) {
        const auto& client = clients[cursor - position];
        const auto left = remaining(client.expires_in, now - reading_at_);
        if (left.count() == 0) continue;
        visit({.protocol = service.key.protocol,
               .expires_in = left,
               .live = false,
               .client = client.address,
               .virtual_server = {service.key.address, service.key.port},
               .real_server = server.endpoint});
      }
      if (cursor >= end) return cursor;
      position += clients.size();
    }
  }
  return 0;
}

}  // namespace xlb
