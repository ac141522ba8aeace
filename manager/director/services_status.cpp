// What users see of the virtual servers.
#include <algorithm>
#include <chrono>

#include "director/real_server_status.h"
#include "director/services.h"

namespace xlb {

Status::RealServer Services::describe(const RealServer& real_server,
                                      const RealServerCounters* counters) const {
  Status::RealServer result =
      status_of(real_server.config, real_server.facts, real_server.verdict, counters);
  // The words of a check change with every attempt; only a state needs a judgement.
  const std::string text = real_server.checks->text();
  if (real_server.verdict.availability == Availability::up && !text.empty()) result.reason = text;
  result.checks = real_server.checks->status(loop_.now(), std::chrono::system_clock::now());
  return result;
}

Status::VirtualServer Services::describe(const VirtualServer& service, const ServiceKey& key,
                                         const ServiceCounters* numbers) const {
  const VirtualServerConfig& config = service.config;
  Status::VirtualServer entry;
  entry.key = key;
  entry.group = config.group;
  entry.scheduler = name_of(config.scheduler);
  entry.forwarding = name_of(config.method);
  entry.hash_port = config.hash_port;
  entry.one_packet = config.one_packet;
  entry.persistence_prefix =
      std::min<int>(config.persistence_prefix, key.address.is_v4() ? 32 : 128);
  if (config.persistence_timeout) {
    entry.persistence_timeout_s = config.persistence_timeout->count();
  }
  if (numbers != nullptr) entry.traffic = numbers->unserved;
  entry.real_servers.reserve(service.real_servers.size());
  for (const RealServer& real_server : service.real_servers) {
    const size_t position = entry.real_servers.size();
    const Endpoint endpoint =
        endpoint_for(key, real_server.config.endpoint, real_server.config.translated);
    entry.real_servers.push_back(describe(real_server, counters_of(numbers, endpoint, position)));
    Status::RealServer& row = entry.real_servers.back();
    row.endpoint = endpoint;
    entry.traffic.packets += row.traffic.packets;
    entry.traffic.bytes += row.traffic.bytes;
    entry.traffic.connections += row.traffic.connections;
  }
  const bool any_up = std::any_of(
      service.real_servers.begin(), service.real_servers.end(),
      [](const RealServer& item) { return item.verdict.availability == Availability::up; });
  entry.state = any_up ? "up" : "down";
  service.quorum->describe(entry, numbers);
  if (!needs_translation(config)) return entry;
  for (Status::RealServer& row : entry.real_servers)
    say_translated(row);
  if (entry.sorry_server) say_translated(*entry.sorry_server);
  return entry;
}

bool Services::list_some(Listing& listing, const DataplaneCounters& counters, size_t lines) const {
  if (listing.configuration != configuration_) listing = {{}, 0, configuration_};
  size_t added = 0;
  while (listing.next < virtual_servers_.size() && added < lines) {
    loop_.serve_urgent();
    const VirtualServer& service = virtual_servers_[listing.next++];
    for (const ServiceKey& key : keys_of(service.config)) {
      const size_t position = listing.services.size();
      listing.services.push_back(describe(service, key, counters_of(counters, key, position)));
      added += 1 + service.real_servers.size();
    }
  }
  return listing.next < virtual_servers_.size();
}

}  // namespace xlb
