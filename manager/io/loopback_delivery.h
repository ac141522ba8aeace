// Local delivery without address translation: the VIPs of this host's own real servers on the
// loopback interface, and the client-facing interfaces kept from answering ARP for them. An
// interface answers for the VIP again while VRRP has put it there too; the kernel keeps both
// addresses apart.
//
// What it changed is remembered in the run directory, so that it can be put back after a crash. An
// address that was on the loopback interface before is used and left.
#pragma once

#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "core/nat_rules.h"
#include "io/address_record.h"
#include "io/netlink.h"
#include "io/sysctl.h"

namespace xlb {

// A kernel setting: the greater of the interface's value and that of "all" is in force.
struct ArpSetting {
  const char* name;
  int value;
};
inline constexpr ArpSetting kQuietArp[] = {
    {"arp_ignore", 1},    // answers only for addresses of the interface that was asked
    {"arp_announce", 2},  // asks with an address of the interface that asks, never with a VIP
};

// Whether an interface that has `own` beside `all` must be changed to have `wanted` in force.
[[nodiscard]] constexpr bool needs_change(int all, int own, int wanted) {
  return all < wanted && own < wanted;
}

class LoopbackDelivery {
 public:
  LoopbackDelivery(Netlink& netlink, const std::string& run_directory);

  // Makes exactly `services` be delivered, and `interfaces` (those that exist) be quiet, whatever
  // was there before. Returns what an earlier call had done and somebody has undone since, in words
  // for the log; it is done again.
  Result<std::vector<std::string>> apply(std::span<const LocalService> services,
                                         std::span<const std::string> interfaces);
  // Takes away all that any run did.
  Result<void> remove();

 private:
  Result<void> quieten(const std::string& interface, std::vector<std::string>& repaired);
  Result<void> put(unsigned loopback, const IpAddress& address, std::vector<std::string>& repaired);
  Result<void> take_away_all_but(const std::set<IpAddress>& addresses);
  Result<void> restore_all_but(std::span<const std::string> interfaces);
  [[nodiscard]] std::optional<unsigned> loopback() const;

  Netlink& netlink_;
  AddressRecord addresses_;
  SysctlRecord settings_;
  std::set<std::string> done_;  // in this run: addresses and settings, as text
};

}  // namespace xlb
