// XdpDataplane: what it tells. Numbers of the tables become addresses again.
#include <xlb/hash.h>

#include "io/abi_encode.h"
#include "io/counter_map.h"
#include "io/xdp_dataplane.h"

namespace xlb {
namespace {

Traffic decode(const xlb_traffic& traffic) {
  return {.packets = traffic.packets, .bytes = traffic.bytes, .connections = traffic.connections};
}

// A count that somebody died changing may be below 0 by one.
uint64_t connections(uint64_t count) {
  return static_cast<int64_t>(count) < 0 ? 0 : count;
}

std::chrono::seconds remaining(uint32_t timeout_s, uint64_t value, uint32_t now_s) {
  const uint32_t age_s = xlb_age(now_s, XLB_FLOW_SECOND(value));
  return std::chrono::seconds(timeout_s > age_s ? timeout_s - age_s : 0);
}

}  // namespace

DataplaneCounters XdpDataplane::counters() {
  const auto traffic = read_counters<xlb_traffic>(program_.map("xlb_traffic"), tables_.index_end());
  const auto unserved = read_counters<xlb_traffic>(program_.map("xlb_unserved"), tables_.id_end());
  const auto verdicts = read_counters<uint64_t>(program_.map("xlb_verdicts"), XLB_VERDICTS);
  const auto& counts = flows_.counts();
  const auto loads = tables_.loads();
  DataplaneCounters result;
  result.flows = counts.flows;
  for (const auto& service : applied_.virtual_servers) {
    pause_();
    ServiceCounters counters;
    counters.key = service.key;
    counters.unserved = decode(unserved[tables_.id_of(service.key)]);
    for (const auto& server : service.real_servers) {
      const uint32_t index = tables_.index_of(service.key, server.endpoint);
      RealServerCounters& own = counters.real_servers.emplace_back();
      own.endpoint = server.endpoint;
      own.traffic = decode(traffic[index]);
      own.active_connections = connections(loads[index].active);
      own.inactive_connections = connections(loads[index].inactive);
      if (index >= counts.real_servers.size()) continue;
      own.persistent_clients = counts.real_servers[index].clients;
    }
    result.services.push_back(std::move(counters));
  }
  for (uint32_t verdict = 0; verdict < XLB_VERDICTS; ++verdict) {
    result.drops.push_back({std::string(verdict_name(verdict)), verdicts[verdict]});
  }
  return result;
}

uint64_t XdpDataplane::visit_connections(uint64_t cursor, size_t limit, TimePoint now,
                                         const std::function<void(const Connection&)>& visit) {
  const uint32_t now_s = xlb_clock(now);
  const auto& rules = tables_.rules();
  const auto show = [&](const xlb_flow& flow, const xlb_client_address& noted) {
    const uint16_t id = service_of(flow.key);
    const ServiceKey* const service = tables_.service(id);
    const uint32_t index = XLB_FLOW_REAL_SERVER(flow.value);
    if (service == nullptr || index >= tables_.index_end()) return;  // removed; not yet swept
    const uint32_t state = XLB_FLOW_STATE(flow.value);
    visit(
        {.protocol = service->protocol,
         .state = flow_state_name(state),
         .expires_in = remaining(rules.flow_timeout_s[state % XLB_FLOW_STATES], flow.value, now_s),
         .client = rules.services[id].hashed() ? client_of(noted, service->address.family())
                                               : client_of(flow.key),
         .virtual_server = {service->address, service->port},
         .real_server = tables_.real_server(index)});
  };
  return flows_.visit_flows(cursor, limit, now_s, rules, show);
}

uint64_t XdpDataplane::visit_persistence(
    uint64_t cursor, size_t limit, TimePoint now,
    const std::function<void(const PersistentClient&)>& visit) {
  const uint32_t now_s = xlb_clock(now);
  const auto& rules = tables_.rules();
  const auto show = [&](const xlb_client& client, const xlb_client_address& noted) {
    const uint16_t id = service_of(client.key);
    const ServiceKey* const service = tables_.service(id);
    const uint32_t index = XLB_FLOW_REAL_SERVER(client.value);
    if (service == nullptr || index >= tables_.index_end()) return;
    const auto& own = rules.services[id];
    visit({.protocol = service->protocol,
           .expires_in = remaining(own.persistence_timeout_s, client.value, now_s),
           .live = xlb_client_live(client.live, now_s) != 0,
           .client =
               (own.ipv6 ? client_of(noted, AddressFamily::ipv6) : client_of(client.key)).address,
           .virtual_server = {service->address, service->port},
           .real_server = tables_.real_server(index)});
  };
  return flows_.visit_clients(cursor, limit, now_s, rules, show);
}

}  // namespace xlb
