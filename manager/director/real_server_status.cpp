#include "director/real_server_status.h"

#include <algorithm>

namespace xlb {

const RealServerCounters* counters_of(const ServiceCounters* service, const Endpoint& real_server,
                                      size_t position) {
  if (service == nullptr) return nullptr;
  const auto& all = service->real_servers;
  if (position < all.size() && all[position].endpoint == real_server) return &all[position];
  const auto found = std::find_if(service->real_servers.begin(), service->real_servers.end(),
                                  [&](const auto& item) { return item.endpoint == real_server; });
  return found == service->real_servers.end() ? nullptr : &*found;
}

const ServiceCounters* counters_of(const DataplaneCounters& counters, const ServiceKey& service,
                                   size_t position) {
  const auto& all = counters.services;
  if (position < all.size() && all[position].key == service) return &all[position];
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const auto& item) { return item.key == service; });
  return found == all.end() ? nullptr : &*found;
}

void say_translated(Status::RealServer& real_server) {
  if (real_server.forward != "Local") real_server.forward = "Masq";
}

Status::RealServer status_of(const RealServerConfig& config, const RealServerFacts& facts,
                             const RealServerVerdict& verdict, const RealServerCounters* counters) {
  Status::RealServer result;
  result.endpoint = config.endpoint;
  result.forward = facts.local ? "Local" : config.tunnel ? "Tunnel" : "Route";
  result.weight = verdict.weight;
  result.configured_weight = config.weight;
  result.state = name_of(verdict.availability);
  result.reason = verdict.reason;
  if (facts.next_hop) result.mac = facts.next_hop->destination.to_string();
  if (counters != nullptr) {
    result.active_connections = counters->active_connections;
    result.inactive_connections = counters->inactive_connections;
    result.persistent_clients = counters->persistent_clients;
    result.traffic = counters->traffic;
  }
  return result;
}

}  // namespace xlb
