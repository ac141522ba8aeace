// What virtual routers need of the host's interfaces, whatever their role: a macvlan with the
// virtual MAC address (use_vmac), and the kernel's settings that go with it, with
// promote_secondaries, or with being a virtual router at all.
//
// Clients told by ICMP redirects to go past the virtual router lose it with the host they were sent
// to (RFC 9568 8.1.1): send_redirects 0, which counts only where conf/all has it 0 too. IPv6 has no
// such setting.
//
// A switch sends what is for the virtual MAC address to where it last saw it. So nothing must leave
// by the macvlan of a backup, which the kernel would use for IGMP, MLD and router solicitations.
//
// On a macvlan's lower interface the kernel must not answer or ask for the virtual addresses, or
// neighbours would learn the physical MAC address beside the virtual one (RFC 9568 8.1.2):
// arp_ignore 1 and arp_announce 2. On the macvlan packets arrive whose way back is another
// interface: rp_filter 0, which counts only where conf/all has it 0 too.
#pragma once

#include <string>
#include <vector>

#include "core/config_vrrp.h"
#include "io/netlink.h"
#include "io/network_record.h"
#include "io/sysctl.h"

namespace xlb {

class RouterInterfaces {
 public:
  RouterInterfaces(Netlink& netlink, NetworkRecord& record, SysctlRecord settings)
      : netlink_(netlink), record_(record), settings_(std::move(settings)) {}
  RouterInterfaces(const RouterInterfaces&) = delete;
  RouterInterfaces& operator=(const RouterInterfaces&) = delete;

  // The router's macvlan is there, adopted or made, and everything is set. With one that was made
  // the picture does not know it yet.
  Result<void> prepare(const VrrpInstanceConfig& router);
  // Before a master's first word. A new macvlan is silent.
  Result<void> let_speak(const VrrpInstanceConfig& router);
  // A backup is silent, and must not forward what a switch floods to the virtual MAC address.
  Result<void> set_role(const VrrpInstanceConfig& router, bool master);
  // Removes the macvlans that were made for others than these, and puts settings back when none is
  // left.
  Result<void> keep_only(const std::vector<VrrpInstanceConfig>& routers);

 private:
  Result<void> prepare_macvlan(const VrrpInstanceConfig& router, const VirtualMac& virtual_mac);
  Result<void> lend_link_local(const VrrpInstanceConfig& router, unsigned lower, unsigned macvlan);
  Result<void> set_macvlan(const std::string& name, const std::string& lower);
  Result<void> set_silent(const VrrpInstanceConfig& router, bool silent);
  Result<void> loosen_reverse_path();
  Result<void> stop_redirects(const std::string& interface);
  Result<void> clear_for_all(std::string_view setting);
  Result<void> raise(const std::string& name, int least);

  Netlink& netlink_;
  NetworkRecord& record_;
  SysctlRecord settings_;
};

// The virtual router's MAC address, as configured or of its VRID.
MacAddress mac_of(const VrrpInstanceConfig& router);

}  // namespace xlb
