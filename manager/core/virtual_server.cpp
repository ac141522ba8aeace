#include "core/virtual_server.h"

#include <algorithm>

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

RealServerVerdict judge(const RealServerConfig& real_server, const RealServerFacts& facts) {
  const auto down = [](std::string reason) {
    return RealServerVerdict{Availability::down, Forwardable::no, std::move(reason)};
  };
  if (!facts.lost.empty()) return down(facts.lost);
  if (!facts.healthy) return down(facts.health_text);
  if (!facts.local && !facts.next_hop) return down(facts.next_hop_text);
  if (real_server.weight == 0) {
    return {Availability::draining, Forwardable::existing, "weight 0: no new connections"};
  }
  return {Availability::up, Forwardable::yes,
          facts.health_text.empty() ? "no check configured" : facts.health_text};
}

ForwardedVirtualServer desired_forwarding(const VirtualServerConfig& config,
                                          std::span<const RealServerFacts> facts,
                                          std::span<const MacAddress> directors) {
  ForwardedVirtualServer result;
  result.key = config.key;
  result.scheduler = config.scheduler;
  result.persistence_timeout = config.persistence_timeout;
  result.peers.assign(directors.begin(), directors.end());
  const bool serves_here =
      std::any_of(facts.begin(), facts.end(), [](const auto& fact) { return fact.local; });
  for (size_t i = 0; i < config.real_servers.size(); ++i) {
    const RealServerConfig& real_server = config.real_servers[i];
    const RealServerFacts& fact = facts[i];
    ForwardedRealServer forwarded;
    forwarded.endpoint = real_server.endpoint;
    forwarded.local = fact.local;
    forwarded.weight = real_server.weight;
    forwarded.forwardable = judge(real_server, fact).forwardable;
    if (!fact.local && forwarded.forwardable != Forwardable::no) forwarded.next_hop = fact.next_hop;
    if (serves_here && !fact.local && fact.last_known_mac) {
      result.peers.push_back(*fact.last_known_mac);
    }
    result.real_servers.push_back(std::move(forwarded));
  }
  std::sort(result.peers.begin(), result.peers.end());
  result.peers.erase(std::unique(result.peers.begin(), result.peers.end()), result.peers.end());
  return result;
}

}  // namespace xlb
