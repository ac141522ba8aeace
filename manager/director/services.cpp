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
  ++configuration_;
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
    service.real_servers.reserve(config.real_servers.size());
    for (const RealServerConfig& real_server : config.real_servers) {
      loop_.serve_urgent();  // a real server that is new may need a route from the kernel
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
    if (existing != nullptr) *existing = VirtualServer();  // ten thousand together take long
  }
  for (const VirtualServer& gone : before) {
    if (!gone.quorum) continue;
    loop_.serve_urgent();
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
    loop_.serve_urgent();
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
    loop_.serve_urgent();
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
  for (auto item = users_.begin(); item != users_.end(); item = users_.erase(item))
    loop_.serve_urgent();
  for (uint32_t i = 0; i < virtual_servers_.size(); ++i) {
    loop_.serve_urgent();
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
    loop_.serve_urgent();
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

}  // namespace xlb
