#include "core/nat_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include "core/nat_balancing.h"

namespace xlb {
namespace {

std::string_view word_of(AddressFamily family) {
  return family == AddressFamily::ipv4 ? "ip" : "ip6";
}

std::string match(const ServiceKey& service) {
  const std::string address =
      fmt::format("{} daddr {}", word_of(service.address.family()), service.address);
  const std::string_view protocol = nat::word_of(service.protocol);
  return service.port == 0 ? fmt::format("{} meta l4proto {}", address, protocol)
                           : fmt::format("{} {} dport {}", address, protocol, service.port);
}

// Sorted, those of any port last; without what needs no translation, and what no translation can
// do. One delivery per virtual server: nftables would follow the first rule alone.
std::vector<LocalService> deliveries(const NatState& state, AddressFamily family) {
  std::vector<LocalService> sorted;
  std::copy_if(state.local.begin(), state.local.end(), std::back_inserter(sorted),
               [&](const LocalService& local) {
                 return !state.vips_on_loopback && local.service.address.family() == family &&
                        local.own.address.family() == family &&
                        local.own != Endpoint{local.service.address, local.service.port};
               });
  std::sort(sorted.begin(), sorted.end());
  const auto same_service = [](const LocalService& a, const LocalService& b) {
    return a.service == b.service;
  };
  sorted.erase(std::unique(sorted.begin(), sorted.end(), same_service), sorted.end());
  std::stable_partition(sorted.begin(), sorted.end(),
                        [](const LocalService& local) { return local.service.port != 0; });
  return sorted;
}

std::set<ServiceKey> balanced_keys(const NatState& state) {
  std::set<ServiceKey> result;
  if (!state.balanced) return result;
  for (const auto& item : state.balanced->virtual_servers) {
    if (is_balanced_by_nat(item.key)) result.insert(item.key);
  }
  return result;
}

// Connection tracking translates no packet that it holds invalid, such as a late FIN. On a host
// that routes and does not own the VIP such a packet would go back to the director it came from.
std::string no_return(AddressFamily family, std::set<ServiceKey> services,
                      const std::vector<LocalService>& local) {
  for (const LocalService& item : local)
    services.insert(item.service);
  std::vector<std::string> keys;
  std::vector<std::string> any_port;
  for (const ServiceKey& service : services) {
    if (service.port != 0) {
      keys.push_back(nat::element_of(service));
    } else {
      any_port.push_back(fmt::format("{} . {}", service.address, nat::word_of(service.protocol)));
    }
  }
  std::string rules;
  if (!keys.empty()) {
    rules += fmt::format("{} daddr . meta l4proto . th dport {{ {} }} counter drop\n",
                         word_of(family), fmt::join(keys, ", "));
  }
  if (!any_port.empty()) {
    rules += fmt::format("{} daddr . meta l4proto {{ {} }} counter drop\n", word_of(family),
                         fmt::join(any_port, ", "));
  }
  return rules;
}

}  // namespace

bool is_balanced_by_nat(const ServiceKey& service) {
  return service.address.is_v4() && service.port != 0;
}

std::vector<std::string> limits_of_nat(const ForwardingTable& balanced) {
  std::map<Scheduler, int> substituted;
  std::vector<std::string> result;
  bool one_packet = false;
  for (const ForwardedVirtualServer& service : balanced.virtual_servers) {
    if (!is_balanced_by_nat(service.key)) {
      result.push_back(
          fmt::format("{} is not balanced: without XDP only IPv4 virtual servers on "
                      "one port are",
                      service.key));
      continue;
    }
    one_packet = one_packet || service.one_packet;
    for (const ForwardedRealServer& server : service.real_servers) {
      if (server.endpoint.address.is_v4()) continue;
      result.push_back(
          fmt::format("{}: real server {} gets nothing: without XDP no way leads from "
                      "IPv4 to IPv6",
                      service.key, server.endpoint));
    }
    if (nat::stands_for(service.scheduler) != name_of(service.scheduler)) {
      ++substituted[service.scheduler];
    }
  }
  for (const auto& [scheduler, count] : substituted) {
    result.push_back(fmt::format("without XDP scheduler {} ({} virtual server{}) is balanced as {}",
                                 name_of(scheduler), count, count == 1 ? "" : "s",
                                 nat::stands_for(scheduler)));
  }
  if (one_packet)
    result.emplace_back("without XDP `ops` has no effect: UDP clients keep their way");
  return result;
}

NatRuleset render(const NatState& state, AddressFamily family) {
  NatRuleset result;
  result.family = word_of(family);
  const bool balances = family == AddressFamily::ipv4 && state.balanced.has_value();
  const std::vector<LocalService> local = deliveries(state, family);
  if (local.empty() && !balances) return result;
  NatChain prerouting{"{ type nat hook prerouting priority dstnat; policy accept; }", ""};
  NatChain output{"{ type nat hook output priority -100; policy accept; }", ""};
  NatChain forward{"{ type filter hook forward priority filter; policy accept; }", ""};
  const std::set<ServiceKey> balanced = balances ? balanced_keys(state) : std::set<ServiceKey>();
  if (balances) nat::render_balancing(state, prerouting, output, result);
  for (const LocalService& item : local) {
    if (balanced.contains(item.service)) continue;
    const std::string rule = fmt::format("{} counter {} comment \"{}\"\n", match(item.service),
                                         nat::translation_to(item.own), item.service);
    prerouting.rules += rule;
    output.rules += rule;
  }
  forward.rules = no_return(family, balanced, local);
  result.chains["prerouting"] = std::move(prerouting);
  result.chains["output"] = std::move(output);
  result.chains["forward"] = std::move(forward);
  return result;
}

}  // namespace xlb
