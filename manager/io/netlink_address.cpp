// Requests about addresses of interfaces.
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>

#include "io/netlink_impl.h"

namespace xlb {
namespace {

using rtnl::Message;

constexpr uint32_t kForever = 0xffffffff;

uint32_t flags_of(const VirtualAddress& address) {
  uint32_t flags = address.address.address.is_v4() ? 0 : IFA_F_NODAD;
  if (address.home) flags |= IFA_F_HOMEADDRESS;
  if (address.temporary_prefix) flags |= IFA_F_MANAGETEMPADDR;
  if (address.no_prefix_route) flags |= IFA_F_NOPREFIXROUTE;
  if (address.autojoin) flags |= IFA_F_MCAUTOJOIN;
  return flags;
}

Message plain_request(int type, int flags, unsigned index, const PrefixedAddress& address,
                      Scope scope) {
  ifaddrmsg fixed{};
  fixed.ifa_family = rtnl::family_of(address.address.family());
  fixed.ifa_prefixlen = address.prefix_length;
  fixed.ifa_scope = static_cast<unsigned char>(scope);
  fixed.ifa_index = index;
  Message message = rtnl::make_message(type, flags | NLM_F_ACK, fixed);
  if (!rtnl::put_address(message, IFA_LOCAL, address.address)) message.reset();
  return message;
}

Message add_request(unsigned index, const VirtualAddress& address) {
  const IpAddress& local = address.address.address;
  Message message = plain_request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index,
                                  listed_address(address), address.scope);
  bool complete =
      rtnl::put_address(message, IFA_ADDRESS, address.peer ? address.peer->address : local);
  const uint32_t flags = flags_of(address);
  if (flags != 0) complete = complete && rtnl::put(message, IFA_FLAGS, flags);
  if (address.broadcast) {
    complete = complete && rtnl::put_address(message, IFA_BROADCAST, *address.broadcast);
  }
  if (!address.label.empty() && local.is_v4()) {
    complete = complete && rtnl::put_text(message, IFA_LABEL, address.label);
  }
  if (address.preferred_lifetime) {
    const ifa_cacheinfo lifetimes{*address.preferred_lifetime, kForever, 0, 0};
    complete = complete && rtnl::put(message, IFA_CACHEINFO, lifetimes);
  }
  if (!complete) message.reset();
  return message;
}

VirtualAddress plain(const PrefixedAddress& address) {
  VirtualAddress result;
  result.address = address;
  return result;
}

}  // namespace

Result<bool> Netlink::put_address(unsigned index, const VirtualAddress& address) {
  const auto result = impl_->requests.request(add_request(index, address));
  if (result) return true;
  if (result.error().code == EEXIST) return false;
  return result.error().context(
      fmt::format("cannot add {} to {}", address.address, impl_->name_of_link(index)));
}

Result<void> Netlink::add_address(unsigned index, const PrefixedAddress& address) {
  const auto result = put_address(index, plain(address));
  if (!result) return result.error();
  return {};
}

Result<bool> Netlink::put_host_address(unsigned index, const PrefixedAddress& address) {
  VirtualAddress wanted = plain(address);
  wanted.scope = Scope::host;
  // IPv6 knows no such scope. What is deprecated from the start is never chosen as a source.
  if (!address.address.is_v4()) wanted.preferred_lifetime = 0;
  return put_address(index, wanted);
}

Result<void> Netlink::remove_address(unsigned index, const PrefixedAddress& address) {
  Message message = plain_request(RTM_DELADDR, 0, index, address, Scope::global);
  // A peer's address is not ours to name: without one, IPv4 takes any address of that prefix.
  const bool with_peer =
      std::any_of(impl_->picture.addresses.begin(), impl_->picture.addresses.end(),
                  [&](const InterfaceAddress& own) {
                    return own.interface_index == index && own.address == address && own.has_peer;
                  });
  if (!with_peer && !rtnl::put_address(message, IFA_ADDRESS, address.address)) message.reset();
  const auto result = impl_->requests.request(message);
  // An interface that went away took its addresses along.
  if (result || result.error().code == EADDRNOTAVAIL || result.error().code == ENODEV) return {};
  return result.error().context(
      fmt::format("cannot remove {} from {}", address, impl_->name_of_link(index)));
}

}  // namespace xlb
