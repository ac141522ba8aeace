#include "core/nat_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include "core/nat_balancing.h"

namespace xlb {
namespace {

std::string match(const ServiceKey& service) {
  const std::string address =
      fmt::format("{} daddr {}", nat::word_of(service.address.family()), service.address);
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

// IPv4's table stands while there is anything to balance: it says who balances.
bool balances_any(const NatState& state, AddressFamily family) {
  if (!state.balanced) return false;
  if (family == AddressFamily::ipv4) return true;
  const auto& services = state.balanced->virtual_servers;
  return std::any_of(services.begin(), services.end(),
                     [&](const auto& item) { return item.key.address.family() == family; });
}

std::set<ServiceKey> balanced_keys(const NatState& state) {
  std::set<ServiceKey> result;
  if (!state.balanced) return result;
  for (const auto& item : state.balanced->virtual_servers) {
    result.insert(item.key);
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
    if (service.mark != 0 || service.address.family() != family) continue;
    (service.port != 0 ? keys : any_port).push_back(nat::element_of(service));
  }
  std::string rules;
  if (!keys.empty()) {
    rules += fmt::format("{} daddr . meta l4proto . th dport {{ {} }} counter drop\n",
                         nat::word_of(family), fmt::join(keys, ", "));
  }
  if (!any_port.empty()) {
    rules += fmt::format("{} daddr . meta l4proto {{ {} }} counter drop\n", nat::word_of(family),
                         fmt::join(any_port, ", "));
  }
  return rules;
}

// Neighbour discovery is never refused (RFC 9568 6.1), nor what this host says to itself. Errors
// about the answers of a real server on this host may be addressed to the virtual address.
std::string closing_rules(const NatState& state, AddressFamily family) {
  const std::string_view word = nat::word_of(family);
  std::vector<std::string> addresses;
  std::vector<std::string> open;
  std::vector<std::string> open_any_port;
  for (const ClosedAddress& closed : state.closed) {
    if (closed.address.family() != family) continue;
    addresses.push_back(closed.address.to_string());
    for (const ServiceKey& service : closed.open) {
      if (service.port != 0) {
        open.push_back(nat::element_of(service));
      } else {
        open_any_port.push_back(
            fmt::format("{} . {}", service.address, nat::word_of(service.protocol)));
      }
    }
  }
  if (addresses.empty()) return "";
  std::string rules = "iifname \"lo\" accept\n";
  rules += family == AddressFamily::ipv4
               ? "icmp type { destination-unreachable, time-exceeded, parameter-problem } accept\n"
               : "icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, "
                 "parameter-problem, nd-neighbor-solicit, nd-neighbor-advert } accept\n";
  if (!open.empty()) {
    rules += fmt::format("{} daddr . meta l4proto . th dport {{ {} }} accept\n", word,
                         fmt::join(open, ", "));
  }
  if (!open_any_port.empty()) {
    rules += fmt::format("{} daddr . meta l4proto {{ {} }} accept\n", word,
                         fmt::join(open_any_port, ", "));
  }
  return rules + fmt::format("{} daddr {{ {} }} counter drop\n", word, fmt::join(addresses, ", "));
}

bool takes_marks(const ForwardedVirtualServer& service) {
  return std::none_of(service.real_servers.begin(), service.real_servers.end(),
                      [](const auto& server) { return server.translated; });
}

bool hides_clients(const ForwardedVirtualServer& service) {
  return std::any_of(service.real_servers.begin(), service.real_servers.end(),
                     [](const auto& server) { return !server.translated && !server.local; });
}

}  // namespace

std::vector<std::string> limits_of_nat(const ForwardingTable& balanced, bool without_xdp) {
  std::map<Scheduler, int> substituted;
  std::vector<std::string> result;
  bool one_packet = false;
  for (const ForwardedVirtualServer& service : balanced.virtual_servers) {
    if (!without_xdp && !service.translated) continue;
    if (!without_xdp && hides_clients(service)) {
      result.push_back(
          fmt::format("{}: real servers that are not NAT are reached by translation all the same "
                      "and see this director's address for the client's: {}",
                      service.key,
                      takes_marks(service) ? "XDP sees no firewall marks"
                                           : "another real server of it is NAT"));
    }
    one_packet = one_packet || service.one_packet;
    const AddressFamily family = service.key.address.family();
    for (const ForwardedRealServer& server : service.real_servers) {
      if (server.endpoint.address.family() == family) continue;
      result.push_back(
          fmt::format("{}: real server {} gets nothing: no translation leads from one IP version "
                      "to the other",
                      service.key, server.endpoint));
    }
    if (nat::stands_for(service.scheduler) != name_of(service.scheduler)) {
      ++substituted[service.scheduler];
    }
  }
  for (const auto& [scheduler, count] : substituted) {
    result.push_back(
        fmt::format("by translation scheduler {} ({} virtual server{}) is balanced as {}",
                    name_of(scheduler), count, count == 1 ? "" : "s", nat::stands_for(scheduler)));
  }
  if (one_packet)
    result.emplace_back("by translation `ops` has no effect: UDP clients keep their way");
  return result;
}

NatRuleset render(const NatState& state, AddressFamily family) {
  NatRuleset result;
  result.family = nat::word_of(family);
  const bool balances = balances_any(state, family);
  const std::vector<LocalService> local = deliveries(state, family);
  if (auto closing = closing_rules(state, family); !closing.empty()) {
    result.chains["input"] =
        NatChain{"{ type filter hook input priority filter; policy accept; }", std::move(closing)};
  }
  if (local.empty() && !balances) return result;
  NatChain prerouting{"{ type nat hook prerouting priority dstnat; policy accept; }", ""};
  NatChain output{"{ type nat hook output priority -100; policy accept; }", ""};
  NatChain forward{"{ type filter hook forward priority filter; policy accept; }", ""};
  const std::set<ServiceKey> balanced = balances ? balanced_keys(state) : std::set<ServiceKey>();
  if (balances) nat::render_balancing(state, family, prerouting, output, result);
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
