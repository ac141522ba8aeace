#include "director/router_interfaces.h"

#include <algorithm>
#include <cerrno>
#include <set>

namespace xlb {
namespace {

constexpr std::string_view kMacvlan = "macvlan ";
constexpr const char* kReversePathOfAll = "net/ipv4/conf/all/rp_filter";

std::string ipv4_setting(const std::string& interface, std::string_view name) {
  return fmt::format("net/ipv4/conf/{}/{}", interface, name);
}

std::string ipv6_setting(const std::string& interface, std::string_view name) {
  return fmt::format("net/ipv6/conf/{}/{}", interface, name);
}

AddressFamily family_of(const VrrpInstanceConfig& router) {
  if (router.virtual_addresses.empty()) return AddressFamily::ipv4;
  return router.virtual_addresses.front().address.address.family();
}

// An interface that is gone has no settings.
Result<void> unless_gone(const Result<void>& result) {
  if (!result && result.error().code == ENOENT) return {};
  return result;
}

}  // namespace

MacAddress mac_of(const VrrpInstanceConfig& router) {
  if (router.virtual_mac && router.virtual_mac->mac) return *router.virtual_mac->mac;
  return virtual_router_mac(family_of(router), router.virtual_router_id);
}

Result<void> RouterInterfaces::prepare(const VrrpInstanceConfig& router) {
  if (router.virtual_mac) {
    if (auto made = prepare_macvlan(router, *router.virtual_mac); !made) return made;
  }
  if (!router.promote_secondaries) return {};
  return unless_gone(raise(ipv4_setting(router.interface, "promote_secondaries"), 1));
}

Result<void> RouterInterfaces::prepare_macvlan(const VrrpInstanceConfig& router,
                                               const VirtualMac& virtual_mac) {
  const std::string& name = virtual_mac.interface;
  const auto lower = netlink_.link(router.interface);
  if (!lower) return fail("interface {} does not exist", router.interface);
  const MacAddress mac = mac_of(router);
  if (const auto present = netlink_.link(name)) {
    if (!present->macvlan) {
      return fail("cannot make {} for use_vmac: there is an interface of that name", name);
    }
    if (present->mac == mac && present->lower == lower->index) return {};
    if (auto removed = netlink_.remove_link(present->index); !removed) return removed;
  }
  if (auto recorded = record_.add(std::string(kMacvlan) + name); !recorded) return recorded;
  const auto made = netlink_.add_macvlan(name, lower->index, mac);
  // Made already, and the picture does not know it yet.
  if (!made && made.error().code == EEXIST) return {};
  if (!made) return made.error();
  if (family_of(router) == AddressFamily::ipv6) {
    if (auto lent = lend_link_local(lower->index, *made); !lent) return lent;
  }
  return set_macvlan(name, router.interface);
}

// Advertisements over IPv6 come from a link-local address, and the macvlan makes none of its own.
Result<void> RouterInterfaces::lend_link_local(unsigned lower, unsigned macvlan) {
  for (const InterfaceAddress& own : netlink_.addresses()) {
    const auto& bytes = own.address.address.bytes();
    const bool link_local =
        !own.address.address.is_v4() && bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
    if (own.interface_index == lower && link_local) {
      return netlink_.add_address(macvlan, own.address);
    }
  }
  return {};
}

Result<void> RouterInterfaces::set_macvlan(const std::string& name, const std::string& lower) {
  if (auto done = raise(ipv4_setting(lower, "arp_ignore"), 1); !done) return done;
  if (auto done = raise(ipv4_setting(lower, "arp_announce"), 2); !done) return done;
  if (auto done = loosen_reverse_path(); !done) return done;
  for (const auto& [setting, value] : {std::pair(ipv4_setting(name, "arp_ignore"), 1),
                                       std::pair(ipv4_setting(name, "rp_filter"), 0),
                                       std::pair(ipv4_setting(name, "forwarding"), 0),
                                       std::pair(ipv6_setting(name, "accept_ra"), 0),
                                       std::pair(ipv6_setting(name, "forwarding"), 0)}) {
    if (auto done = unless_gone(settings_.set(setting, value)); !done) return done;
  }
  return {};
}

// Of conf/all and an interface's own the greater counts: so each gets what counted, then all has
// none.
Result<void> RouterInterfaces::loosen_reverse_path() {
  const auto of_all = settings_.read(kReversePathOfAll);
  if (!of_all || *of_all == 0) return {};
  std::set<std::string> names = {"default"};
  for (const Link& link : netlink_.links())
    names.insert(link.name);
  for (const std::string& name : names) {
    auto done = unless_gone(raise(ipv4_setting(name, "rp_filter"), *of_all));
    if (!done) return done;
  }
  return settings_.set(kReversePathOfAll, 0);
}

Result<void> RouterInterfaces::raise(const std::string& name, int least) {
  const auto value = settings_.read(name);
  if (!value) return value.error();
  if (*value >= least) return {};
  return settings_.set(name, least);
}

Result<void> RouterInterfaces::set_role(const VrrpInstanceConfig& router, bool master) {
  if (!router.virtual_mac) return {};
  const std::string& name = router.virtual_mac->interface;
  const auto forwards = settings_.read("net/ipv4/conf/all/forwarding");
  const auto done =
      settings_.set(ipv4_setting(name, "forwarding"), master && forwards ? *forwards : 0);
  if (auto first = unless_gone(done); !first) return first;
  const auto forwards6 = settings_.read("net/ipv6/conf/all/forwarding");
  return unless_gone(
      settings_.set(ipv6_setting(name, "forwarding"), master && forwards6 ? *forwards6 : 0));
}

Result<void> RouterInterfaces::keep_only(const std::vector<VrrpInstanceConfig>& routers) {
  std::set<std::string> kept;
  bool settings_needed = false;
  for (const VrrpInstanceConfig& router : routers) {
    if (router.virtual_mac) kept.insert(std::string(kMacvlan) + router.virtual_mac->interface);
    settings_needed = settings_needed || router.virtual_mac || router.promote_secondaries;
  }
  for (const std::string& line : std::set(record_.lines())) {
    if (!line.starts_with(kMacvlan) || kept.contains(line)) continue;
    const auto link = netlink_.link(line.substr(kMacvlan.size()));
    if (link && link->macvlan) {
      if (auto removed = netlink_.remove_link(link->index); !removed) return removed;
    }
    if (auto recorded = record_.remove(line); !recorded) return recorded;
  }
  if (settings_needed) return {};
  for (const auto& [name, change] : std::map(settings_.changes())) {
    if (auto restored = unless_gone(settings_.restore(name)); !restored) return restored;
  }
  return {};
}

}  // namespace xlb
