#include "director/router_interfaces.h"

#include <algorithm>
#include <cerrno>
#include <set>

namespace xlb {
namespace {

constexpr std::string_view kMacvlan = "macvlan ";
constexpr std::string_view kReversePath = "rp_filter";
constexpr std::string_view kRedirects = "send_redirects";
constexpr std::string_view kPromote = "promote_secondaries";

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

bool is_of(const std::string& setting, std::string_view name) {
  return setting.ends_with(fmt::format("/{}", name));
}

// An interface that is gone has no settings.
Result<void> unless_gone(const Result<void>& result) {
  if (!result && result.error().code == ENOENT) return {};
  return result;
}

// Whether a setting that was changed for some router is one of these routers' still.
bool is_needed(const std::string& setting, const SysctlRecord::Change& change,
               const std::vector<VrrpInstanceConfig>& routers) {
  return std::any_of(routers.begin(), routers.end(), [&](const VrrpInstanceConfig& router) {
    if (is_of(setting, kRedirects)) {
      // What counted while conf/all had it goes with that.
      return change.ours != 0 || setting == ipv4_setting("all", kRedirects) ||
             setting == ipv4_setting(router.interface, kRedirects);
    }
    if (is_of(setting, kPromote)) return router.promote_secondaries;
    return router.virtual_mac.has_value();
  });
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
  if (auto stopped = stop_redirects(router.interface); !stopped) return stopped;
  if (!router.promote_secondaries) return {};
  return unless_gone(raise(ipv4_setting(router.interface, kPromote), 1));
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
    if (present->mac == mac && present->lower == lower->index) {
      return lend_link_local(router, lower->index, present->index);
    }
    if (auto removed = netlink_.remove_link(present->index); !removed) return removed;
  }
  if (auto recorded = record_.add(std::string(kMacvlan) + name); !recorded) return recorded;
  const auto made = netlink_.add_macvlan(name, lower->index, mac);
  // Made already, and the picture does not know it yet.
  if (!made && made.error().code == EEXIST) return {};
  if (!made) return made.error();
  if (auto lent = lend_link_local(router, lower->index, *made); !lent) return lent;
  return set_macvlan(name, router.interface);
}

// Advertisements over IPv6 come from a link-local address, and the macvlan makes none of its own.
// The interface below may get its own later than the macvlan is made.
Result<void> RouterInterfaces::lend_link_local(const VrrpInstanceConfig& router, unsigned lower,
                                               unsigned macvlan) {
  if (family_of(router) != AddressFamily::ipv6) return {};
  const auto& present = netlink_.addresses();
  const auto is_virtual = [&](const IpAddress& address) {
    return std::any_of(router.virtual_addresses.begin(), router.virtual_addresses.end(),
                       [&](const auto& vip) { return vip.address.address == address; });
  };
  const auto own = std::find_if(present.begin(), present.end(), [&](const InterfaceAddress& one) {
    const auto& bytes = one.address.address.bytes();
    const bool link_local =
        !one.address.address.is_v4() && bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
    return one.interface_index == lower && link_local && !is_virtual(one.address.address);
  });
  if (own == present.end()) return {};
  const bool lent = std::any_of(present.begin(), present.end(), [&](const InterfaceAddress& one) {
    return one.interface_index == macvlan && one.address == own->address;
  });
  return lent ? Result<void>() : netlink_.add_address(macvlan, own->address);
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

Result<void> RouterInterfaces::loosen_reverse_path() {
  return clear_for_all(kReversePath);
}

Result<void> RouterInterfaces::stop_redirects(const std::string& interface) {
  if (auto cleared = clear_for_all(kRedirects); !cleared) return cleared;
  const std::string own = ipv4_setting(interface, kRedirects);
  const auto value = settings_.read(own);
  if (!value) return unless_gone(value.error());
  return *value == 0 ? Result<void>() : settings_.set(own, 0);
}

// Of conf/all and an interface's own the greater counts: so each gets what counted, then all has
// none.
Result<void> RouterInterfaces::clear_for_all(std::string_view setting) {
  const std::string of_all = ipv4_setting("all", setting);
  const auto value = settings_.read(of_all);
  if (!value || *value == 0) return {};
  std::set<std::string> names = {"default"};
  for (const Link& link : netlink_.links())
    names.insert(link.name);
  for (const std::string& name : names) {
    auto done = unless_gone(raise(ipv4_setting(name, setting), *value));
    if (!done) return done;
  }
  return settings_.set(of_all, 0);
}

Result<void> RouterInterfaces::raise(const std::string& name, int least) {
  const auto value = settings_.read(name);
  if (!value) return value.error();
  if (*value >= least) return {};
  return settings_.set(name, least);
}

Result<void> RouterInterfaces::let_speak(const VrrpInstanceConfig& router) {
  return set_silent(router, false);
}

Result<void> RouterInterfaces::set_silent(const VrrpInstanceConfig& router, bool silent) {
  if (!router.virtual_mac) return {};
  const auto link = netlink_.link(router.virtual_mac->interface);
  return link && link->macvlan ? netlink_.set_silent(link->index, silent) : Result<void>();
}

Result<void> RouterInterfaces::set_role(const VrrpInstanceConfig& router, bool master) {
  if (!router.virtual_mac) return {};
  if (auto done = set_silent(router, !master); !done) return done;
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
  for (const VrrpInstanceConfig& router : routers) {
    if (router.virtual_mac) kept.insert(std::string(kMacvlan) + router.virtual_mac->interface);
  }
  for (const std::string& line : std::set(record_.lines())) {
    if (!line.starts_with(kMacvlan) || kept.contains(line)) continue;
    const auto link = netlink_.link(line.substr(kMacvlan.size()));
    if (link && link->macvlan) {
      if (auto removed = netlink_.remove_link(link->index); !removed) return removed;
    }
    if (auto recorded = record_.remove(line); !recorded) return recorded;
  }
  for (const auto& [name, change] : std::map(settings_.changes())) {
    if (is_needed(name, change, routers)) continue;
    if (auto restored = unless_gone(settings_.restore(name)); !restored) return restored;
  }
  return {};
}

}  // namespace xlb
