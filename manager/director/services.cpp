#include "director/services.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include "base/log.h"

namespace xlb {
namespace {

// Between the first attempts of two checks, so that a thousand of them do not start in one turn.
constexpr auto kFirstAttemptSpread = std::chrono::milliseconds(1);

std::string check_prefix(const ServiceKey& key, const Endpoint& endpoint) {
  return fmt::format("{} {} ", key, endpoint);
}

}  // namespace

Services::Services(EventLoop& loop, ProbeContext& probes, NextHops& next_hops,
                   std::function<void()> changed, HealthRecord::Verdicts known)
    : loop_(loop),
      probes_(probes),
      next_hops_(next_hops),
      changed_(std::move(changed)),
      known_(std::move(known)) {}

void Services::configure(const std::vector<VirtualServerConfig>& virtual_servers) {
  HealthRecord::Verdicts known = verdicts();
  known.merge(known_);  // our own are the newer ones
  known_ = std::move(known);
  std::vector<VirtualServer> before = std::exchange(virtual_servers_, {});
  std::map<ServiceKey, VirtualServer*> existing;
  for (VirtualServer& service : before)
    existing.emplace(service.config.key, &service);
  TimePoint start = loop_.now();
  std::vector<RealServer> none;
  for (const VirtualServerConfig& config : virtual_servers) {
    const auto found = existing.find(config.key);
    VirtualServer service;
    service.config = config;
    for (const RealServerConfig& real_server : config.real_servers) {
      service.real_servers.push_back(
          take_on(config, real_server, found == existing.end() ? none : found->second->real_servers,
                  start));
    }
    virtual_servers_.push_back(std::move(service));
  }
}

// Moves the real server out of `before` if it is there; `start` moves on with every new check.
Services::RealServer Services::take_on(const VirtualServerConfig& service,
                                       const RealServerConfig& config,
                                       std::vector<RealServer>& before, TimePoint& start) {
  const auto found = std::find_if(before.begin(), before.end(), [&](const RealServer& item) {
    return item.config.endpoint == config.endpoint && item.checks != nullptr;
  });
  RealServer result;
  if (found != before.end()) result = std::move(*found);
  const bool goes_on = result.checks != nullptr && result.config.checks == config.checks;
  result.config = config;
  next_hops_.want(config.endpoint.address);
  if (!goes_on) {
    start_checks(service.key, result, start);
    start += kFirstAttemptSpread;
  }
  return result;
}

void Services::start_checks(const ServiceKey& key, RealServer& real_server, TimePoint start) {
  const Endpoint endpoint = real_server.config.endpoint;
  real_server.checks = std::make_unique<RealServerChecks>(
      loop_, probes_, real_server.config.checks, start,
      [this, key, endpoint](const CheckConfig& check, const ProbeResult& result,
                            bool verdict_changed) {
        if (!verdict_changed) return;
        log::notice("{}: {} of real server {} {}: {}", key, name_of(check.kind), endpoint,
                    result.ok ? "passes" : "fails", result.text);
        changed_();
      });
  real_server.checks->restore(check_prefix(key, endpoint), known_);
}

HealthRecord::Verdicts Services::verdicts() const {
  HealthRecord::Verdicts result;
  for (const VirtualServer& service : virtual_servers_) {
    for (const RealServer& real_server : service.real_servers) {
      real_server.checks->collect(check_prefix(service.config.key, real_server.config.endpoint),
                                  result);
    }
  }
  return result;
}

void Services::check_all_now() {
  for (VirtualServer& service : virtual_servers_) {
    for (RealServer& real_server : service.real_servers)
      real_server.checks->check_now();
  }
}

void Services::judge_one(const VirtualServer& service, RealServer& real_server) {
  const NextHops::Answer answer = next_hops_.find(real_server.config.endpoint.address);
  RealServerFacts& facts = real_server.facts;
  facts.local = answer.local;
  facts.healthy = real_server.checks->healthy();
  facts.health_text = real_server.checks->text();
  facts.lost = answer.lost;
  facts.next_hop = answer.hop;
  facts.next_hop_text = answer.text;
  facts.last_known_mac = answer.last_known_mac;

  const RealServerVerdict before =
      std::exchange(real_server.verdict, judge(real_server.config, facts));
  const bool first = !std::exchange(real_server.judged, true);
  const bool differs = before.availability != real_server.verdict.availability;
  if (!first && differs) {
    log::notice("{}: real server {} is {}: {}", service.config.key, real_server.config.endpoint,
                name_of(real_server.verdict.availability), real_server.verdict.reason);
  }
}

ForwardingTable Services::judge_all(std::span<const MacAddress> directors) {
  ForwardingTable table;
  for (VirtualServer& service : virtual_servers_) {
    std::vector<RealServerFacts> facts;
    for (RealServer& real_server : service.real_servers) {
      judge_one(service, real_server);
      facts.push_back(real_server.facts);
    }
    table.virtual_servers.push_back(desired_forwarding(service.config, facts, directors));
  }
  return table;
}

std::vector<LocalService> Services::local_services() const {
  std::vector<LocalService> result;
  for (const VirtualServer& service : virtual_servers_) {
    for (const RealServer& real_server : service.real_servers) {
      if (!real_server.facts.local) continue;
      result.push_back({service.config.key, real_server.config.endpoint});
      break;  // a second address of this host would only repeat the match
    }
  }
  return result;
}

Status::RealServer Services::status_of(const RealServer& real_server,
                                       const RealServerCounters* counters) const {
  Status::RealServer result;
  result.endpoint = real_server.config.endpoint;
  result.forward = real_server.facts.local ? "Local" : "Route";
  result.weight = real_server.config.weight;
  result.state = name_of(real_server.verdict.availability);
  // The words of a check change with every attempt; only a state needs a judgement.
  const std::string text = real_server.checks->text();
  result.reason = real_server.verdict.availability == Availability::up && !text.empty()
                      ? text
                      : real_server.verdict.reason;
  if (real_server.facts.next_hop) {
    result.mac = real_server.facts.next_hop->destination.to_string();
  }
  if (counters != nullptr) {
    result.active_connections = counters->active_connections;
    result.inactive_connections = counters->inactive_connections;
    result.persistent_clients = counters->persistent_clients;
    result.traffic = counters->traffic;
  }
  result.checks = real_server.checks->status(loop_.now(), std::chrono::system_clock::now());
  return result;
}

std::vector<Status::VirtualServer> Services::status(const DataplaneCounters& counters) const {
  std::vector<Status::VirtualServer> result;
  for (const VirtualServer& service : virtual_servers_) {
    const VirtualServerConfig& config = service.config;
    Status::VirtualServer entry;
    entry.key = config.key;
    entry.scheduler = name_of(config.scheduler);
    entry.forwarding = name_of(config.method);
    if (config.persistence_timeout) {
      entry.persistence_timeout_s = config.persistence_timeout->count();
    }
    const auto counted =
        std::find_if(counters.services.begin(), counters.services.end(),
                     [&](const ServiceCounters& item) { return item.key == config.key; });
    const bool has_counters = counted != counters.services.end();
    if (has_counters) entry.traffic = counted->unserved;
    for (const RealServer& real_server : service.real_servers) {
      const RealServerCounters* numbers = nullptr;
      if (has_counters) {
        const auto found = std::find_if(
            counted->real_servers.begin(), counted->real_servers.end(),
            [&](const auto& item) { return item.endpoint == real_server.config.endpoint; });
        if (found != counted->real_servers.end()) numbers = &*found;
      }
      entry.real_servers.push_back(status_of(real_server, numbers));
      entry.traffic.packets += entry.real_servers.back().traffic.packets;
      entry.traffic.bytes += entry.real_servers.back().traffic.bytes;
      entry.traffic.connections += entry.real_servers.back().traffic.connections;
    }
    const bool any_up = std::any_of(
        service.real_servers.begin(), service.real_servers.end(),
        [](const RealServer& item) { return item.verdict.availability == Availability::up; });
    entry.state = any_up ? "up" : "down";
    result.push_back(std::move(entry));
  }
  return result;
}

}  // namespace xlb
