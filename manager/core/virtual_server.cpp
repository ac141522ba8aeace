#include "core/virtual_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace xlb {

std::string_view name_of(Availability availability) {
  switch (availability) {
    case Availability::up:
      return "up";
    case Availability::draining:
      return "draining";
    case Availability::down:
      return "down";
  }
  return "";
}

int weight_in_force(const RealServerConfig& real_server, const RealServerFacts& facts) {
  return facts.weight.value_or(real_server.weight);
}

RealServerVerdict judge(const RealServerConfig& real_server, const RealServerFacts& facts,
                        Duty duty) {
  const int weight = weight_in_force(real_server, facts);
  const auto down = [weight](std::string reason) {
    return RealServerVerdict{Availability::down, Forwardable::no, weight, std::move(reason)};
  };
  const bool reachable = facts.local || facts.routed || facts.next_hop.has_value();
  if (!facts.lost.empty()) return down(facts.lost);
  if (!facts.healthy && duty != Duty::say_sorry) {
    if (!real_server.inhibit_on_failure || !reachable) return down(facts.health_text);
    return {Availability::down, Forwardable::existing, 0,
            facts.health_text + " (inhibited: keeps its connections)"};
  }
  if (!reachable) return down(facts.next_hop_text);
  if (duty == Duty::say_sorry) {
    return {Availability::up, Forwardable::yes, std::max(weight, 1), "sorry server"};
  }
  if (weight == 0) {
    return {Availability::draining, Forwardable::existing, 0,
            real_server.weight == 0 ? "weight 0: no new connections"
                                    : "weight 0 by its checks: no new connections"};
  }
  if (duty == Duty::stand_back) {
    return {Availability::draining, Forwardable::existing, 0,
            "quorum lost: new connections go to the sorry server"};
  }
  if (facts.overloaded) {
    return {Availability::draining, Forwardable::existing, weight,
            fmt::format("uthreshold {}: no new connections", real_server.upper_threshold)};
  }
  return {Availability::up, Forwardable::yes, weight,
          facts.health_text.empty() ? "no check configured" : facts.health_text};
}

Life life_of(const RealServerFacts& facts) {
  if (!facts.lost.empty()) return Life::dead;
  if (!facts.healthy) return facts.undecided ? Life::undecided : Life::dead;
  const bool reachable =
      facts.local || facts.routed || facts.next_hop.has_value() || facts.resolving;
  return reachable ? Life::live : Life::dead;
}

RealServerConfig sorry_config(const VirtualServerConfig& config) {
  RealServerConfig result;
  result.endpoint = *config.sorry_server;
  result.tunnel = config.sorry_tunnel;
  result.translated = config.sorry_translated;
  return result;
}

Duty duty_of(const VirtualServerConfig& config, const Endpoint& real_server,
             const SorryServer& sorry) {
  if (!sorry.in_use) return Duty::serve;
  return config.sorry_server == real_server ? Duty::say_sorry : Duty::stand_back;
}

bool sorry_is_real_server(const VirtualServerConfig& config) {
  return std::any_of(config.real_servers.begin(), config.real_servers.end(),
                     [&](const auto& item) { return config.sorry_server == item.endpoint; });
}

namespace {

ForwardedRealServer forwarded(const RealServerConfig& real_server, const RealServerFacts& facts,
                              Duty duty) {
  const RealServerVerdict verdict = judge(real_server, facts, duty);
  ForwardedRealServer result;
  result.endpoint = real_server.endpoint;
  result.local = facts.local;
  result.weight = duty == Duty::say_sorry ? verdict.weight : weight_in_force(real_server, facts);
  result.forwardable = verdict.forwardable;
  result.translated = real_server.translated;
  if (!facts.local && !facts.routed && result.forwardable != Forwardable::no)
    result.next_hop = facts.next_hop;
  if (!facts.local && real_server.tunnel) {
    result.tunnel =
        Tunnel{real_server.tunnel->type, real_server.tunnel->port, facts.source, facts.mtu_bytes};
  }
  return result;
}

}  // namespace

Endpoint endpoint_for(const ServiceKey& key, const Endpoint& configured, bool translated) {
  return translated ? configured : Endpoint{configured.address, key.port};
}

ForwardedVirtualServer for_member(ForwardedVirtualServer row, const ServiceKey& key) {
  row.key = key;
  for (ForwardedRealServer& server : row.real_servers)
    server.endpoint = endpoint_for(key, server.endpoint, server.translated);
  return row;
}

ForwardedVirtualServer desired_forwarding(const VirtualServerConfig& config,
                                          std::span<const RealServerFacts> facts,
                                          std::span<const MacAddress> directors,
                                          const SorryServer& sorry) {
  ForwardedVirtualServer result;
  result.key = config.key;
  result.scheduler = config.scheduler;
  result.hash_port = config.hash_port;
  result.one_packet = config.one_packet;
  result.persistence_timeout = config.persistence_timeout;
  result.persistence_prefix = config.persistence_prefix;
  // What a director translated is addressed to a real server: frames for the virtual address are
  // balanced by nobody before.
  result.translated = needs_translation(config);
  if (!result.translated) result.peers.assign(directors.begin(), directors.end());
  const bool serves_here =
      !result.translated &&
      std::any_of(facts.begin(), facts.end(), [](const auto& fact) { return fact.local; });
  for (size_t i = 0; i < config.real_servers.size(); ++i) {
    const RealServerConfig& real_server = config.real_servers[i];
    const RealServerFacts& fact = facts[i];
    result.real_servers.push_back(
        forwarded(real_server, fact, duty_of(config, real_server.endpoint, sorry)));
    if (serves_here && !fact.local && fact.last_known_mac) {
      result.peers.push_back(*fact.last_known_mac);
    }
  }
  if (config.sorry_server && !sorry_is_real_server(config)) {
    ForwardedRealServer entry = forwarded(sorry_config(config), sorry.facts, Duty::say_sorry);
    if (!sorry.in_use && entry.forwardable == Forwardable::yes) {
      entry.forwardable = Forwardable::existing;
    }
    result.real_servers.push_back(entry);
  }
  std::sort(result.peers.begin(), result.peers.end());
  result.peers.erase(std::unique(result.peers.begin(), result.peers.end()), result.peers.end());
  return for_member(std::move(result), config.key);
}

}  // namespace xlb
