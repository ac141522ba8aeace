#include "director/quorum_watch.h"

#include <utility>

#include "base/log.h"
#include "director/real_server_status.h"

namespace xlb {

QuorumWatch::QuorumWatch(const VirtualServerConfig& config, NextHops& next_hops, RunScript run,
                         Tell tell)
    : quorum_(config), next_hops_(next_hops), run_(std::move(run)), tell_(std::move(tell)) {
  want_sorry_server();
}

void QuorumWatch::want_sorry_server() {
  const auto& sorry = quorum_.config().sorry_server;
  if (sorry) next_hops_.want(sorry->address, reach_of_sorry_server());
}

Reach QuorumWatch::reach_of_sorry_server() const {
  const VirtualServerConfig& config = quorum_.config();
  return needs_translation(config) ? Reach::route : reach_of(config.sorry_tunnel);
}

void QuorumWatch::reconfigure(const VirtualServerConfig& config) {
  carry_out(quorum_.reconfigure(config));
  want_sorry_server();
}

void QuorumWatch::remove() {
  carry_out(quorum_.remove());
}

void QuorumWatch::stop() {
  carry_out(quorum_.stop());
}

void QuorumWatch::update(std::span<const RealServerFacts> facts) {
  std::vector<Life> lives;
  std::vector<int> weights;
  const auto& real_servers = quorum_.config().real_servers;
  for (size_t i = 0; i < facts.size(); ++i) {
    lives.push_back(life_of(facts[i]));
    weights.push_back(weight_in_force(real_servers[i], facts[i]));
  }
  unannounced_ = quorum_.update(lives, weights);
  sorry_.in_use = quorum_.sorry();
  look_at_sorry_server();
}

void QuorumWatch::announce() {
  carry_out(std::exchange(unannounced_, {}));
}

void QuorumWatch::look_at_sorry_server() {
  const VirtualServerConfig& config = quorum_.config();
  sorry_.facts = {};
  if (!config.sorry_server) return;
  const NextHops::Answer answer =
      next_hops_.find(config.sorry_server->address, reach_of_sorry_server());
  sorry_.facts.local = answer.local;
  sorry_.facts.lost = answer.lost;
  sorry_.facts.next_hop = answer.hop;
  sorry_.facts.next_hop_text = answer.text;
  sorry_.facts.resolving = answer.resolving;
  sorry_.facts.routed = needs_translation(config) && !answer.source.is_unspecified();
  sorry_.facts.source = answer.source;
  sorry_.facts.mtu_bytes = answer.mtu_bytes;
  const bool dead = life_of(sorry_.facts) == Life::dead;
  const std::string trouble =
      !sorry_.in_use || !dead ? "" : (answer.lost.empty() ? answer.text : answer.lost);
  if (!trouble.empty() && trouble != sorry_trouble_) {
    log::warning("{}: the sorry server {} gets nothing: {}", name_of(config), *config.sorry_server,
                 trouble);
  }
  sorry_trouble_ = trouble;
}

void QuorumWatch::carry_out(const std::vector<QuorumEvent>& events) const {
  for (const QuorumEvent& event : events) {
    log_change(event);
    if (tell_) tell_(quorum_.config().key, event);
    if (event.script) run_(name_of(quorum_.config()), *event.script);
  }
}

// Of a real server's state the judgement's change is logged already.
void QuorumWatch::log_change(const QuorumEvent& event) const {
  if (event.real_server) return;
  const VirtualServerConfig& config = quorum_.config();
  const std::string sorry =
      config.sorry_server && sorry_.in_use
          ? fmt::format("; new connections go to the sorry server {}", *config.sorry_server)
          : "";
  log::notice("{}: quorum {}: weight {}, quorum {}, hysteresis {}{}", name_of(config),
              event.kind == QuorumEvent::Kind::gained ? "gained" : "lost", event.weight,
              config.quorum, config.hysteresis, sorry);
}

std::optional<LocalService> QuorumWatch::local_service() const {
  const VirtualServerConfig& config = quorum_.config();
  if (!config.sorry_server || !sorry_.facts.local) return std::nullopt;
  return LocalService{config.key, *config.sorry_server};
}

void QuorumWatch::describe(Status::VirtualServer& status, const ServiceCounters* counters) const {
  const VirtualServerConfig& config = quorum_.config();
  status.quorum = {config.quorum, config.hysteresis, quorum_.weight(), quorum_.met()};
  if (!config.sorry_server) return;
  RealServerConfig as_real_server = sorry_config(config);
  as_real_server.endpoint =
      endpoint_for(status.key, as_real_server.endpoint, as_real_server.translated);
  const RealServerVerdict verdict = judge(as_real_server, sorry_.facts, Duty::say_sorry);
  if (sorry_.in_use && verdict.forwardable == Forwardable::yes) status.state = "sorry";
  if (sorry_is_real_server(config)) return;  // it has its row, and its traffic is counted
  Status::RealServer row =
      status_of(as_real_server, sorry_.facts, verdict,
                counters_of(counters, as_real_server.endpoint, config.real_servers.size()));
  status.traffic.packets += row.traffic.packets;
  status.traffic.bytes += row.traffic.bytes;
  status.traffic.connections += row.traffic.connections;
  if (sorry_.in_use) status.sorry_server = std::move(row);
}

}  // namespace xlb
