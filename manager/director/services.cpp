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
constexpr auto kFirstAttemptSpread = std::chrono::microseconds(100);
// Between any two attempts: one costs the loop about as much, and those that begin together time
// out together.
constexpr auto kAttemptSpacing = std::chrono::microseconds(50);

std::string check_prefix(const std::string& service, const Endpoint& endpoint) {
  return fmt::format("{} {} ", service, endpoint);
}

// How the real servers of a virtual server are reached: by the kernel's own routes if it
// translates.
Reach reach_of(const VirtualServerConfig& service, const RealServerConfig& real_server) {
  return needs_translation(service) ? Reach::route : xlb::reach_of(real_server.tunnel);
}

bool limits_connections(const VirtualServerConfig& service) {
  return std::any_of(service.real_servers.begin(), service.real_servers.end(),
                     [](const auto& item) { return item.upper_threshold != 0; });
}

// As IPVS: full at the upper threshold; not full any more below the lower one, or below three
// quarters of the upper.
bool is_overloaded(const RealServerConfig& config, uint64_t connections, bool before) {
  if (config.upper_threshold == 0) return false;
  if (connections >= config.upper_threshold) return true;
  const bool below = config.lower_threshold != 0
                         ? connections < config.lower_threshold
                         : connections * 4 < uint64_t{config.upper_threshold} * 3;
  return before && !below;
}

}  // namespace

Services::Services(EventLoop& loop, ProbeContext& probes, NextHops& next_hops,
                   std::function<void()> changed, QuorumWatch::RunScript run_script,
                   QuorumWatch::Tell tell, HealthRecord::Verdicts known)
    : loop_(loop),
      probes_(probes),
      pacer_(kAttemptSpacing),
      files_(loop, [this](const std::string& path, int64_t number) { file_says(path, number); }),
      next_hops_(next_hops),
      changed_(std::move(changed)),
      run_script_(std::move(run_script)),
      tell_(std::move(tell)),
      known_(std::move(known)) {}

void Services::configure(const std::vector<VirtualServerConfig>& virtual_servers,
                         const FlowTimeouts& timeouts) {
  probes_.forget();
  std::vector<VirtualServer> before = std::exchange(virtual_servers_, {});
  std::vector<ForwardedVirtualServer> rows = std::exchange(table_.virtual_servers, {});
  TimePoint start = loop_.now();
  std::vector<RealServer> none;
  limits_connections_ = false;
  for (const VirtualServerConfig& config : virtual_servers) {
    loop_.serve_urgent();
    limits_connections_ = limits_connections_ || xlb::limits_connections(config);
    const auto found = positions_.find(name_of(config));
    VirtualServer* const existing = found == positions_.end() ? nullptr : &before[found->second];
    const auto first_row = static_cast<uint32_t>(table_.virtual_servers.size());
    table_.virtual_servers.resize(first_row + 1 + config.more_keys.size());
    if (existing != nullptr && existing->config == config) {
      for (size_t i = 0; i <= config.more_keys.size(); ++i) {
        table_.virtual_servers[first_row + i] = std::move(rows[existing->first_row + i]);
      }
      virtual_servers_.push_back(keep(std::move(*existing), config));
      virtual_servers_.back().first_row = first_row;
      continue;
    }
    if (existing != nullptr) collect(*existing, known_);
    VirtualServer service;
    service.config = config;
    service.first_row = first_row;
    for (const RealServerConfig& real_server : config.real_servers) {
      service.real_servers.push_back(
          take_on(config, real_server, existing == nullptr ? none : existing->real_servers, start));
    }
    if (existing != nullptr) {
      service.quorum = std::move(existing->quorum);
      service.quorum->reconfigure(config);
    } else {
      service.quorum = std::make_unique<QuorumWatch>(config, next_hops_, run_script_, tell_);
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
  follow_addresses();
  follow_files();
}

// A check that is new on a file that was followed already hears its number at once.
void Services::follow_files() {
  std::vector<FileCheck> wanted;
  for (const VirtualServer& service : virtual_servers_) {
    for (const RealServer& real_server : service.real_servers) {
      for (const CheckConfig& check : real_server.config.checks) {
        if (const auto* file = std::get_if<FileCheck>(&check.own)) wanted.push_back(*file);
      }
    }
  }
  files_.follow(wanted);
  std::set<std::string> told;
  for (const FileCheck& file : wanted) {
    const auto number = files_.number_in(file.path);
    if (number && told.insert(file.path).second) file_says(file.path, *number);
  }
}

void Services::file_says(const std::string& path, int64_t number) {
  for (const VirtualServer& service : virtual_servers_) {
    for (const RealServer& real_server : service.real_servers)
      real_server.checks->file_says(path, number);
  }
}

// A mark has no address that could be elsewhere.
bool Services::is_here(const VirtualServerConfig& service) const {
  const std::vector<ServiceKey> keys = keys_of(service);
  return std::any_of(keys.begin(), keys.end(), [&](const ServiceKey& key) {
    return key.mark != 0 || next_hops_.is_local(key.address);
  });
}

void Services::follow_addresses() {
  for (VirtualServer& service : virtual_servers_) {
    const bool away = service.config.ha_suspend && !is_here(service.config);
    if (std::exchange(service.suspended, away) != away) {
      log::notice("{}: checks are {}: the address is {} this host's", name_of(service.config),
                  away ? "suspended" : "resumed", away ? "not" : "now");
    }
    for (const RealServer& real_server : service.real_servers)
      real_server.checks->suspend(away);
  }
}

// Nothing of it changed.
Services::VirtualServer Services::keep(VirtualServer&& service, const VirtualServerConfig& config) {
  for (const RealServerConfig& real_server : config.real_servers)
    next_hops_.want(real_server.endpoint.address, reach_of(config, real_server));
  service.quorum->reconfigure(config);
  return std::move(service);
}

void Services::make_index() {
  positions_.clear();
  users_.clear();
  for (uint32_t i = 0; i < virtual_servers_.size(); ++i) {
    const VirtualServer& service = virtual_servers_[i];
    positions_[name_of(service.config)] = i;
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
  next_hops_.want(config.endpoint.address, reach_of(service, config));
  if (goes_on) return result;
  if (result.checks != nullptr) {
    result.checks->reconfigure(config.checks, start);
    result.checks->restore(check_prefix(name_of(service), config.endpoint), known_);
  } else {
    start_checks(name_of(service), result, start);
  }
  start += kFirstAttemptSpread;
  return result;
}

void Services::start_checks(const std::string& service, RealServer& real_server, TimePoint start) {
  const Endpoint endpoint = real_server.config.endpoint;
  real_server.checks = std::make_unique<RealServerChecks>(
      loop_, probes_, pacer_, real_server.config.checks, start,
      [this, service, endpoint](const CheckConfig& check, const ProbeResult& result,
                                RealServerChecks::News news) {
        check_finished(service, endpoint, check, result, news);
      });
  real_server.checks->restore(check_prefix(service, endpoint), known_);
}

void Services::check_finished(const std::string& service, const Endpoint& endpoint,
                              const CheckConfig& check, const ProbeResult& result,
                              RealServerChecks::News news) {
  using News = RealServerChecks::News;
  if (!result.ok && check.log_all_failures && news != News::verdict) {
    log::notice("{}: {} of real server {} failed: {}", service, name_of(check.kind), endpoint,
                result.text);
  }
  if (news == News::none) return;
  verdicts_changed_ = true;
  const auto position = positions_.find(service);
  if (position != positions_.end()) virtual_servers_[position->second].judged = false;
  if (news == News::weight) {
    log::notice("{}: {} of real server {} says: {}", service, name_of(check.kind), endpoint,
                result.text);
    return changed_();
  }
  if (news != News::verdict) return;
  log::notice("{}: {} of real server {} {}: {}", service, name_of(check.kind), endpoint,
              result.ok ? "passes" : "fails", result.text);
  changed_();
}

HealthRecord::Verdicts Services::verdicts() const {
  HealthRecord::Verdicts result;
  for (const VirtualServer& service : virtual_servers_) {
    loop_.serve_urgent();
    collect(service, result);
  }
  return result;
}

void Services::collect(const VirtualServer& service, HealthRecord::Verdicts& verdicts) {
  const std::string name = name_of(service.config);
  for (const RealServer& real_server : service.real_servers) {
    if (real_server.config.checks.empty()) continue;
    real_server.checks->collect(check_prefix(name, real_server.config.endpoint), verdicts);
  }
}

void Services::check_all_now() {
  for (VirtualServer& service : virtual_servers_) {
    for (RealServer& real_server : service.real_servers)
      real_server.checks->check_now();
  }
}

void Services::stop() {
  for (const VirtualServer& service : virtual_servers_) {
    for (const RealServer& real_server : service.real_servers)
      real_server.checks->stop();
    service.quorum->stop();
  }
}

void Services::look_at(const VirtualServer& service, RealServer& real_server) const {
  const NextHops::Answer answer = next_hops_.find(real_server.config.endpoint.address,
                                                  reach_of(service.config, real_server.config));
  RealServerFacts& facts = real_server.facts;
  facts.local = answer.local;
  facts.healthy = real_server.checks->healthy();
  facts.undecided = real_server.checks->undecided();
  facts.health_text = real_server.checks->text();
  facts.weight = real_server.checks->weight(real_server.config.weight);
  facts.lost = answer.lost;
  facts.next_hop = answer.hop;
  facts.next_hop_text = answer.text;
  facts.resolving = answer.resolving;
  facts.routed = needs_translation(service.config) && !answer.source.is_unspecified();
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
    log::notice("{}: real server {} is {}: {}", name_of(service.config),
                real_server.config.endpoint, name_of(real_server.verdict.availability),
                real_server.verdict.reason);
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

void Services::judge(VirtualServer& service) {
  service.judged = true;
  std::vector<RealServerFacts> facts;
  facts.reserve(service.real_servers.size());
  for (RealServer& real_server : service.real_servers) {
    look_at(service, real_server);
    facts.push_back(real_server.facts);
  }
  service.quorum->update(facts);
  for (RealServer& real_server : service.real_servers)
    judge_one(service, real_server);
  service.quorum->announce();
  const auto row = table_.virtual_servers.begin() + service.first_row;
  *row = desired_forwarding(service.config, facts, directors_, service.quorum->sorry());
  for (size_t i = 0; i < service.config.more_keys.size(); ++i) {
    *(row + 1 + static_cast<std::ptrdiff_t>(i)) = for_member(*row, service.config.more_keys[i]);
  }
}

const ForwardingTable& Services::judge_all(std::span<const MacAddress> directors) {
  find_changed(directors);
  for (VirtualServer& service : virtual_servers_) {
    loop_.serve_urgent();
    if (!service.judged) judge(service);
  }
  return table_;
}

void Services::take_loads(const DataplaneCounters& counters) {
  bool changed = false;
  for (VirtualServer& service : virtual_servers_) {
    if (!xlb::limits_connections(service.config)) continue;
    for (size_t i = 0; i < service.real_servers.size(); ++i) {
      RealServer& real_server = service.real_servers[i];
      uint64_t connections = 0;
      for (uint32_t member = 0; member <= service.config.more_keys.size(); ++member) {
        const uint32_t row = service.first_row + member;
        const auto& forwarded = table_.virtual_servers[row];
        if (i >= forwarded.real_servers.size()) continue;  // not judged yet
        const auto* const load = counters_of(counters_of(counters, forwarded.key, row),
                                             forwarded.real_servers[i].endpoint, i);
        if (load == nullptr) continue;
        connections += load->active_connections + load->inactive_connections;
      }
      const bool overloaded =
          is_overloaded(real_server.config, connections, real_server.facts.overloaded);
      if (overloaded == std::exchange(real_server.facts.overloaded, overloaded)) continue;
      service.judged = false;
      changed = true;
    }
  }
  if (changed) changed_();
}

// One each: a second address of this host would only repeat the match. The sorry server's comes
// first while it is in use.
std::vector<LocalService> Services::local_services() const {
  std::vector<LocalService> result;
  for (const VirtualServer& service : virtual_servers_) {
    if (needs_translation(service.config)) continue;
    const auto sorry = service.quorum->local_service();
    const auto own = std::find_if(service.real_servers.begin(), service.real_servers.end(),
                                  [](const RealServer& item) { return item.facts.local; });
    const bool serves_here = own != service.real_servers.end();
    std::optional<LocalService> local;
    if (sorry && (!serves_here || service.quorum->sorry().in_use)) {
      local = *sorry;
    } else if (serves_here) {
      local = {service.config.key, own->config.endpoint};
    }
    if (!local) continue;
    for (const ServiceKey& key : keys_of(service.config)) {
      local->service = key;
      local->own.port = key.port;
      result.push_back(*local);
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

std::vector<Status::VirtualServer> Services::status(const DataplaneCounters& counters) const {
  std::vector<Status::VirtualServer> result;
  for (const VirtualServer& service : virtual_servers_) {
    loop_.serve_urgent();
    for (const ServiceKey& key : keys_of(service.config)) {
      result.push_back(describe(service, key, counters_of(counters, key, result.size())));
    }
  }
  return result;
}

}  // namespace xlb
