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
  if (desired == desired_ && table_.vips_on_loopback() == vips_on_loopback_) return {};
  desired_ = desired;
  vips_on_loopback_ = table_.vips_on_loopback();
  layout_ = std::make_shared<const NatLayout>(desired_, vips_on_loopback_);
  thorough_ = true;
  current_.reset();  // it judges by what was desired before
  return {};
}

void NatDataplane::end() {
  table_.set_balanced(std::nullopt);
  desired_ = {};
  layout_ = std::make_shared<const NatLayout>();
  current_.reset();
  last_ = {};
  reading_ = nullptr;
}

void NatDataplane::begin_pass(TimePoint now) {
  current_.emplace();
  current_->at = now;
  current_->layout = layout_;
  current_->counts.resize(layout_->servers().size());
  const bool all = thorough_ || vips_on_loopback_;
  const auto scope = all ? Conntrack::Scope::all : Conntrack::Scope::translated;
  thorough_ = false;
  if (const auto begun = conntrack_->begin(scope); !begun) {
    trouble_ = begun.error().text;
    conntrack_.reset();
  }
}

// A connection whose real server is gone, and a UDP client's that was let through when nobody could
// serve it, would stay as they are as long as packets come.
void NatDataplane::meet(const TrackedConnection& connection) {
  const ServiceKey key{connection.destination.address, connection.destination.port,
                       connection.protocol};
  const NatLayout::Service* const service = layout_->service(key);
  auto position =
      service == nullptr ? std::nullopt : layout_->answering(service->key, connection.answering);
  if (!position && connection.translated) {
    position = layout_->answering_marked(connection.answering);
  }
  if (!position || !layout_->servers()[*position].usable) {
    if (service != nullptr || position) forget_stale(connection, service);
    return;
  }
  Count& count = current_->counts[*position];
  ++(connection.state == TrackedState::established ? count.active : count.inactive);
  current_->connections.push_back({connection.client.address, connection.client.port,
                                   connection.destination, connection.state, *position,
                                   static_cast<uint32_t>(connection.expires_in.count())});
}

void NatDataplane::forget_stale(const TrackedConnection& connection,
                                const NatLayout::Service* service) {
  const bool stale = connection.translated || (connection.protocol == Protocol::udp &&
                                               service != nullptr && service->served);
  if (stale) conntrack_->forget(connection);
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
  table_.read([this, alive = std::weak_ptr<bool>(alive_), now](const NatWorker::Reading& reading) {
    if (!alive.expired()) took_reading(reading, now);
  });
}

void NatDataplane::took_reading(const NatWorker::Reading& reading, TimePoint asked) {
  const TimePoint now = std::chrono::steady_clock::now();
  next_reading_ = std::max(asked + kReadInterval, now + (now - asked) * kReadingShare);
  trouble_ = *reading ? "" : reading->error().text;
  if (!*reading) return;
  reading_ = reading;
  reading_at_ = now;
}

NatReading::Count NatDataplane::counted(const std::string& counter) const {
  if (reading_ == nullptr) return {};
  const auto found = (*reading_)->counters.find(counter);
  return found == (*reading_)->counters.end() ? NatReading::Count{} : found->second;
}

const std::vector<NatReading::Client>& NatDataplane::clients_in(const std::string& set) const {
  static const std::vector<NatReading::Client> kNobody;
  if (reading_ == nullptr) return kNobody;
  const auto found = (*reading_)->client_sets.find(set);
  return found == (*reading_)->client_sets.end() ? kNobody : found->second;
}

RealServerCounters NatDataplane::counters_of(const NatLayout::Server& server) const {
  RealServerCounters result;
  result.endpoint = server.endpoint;
  const NatReading::Count packets = counted(server.packet_counter);
  result.traffic = {packets.packets, packets.bytes, counted(server.connection_counter).packets};
  result.persistent_clients = clients_in(server.client_set).size();
  if (last_.layout == nullptr) return result;
  const auto position = last_.layout->position(server.service, server.endpoint);
  if (!position) return result;
  result.active_connections = last_.counts[*position].active;
  result.inactive_connections = last_.counts[*position].inactive;
  return result;
}

DataplaneCounters NatDataplane::counters() {
  DataplaneCounters result;
  result.flows = last_.connections.size();
  for (const auto& service : layout_->services()) {
    ServiceCounters& counters = result.services.emplace_back();
    counters.key = service.key;
    const NatReading::Count unserved = counted(service.unserved_counter);
    counters.unserved = {unserved.packets, unserved.bytes, 0};
    for (uint32_t position = service.first; position < service.end; ++position)
      counters.real_servers.push_back(counters_of(layout_->servers()[position]));
  }
  return result;
}

// Connection tracking and nftables share their memory with others and bound it elsewhere.
std::vector<Status::Table> NatDataplane::tables() {
  uint64_t clients = 0;
  if (reading_ != nullptr) {
    for (const auto& [name, members] : (*reading_)->client_sets)
      clients += members.size();
  }
  return {{"flows", last_.connections.size(), {}, {}},
          {"persistence", clients, {}, {}},
          {"virtual_servers", layout_->services().size(), {}, {}},
          {"real_servers", layout_->servers().size(), {}, {}}};
}

uint64_t NatDataplane::visit_connections(uint64_t cursor, size_t limit, TimePoint now,
                                         const std::function<void(const Connection&)>& visit) {
  const auto& connections = last_.connections;
  const uint64_t end = std::min<uint64_t>(connections.size(), cursor + limit);
  for (; cursor < end; ++cursor) {
    const Remembered& item = connections[cursor];
    const NatLayout::Server& server = last_.layout->servers()[item.server];
    visit({.protocol = item.state == TrackedState::udp ? Protocol::udp : Protocol::tcp,
           .state = name_of(item.state),
           .expires_in = remaining(std::chrono::seconds(item.expires_in_s), now - last_.at),
           .client = {item.client, item.port},
           .virtual_server = item.addressed,
           .real_server = server.endpoint});
  }
  return cursor < connections.size() ? cursor : 0;
}

uint64_t NatDataplane::visit_persistence(
    uint64_t cursor, size_t limit, TimePoint now,
    const std::function<void(const PersistentClient&)>& visit) {
  uint64_t position = 0;  // of the first client of a set
  const uint64_t end = cursor + limit;
  for (const NatLayout::Server& server : layout_->servers()) {
    const auto& clients = clients_in(server.client_set);
    for (; cursor < end && cursor - position < clients.size(); ++cursor) {
      const auto& client = clients[cursor - position];
      const auto left = remaining(client.expires_in, now - reading_at_);
      if (left.count() == 0) continue;
      visit({.protocol = server.service.protocol,
             .expires_in = left,
             .live = false,
             .client = client.address,
             .virtual_server = {server.service.address, server.service.port},
             .real_server = server.endpoint});
    }
    if (cursor >= end) return cursor;
    position += clients.size();
  }
  return 0;
}

}  // namespace xlb
