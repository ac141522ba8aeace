#include "core/nat_rules.h"

#include <algorithm>
#include <iterator>
#include <vector>

namespace xlb {
namespace {

// The base chains keep their hook over all changes: only their rules are replaced. Deleting the
// table instead would reset the connections that it translates.
constexpr std::string_view kFrame =
    "add table ip xlb\n"
    "add chain ip xlb prerouting { type nat hook prerouting priority dstnat; policy accept; }\n"
    "add chain ip xlb output { type nat hook output priority -100; policy accept; }\n"
    "add chain ip xlb forward { type filter hook forward priority filter; policy accept; }\n"
    "flush chain ip xlb prerouting\n"
    "flush chain ip xlb output\n"
    "flush chain ip xlb forward\n";

std::string match(const LocalService& local) {
  return fmt::format("ip daddr {} {} dport {} counter", local.service.address,
                     local.service.protocol == Protocol::tcp ? "tcp" : "udp", local.service.port);
}

std::string delivery(std::string_view chain, const LocalService& local) {
  return fmt::format("add rule ip xlb {} {} dnat to {} comment \"{}\"\n", chain, match(local),
                     local.own, local.service);
}

// Connection tracking translates no packet that it holds invalid, such as a late FIN. On a host
// that routes and does not own the VIP such a packet would go back to the director it came from.
std::string no_return(const LocalService& local) {
  return fmt::format("add rule ip xlb forward {} drop comment \"{}\"\n", match(local),
                     local.service);
}

}  // namespace

std::string render_local_delivery(std::span<const LocalService> services) {
  std::vector<LocalService> sorted;
  std::copy_if(services.begin(), services.end(), std::back_inserter(sorted),
               [](const LocalService& local) {
                 return local.service.address.is_v4() && local.own.address.is_v4() &&
                        local.own != Endpoint{local.service.address, local.service.port};
               });
  std::sort(sorted.begin(), sorted.end());
  // One delivery per virtual server: nftables would follow the first rule alone.
  const auto same_service = [](const LocalService& a, const LocalService& b) {
    return a.service == b.service;
  };
  sorted.erase(std::unique(sorted.begin(), sorted.end(), same_service), sorted.end());

  std::string text(kFrame);
  for (const std::string_view chain : {"prerouting", "output"}) {
    for (const LocalService& local : sorted)
      text += delivery(chain, local);
  }
  for (const LocalService& local : sorted)
    text += no_return(local);
  return text;
}

}  // namespace xlb
