// What is made of what is known of the real servers: who is up, and what is forwarded where.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "director/services.h"

namespace xlb {

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

}  // namespace xlb
