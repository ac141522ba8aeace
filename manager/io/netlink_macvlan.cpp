// Requests about interfaces that carry a virtual router's MAC address.
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include <cerrno>

#include "io/netlink_impl.h"

namespace xlb {
namespace {

using rtnl::Message;

nlattr* nest(const Message& message, int attribute) {
  return message == nullptr ? nullptr : nla_nest_start(message.get(), attribute);
}

// Private: the macvlans of one interface do not hear each other, so two virtual routers of one host
// are strangers as on two hosts.
Message create_request(const std::string& name, unsigned lower, const MacAddress& mac) {
  Message message =
      rtnl::make_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, ifinfomsg{});
  bool complete = rtnl::put(message, IFLA_LINK, static_cast<uint32_t>(lower)) &&
                  rtnl::put_text(message, IFLA_IFNAME, name) &&
                  rtnl::put(message, IFLA_ADDRESS, mac.bytes);
  nlattr* link_info = nest(message, IFLA_LINKINFO);
  complete = complete && link_info != nullptr && rtnl::put_text(message, IFLA_INFO_KIND, "macvlan");
  nlattr* specific = nest(message, IFLA_INFO_DATA);
  complete = complete && specific != nullptr &&
             rtnl::put(message, IFLA_MACVLAN_MODE, uint32_t{MACVLAN_MODE_PRIVATE});
  if (!complete) return nullptr;
  nla_nest_end(message.get(), specific);
  nla_nest_end(message.get(), link_info);
  return message;
}

// An IPv6 address made of the virtual MAC would be the same on every router (RFC 9568 7.4).
Message no_made_address_request(unsigned index) {
  ifinfomsg fixed{};
  fixed.ifi_index = static_cast<int>(index);
  Message message = rtnl::make_message(RTM_NEWLINK, NLM_F_ACK, fixed);
  nlattr* families = nest(message, IFLA_AF_SPEC);
  nlattr* ipv6 = families == nullptr ? nullptr : nest(message, AF_INET6);
  if (ipv6 == nullptr ||
      !rtnl::put(message, IFLA_INET6_ADDR_GEN_MODE, uint8_t{IN6_ADDR_GEN_MODE_NONE})) {
    return nullptr;
  }
  nla_nest_end(message.get(), ipv6);
  nla_nest_end(message.get(), families);
  return message;
}

Message silence_request(unsigned index, bool silent) {
  tcmsg fixed{};
  fixed.tcm_ifindex = static_cast<int>(index);
  fixed.tcm_parent = TC_H_ROOT;
  if (!silent) return rtnl::make_message(RTM_DELQDISC, NLM_F_ACK, fixed);
  Message message =
      rtnl::make_message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK, fixed);
  if (!rtnl::put_text(message, TCA_KIND, "blackhole")) message.reset();
  return message;
}

Message up_request(unsigned index) {
  ifinfomsg fixed{};
  fixed.ifi_index = static_cast<int>(index);
  fixed.ifi_flags = IFF_UP;
  fixed.ifi_change = IFF_UP;
  return rtnl::make_message(RTM_NEWLINK, NLM_F_ACK, fixed);
}

}  // namespace

Result<unsigned> Netlink::add_macvlan(const std::string& name, unsigned lower,
                                      const MacAddress& mac) {
  const std::string failure = fmt::format("cannot make {} on {}", name, impl_->name_of_link(lower));
  auto result = impl_->requests.request(create_request(name, lower, mac));
  if (!result) return result.error().context(failure);
  const unsigned index = ::if_nametoindex(name.c_str());
  if (index == 0) return fail("{}: it is gone again", failure);
  // Without IPv6 on this host there is nothing to switch off.
  (void)impl_->requests.request(no_made_address_request(index));
  if (auto silent = set_silent(index, true); !silent) return silent.error();
  result = impl_->requests.request(up_request(index));
  if (!result) return result.error().context(failure);
  return index;
}

Result<void> Netlink::set_silent(unsigned index, bool silent) {
  const auto result = impl_->requests.request(silence_request(index, silent));
  const int code = result ? 0 : result.error().code;
  if (code == 0 || (!silent && (code == ENOENT || code == EINVAL))) return {};
  return result.error().context(
      fmt::format("cannot make {} {}", impl_->name_of_link(index), silent ? "silent" : "speak"));
}

Result<void> Netlink::remove_link(unsigned index) {
  ifinfomsg fixed{};
  fixed.ifi_index = static_cast<int>(index);
  const auto result = impl_->requests.request(rtnl::make_message(RTM_DELLINK, NLM_F_ACK, fixed));
  if (result || result.error().code == ENODEV) return {};
  return result.error().context("cannot remove " + impl_->name_of_link(index));
}

}  // namespace xlb
