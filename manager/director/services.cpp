#include "director/services.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include "base/log.h"
#include "director/real_server_status.h"

namespace xlb {
namespace {

// Between the first attempts of two checks, so that a thousand of them do not start in one turn.
constexpr auto kFirstAttemptSpread = std::chrono::milliseconds(1);
// Between any two attempts. One costs the loop about a tenth of a millisecond, and those that begin
// together time out together.
constexpr auto kAttemptSpacing = std::chrono::microseconds(250);

std::string check_prefix(const ServiceKey& key, const Endpoint& endpoint) {
  return fmt::format("{} {} ", key, endpoint);
}

}  // namespace

Services::Services(EventLoop& loop, ProbeContext& probes, NextHops& next_hops,
                   std::function<void()> changed, QuorumWatch::RunScript run_script,
                   HealthRecord::Verdicts known)
    : loop_(loop),
      probes_(probes),
      pacer_(kAttemptSpacing),
      next_hops_(next_hops),
      changed_(std::move(changed)),
      run_script_(std::move(run_script)),
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
    if (found != existing.end()) {
      service.quorum = std::move(found->second->quorum);
      service.quorum->reconfigure(config);
    } else {
      service.quorum = std::make_unique<QuorumWatch>(config, next_hops_, run_script_);
    }
    virtual_servers_.push_back(std::move(service));
  }
  for (const VirtualServer& gone : before) {
    if (gone.quorum) gone.quorum->remove();
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
      loop_, probes_, pacer_, real_server.config.checks, start,
      [this, key, endpoint](const CheckConfig& check, const ProbeResult& result,
                            bool verdict_changed) {
        if (!verdict_changed) return;
        verdicts_changed_ = true;
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

void Services::stop() {
  for (const VirtualServer& service : virtual_servers_)
    service.quorum->stop();
}

void Services::look_at(RealServer& real_server) const {
  const NextHops::Answer answer = next_hops_.find(real_server.config.endpoint.address);
  RealServerFacts& facts = real_server.facts;
  facts.local = answer.local;
  facts.healthy = real_server.checks->healthy();
  facts.undecided = real_server.checks->undecided();
  facts.health_text = real_server.checks->text();
  facts.lost = answer.lost;
  facts.next_hop = answer.hop;
  facts.next_hop_text = answer.text;
  facts.resolving = answer.resolving;
  facts.last_known_mac = answer.last_known_mac;
}

void Services::judge_one(const VirtualServer& service, RealServer& real_server) {
  const Duty duty = duty_of(service.config, real_server.config.endpoint, service.quorum->sorry());
  const RealServerVerdict before =
      std::exchange(real_server.verdict, judge(real_server.config, real_server.facts, duty));
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
      look_at(real_server);
      facts.push_back(real_server.facts);
    }
    service.quorum->update(facts);
    for (RealServer& real_server : service.real_servers)
      judge_one(service, real_server);
    service.quorum->announce();
    table.virtual_servers.push_back(
        desired_forwarding(service.config, facts, directors, service.quorum->sorry()));
  }
  return table;
}

// One each: a second address of this host would only repeat the match. The sorry server's comes
// first while it is in use.
std::vector<LocalService> Services::local_services() const {
  std::vector<LocalService> result;
  for (const VirtualServer& service : virtual_servers_) {
    const auto sorry = service.quorum->local_service();
    const auto own = std::find_if(service.real_servers.begin(), service.real_servers.end(),
                                  [](const RealServer& item) { return item.facts.local; });
    const bool serves_here = own != service.real_servers.end();
    if (sorry && (!serves_here || service.quorum->sorry().in_use)) {
      result.push_back(*sorry);
    } else if (serves_here) {
      result.push_back({service.config.key, own->config.endpoint});
    }
  }
  return result;
}

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

std::vector<Status::VirtualServer> Services::status(const DataplaneCounters& counters) const {
  std::vector<Status::VirtualServer> result;
  for (const VirtualServer& service : virtual_servers_) {
    const VirtualServerConfig& config = service.config;
    Status::VirtualServer entry;
    entry.key = config.key;
    entry.scheduler = name_of(config.scheduler);
    entry.forwarding = name_of(config.method);
    entry.hash_port = config.hash_port;
    entry.one_packet = config.one_packet;
    entry.persistence_prefix =
        std::min<int>(config.persistence_prefix, config.key.address.is_v4() ? 32 : 128);
    if (config.persistence_timeout) {
      entry.persistence_timeout_s = config.persistence_timeout->count();
    }
    const auto counted =
        std::find_if(counters.services.begin(), counters.services.end(),
                     [&](const ServiceCounters& item) { return item.key == config.key; });
    const ServiceCounters* numbers = counted == counters.services.end() ? nullptr : &*counted;
    if (numbers != nullptr) entry.traffic = numbers->unserved;
    for (const RealServer& real_server : service.real_servers) {
      const size_t position = entry.real_servers.size();
      entry.real_servers.push_back(
          describe(real_server, counters_of(numbers, real_server.config.endpoint, position)));
      entry.traffic.packets += entry.real_servers.back().traffic.packets;
      entry.traffic.bytes += entry.real_servers.back().traffic.bytes;
      entry.traffic.connections += entry.real_servers.back().traffic.connections;
    }
    const bool any_up = std::any_of(
        service.real_servers.begin(), service.real_servers.end(),
        [](const RealServer& item) { return item.verdict.availability == Availability::up; });
    entry.state = any_up ? "up" : "down";
    service.quorum->describe(entry, numbers);
    result.push_back(std::move(entry));
  }
  return result;
}

}  // namespace xlb
