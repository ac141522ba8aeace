#include "director/services.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
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

void Services::configure(const std::vector<VirtualServerConfig>& virtual_servers,
                         const FlowTimeouts& timeouts) {
  std::vector<VirtualServer> before = std::exchange(virtual_servers_, {});
  std::vector<ForwardedVirtualServer> rows = std::exchange(table_.virtual_servers, {});
  TimePoint start = loop_.now();
  std::vector<RealServer> none;
  for (const VirtualServerConfig& config : virtual_servers) {
    const auto found = positions_.find(config.key);
    VirtualServer* const existing = found == positions_.end() ? nullptr : &before[found->second];
    ForwardedVirtualServer& row = table_.virtual_servers.emplace_back();
    if (existing != nullptr && existing->config == config) {
      row = std::move(rows[found->second]);
      virtual_servers_.push_back(keep(std::move(*existing), config));
      continue;
    }
    if (existing != nullptr) collect(*existing, known_);
    VirtualServer service;
    service.config = config;
    for (const RealServerConfig& real_server : config.real_servers) {
      service.real_servers.push_back(
          take_on(config, real_server, existing == nullptr ? none : existing->real_servers, start));
    }
    if (existing != nullptr) {
      service.quorum = std::move(existing->quorum);
      service.quorum->reconfigure(config);
    } else {
      service.quorum = std::make_unique<QuorumWatch>(config, next_hops_, run_script_);
    }
    virtual_servers_.push_back(std::move(service));
  }
  for (const VirtualServer& gone : before) {
    if (!gone.quorum) continue;
    collect(gone, known_);
    gone.quorum->remove();
  }
  table_.timeouts = timeouts;
  make_index();
}

// Nothing of it changed.
Services::VirtualServer Services::keep(VirtualServer&& service, const VirtualServerConfig& config) {
  for (const RealServerConfig& real_server : config.real_servers)
    next_hops_.want(real_server.endpoint.address, reach_of(real_server.tunnel));
  service.quorum->reconfigure(config);
  return std::move(service);
}

void Services::make_index() {
  positions_.clear();
  users_.clear();
  for (uint32_t i = 0; i < virtual_servers_.size(); ++i) {
    const VirtualServer& service = virtual_servers_[i];
    positions_[service.config.key] = i;
    std::set<IpAddress> addresses;
    for (const RealServer& real_server : service.real_servers)
      addresses.insert(real_server.config.endpoint.address);
    if (service.config.sorry_server) addresses.insert(service.config.sorry_server->address);
    for (const IpAddress& address : addresses)
      users_[address].push_back(i);
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
  next_hops_.want(config.endpoint.address, reach_of(config.tunnel));
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
                            RealServerChecks::News news) {
        check_finished(key, endpoint, check, result, news);
      });
  real_server.checks->restore(check_prefix(key, endpoint), known_);
}

void Services::check_finished(const ServiceKey& key, const Endpoint& endpoint,
                              const CheckConfig& check, const ProbeResult& result,
                              RealServerChecks::News news) {
  if (news == RealServerChecks::News::none) return;
  verdicts_changed_ = true;
  const auto position = positions_.find(key);
  if (position != positions_.end()) virtual_servers_[position->second].judged = false;
  if (news != RealServerChecks::News::verdict) return;
  log::notice("{}: {} of real server {} {}: {}", key, name_of(check.kind), endpoint,
              result.ok ? "passes" : "fails", result.text);
  changed_();
}

HealthRecord::Verdicts Services::verdicts() const {
  HealthRecord::Verdicts result;
  for (const VirtualServer& service : virtual_servers_)
    collect(service, result);
  return result;
}

void Services::collect(const VirtualServer& service, HealthRecord::Verdicts& verdicts) {
  for (const RealServer& real_server : service.real_servers) {
    if (real_server.config.checks.empty()) continue;
    real_server.checks->collect(check_prefix(service.config.key, real_server.config.endpoint),
                                verdicts);
  }
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
  const NextHops::Answer answer =
      next_hops_.find(real_server.config.endpoint.address, reach_of(real_server.config.tunnel));
  RealServerFacts& facts = real_server.facts;
  facts.local = answer.local;
  facts.healthy = real_server.checks->healthy();
  facts.undecided = real_server.checks->undecided();
  facts.health_text = real_server.checks->text();
  facts.lost = answer.lost;
  facts.next_hop = answer.hop;
  facts.next_hop_text = answer.text;
  facts.resolving = answer.resolving;
  facts.source = answer.source;
  facts.mtu_bytes = answer.mtu_bytes;
  facts.last_known_mac = answer.last_known_mac;
}

void Services::judge_one(const VirtualServer& service, RealServer& real_server) {
  const Duty duty = duty_of(service.config, real_server.config.endpoint, service.quorum->sorry());
  const RealServerVerdict before =
      std::exchange(real_server.verdict, xlb::judge(real_server.config, real_server.facts, duty));
  const bool first = !std::exchange(real_server.judged, true);
  const bool differs = before.availability != real_server.verdict.availability;
  if (!first && differs) {
    log::notice("{}: real server {} is {}: {}", service.config.key, real_server.config.endpoint,
                name_of(real_server.verdict.availability), real_server.verdict.reason);
  }
}

void Services::find_changed(std::span<const MacAddress> directors) {
  const NextHops::Changed changed = next_hops_.take_changed();
  const bool same_directors =
      std::equal(directors.begin(), directors.end(), directors_.begin(), directors_.end());
  if (changed.all || !same_directors) {
    directors_.assign(directors.begin(), directors.end());
    for (VirtualServer& service : virtual_servers_)
      service.judged = false;
    return;
  }
  for (const IpAddress& address : changed.addresses) {
    const auto users = users_.find(address);
    if (users == users_.end()) continue;
    for (const uint32_t position : users->second)
      virtual_servers_[position].judged = false;
  }
}

void Services::judge(VirtualServer& service, ForwardedVirtualServer& forwarded) {
  service.judged = true;
  std::vector<RealServerFacts> facts;
  facts.reserve(service.real_servers.size());
  for (RealServer& real_server : service.real_servers) {
    look_at(real_server);
    facts.push_back(real_server.facts);
  }
  service.quorum->update(facts);
  for (RealServer& real_server : service.real_servers)
    judge_one(service, real_server);
  service.quorum->announce();
  forwarded = desired_forwarding(service.config, facts, directors_, service.quorum->sorry());
}

const ForwardingTable& Services::judge_all(std::span<const MacAddress> directors) {
  find_changed(directors);
  for (size_t i = 0; i < virtual_servers_.size(); ++i) {
    if (!virtual_servers_[i].judged) judge(virtual_servers_[i], table_.virtual_servers[i]);
  }
  return table_;
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
    const ServiceCounters* const numbers = counters_of(counters, config.key, result.size());
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
