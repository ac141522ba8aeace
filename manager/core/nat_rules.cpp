#include "core/nat_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "core/nat_balancing.h"

namespace xlb {
namespace {

std::string match(const ServiceKey& service) {
  return fmt::format("ip daddr {} {} dport {}", service.address, nat::word_of(service.protocol),
                     service.port);
}

// Sorted, without what needs no translation. One delivery per virtual server: nftables would follow
// the first rule alone.
std::vector<LocalService> deliveries(const NatState& state) {
  std::vector<LocalService> sorted;
  std::copy_if(state.local.begin(), state.local.end(), std::back_inserter(sorted),
               [&state](const LocalService& local) {
                 return !state.vips_on_loopback && local.service.address.is_v4() &&
                        local.own.address.is_v4() &&
                        local.own != Endpoint{local.service.address, local.service.port};
               });
  std::sort(sorted.begin(), sorted.end());
  const auto same_service = [](const LocalService& a, const LocalService& b) {
    return a.service == b.service;
  };
  sorted.erase(std::unique(sorted.begin(), sorted.end(), same_service), sorted.end());
  return sorted;
}

bool is_balanced(const NatState& state, const ServiceKey& service) {
  if (!state.balanced) return false;
  const auto& services = state.balanced->virtual_servers;
  return std::any_of(services.begin(), services.end(),
                     [&](const auto& item) { return item.key == service; });
}

// Connection tracking translates no packet that it holds invalid, such as a late FIN. On a host
// that routes and does not own the VIP such a packet would go back to the director it came from.
std::string no_return(const NatState& state, const std::vector<LocalService>& local) {
  std::set<ServiceKey> services;
  for (const LocalService& item : local)
    services.insert(item.service);
  if (state.balanced) {
    for (const auto& item : state.balanced->virtual_servers) {
      if (item.key.address.is_v4()) services.insert(item.key);
    }
  }
  if (services.empty()) return "";
  std::vector<std::string> keys;
  keys.reserve(services.size());
  for (const ServiceKey& service : services)
    keys.push_back(nat::element_of(service));
  return fmt::format("ip daddr . meta l4proto . th dport {{ {} }} counter drop\n",
                     fmt::join(keys, ", "));
}

}  // namespace

NatRuleset render(const NatState& state) {
  NatRuleset result;
  const std::vector<LocalService> local = deliveries(state);
  if (local.empty() && !state.balanced) return result;
  NatChain prerouting{"{ type nat hook prerouting priority dstnat; policy accept; }", ""};
  NatChain output{"{ type nat hook output priority -100; policy accept; }", ""};
  NatChain forward{"{ type filter hook forward priority filter; policy accept; }", ""};
  if (state.balanced) nat::render_balancing(state, prerouting, output, result);
  for (const LocalService& item : local) {
    if (is_balanced(state, item.service)) continue;
    const std::string rule = fmt::format("{} counter {} comment \"{}\"\n", match(item.service),
                                         nat::translation_to(item.own), item.service);
    prerouting.rules += rule;
    output.rules += rule;
  }
  forward.rules = no_return(state, local);
  result.chains["prerouting"] = std::move(prerouting);
  result.chains["output"] = std::move(output);
  result.chains["forward"] = std::move(forward);
  return result;
}

}  // namespace xlb
