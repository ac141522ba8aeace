#include "core/quorum.h"

#include <algorithm>

namespace xlb {
namespace {

using Kind = QuorumEvent::Kind;

QuorumEvent real_server_event(const RealServerConfig& real_server, bool up, uint64_t weight) {
  return {up ? Kind::real_server_up : Kind::real_server_down, real_server.endpoint,
          up ? real_server.notify_up : real_server.notify_down, weight};
}

}  // namespace

std::vector<QuorumEvent> Quorum::update(std::span<const Life> lives, std::span<const int> weights) {
  std::vector<QuorumEvent> events;
  if (stopped_) return events;
  weight_ = 0;
  for (size_t i = 0; i < lives.size(); ++i) {
    const int weight = weights.empty() ? config_.real_servers[i].weight : weights[i];
    if (lives[i] == Life::live) weight_ += static_cast<uint64_t>(weight);
  }
  for (size_t i = 0; i < lives.size(); ++i)
    update_one(config_.real_servers[i], lives[i], events);

  const uint64_t quorum = config_.quorum;
  const uint64_t lowest = quorum - std::min<uint64_t>(quorum, config_.hysteresis);
  const bool gained = !met_ && weight_ >= quorum + config_.hysteresis;
  const bool lost = met_ && (weight_ == 0 || weight_ < lowest);
  const bool sorry_from_the_start = !started_ && !gained && config_.sorry_server;
  if (gained) set_met(true, events);
  if (lost || sorry_from_the_start) set_met(false, events);
  started_ = true;
  return events;
}

void Quorum::update_one(const RealServerConfig& real_server, Life life,
                        std::vector<QuorumEvent>& events) {
  const auto [known, first] = known_.try_emplace(real_server.endpoint, life);
  const Life before = std::exchange(known->second, life);
  if (life == Life::undecided || (!first && before == life)) return;
  if (first && life == Life::live && !config_.rs_init_notifies) return;
  events.push_back(real_server_event(real_server, life == Life::live, weight_));
}

void Quorum::set_met(bool met, std::vector<QuorumEvent>& events) {
  met_ = met;
  events.push_back({met ? Kind::gained : Kind::lost, std::nullopt,
                    met ? config_.quorum_up : config_.quorum_down, weight_});
}

std::vector<QuorumEvent> Quorum::reconfigure(VirtualServerConfig config) {
  std::vector<QuorumEvent> events;
  for (const RealServerConfig& real_server : config_.real_servers) {
    const bool stays = std::any_of(
        config.real_servers.begin(), config.real_servers.end(),
        [&](const RealServerConfig& other) { return other.endpoint == real_server.endpoint; });
    if (stays) continue;
    const auto known = known_.find(real_server.endpoint);
    if (known == known_.end()) continue;
    const bool lived = known->second == Life::live;
    known_.erase(known);
    if (lived) events.push_back(real_server_event(real_server, false, weight_));
  }
  config_ = std::move(config);
  return events;
}

std::vector<QuorumEvent> Quorum::stop() {
  if (config_.omega) return remove();
  stopped_ = true;
  return {};
}

std::vector<QuorumEvent> Quorum::remove() {
  std::vector<QuorumEvent> events;
  if (std::exchange(stopped_, true)) return events;
  for (const RealServerConfig& real_server : config_.real_servers) {
    const auto known = known_.find(real_server.endpoint);
    if (known == known_.end() || known->second != Life::live) continue;
    events.push_back(real_server_event(real_server, false, 0));
  }
  if (met_) set_met(false, events);
  return events;
}

}  // namespace xlb
