#include "io/netlink_message.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace xlb::rtnl {
namespace {

template <int Max>
using Attributes = std::array<nlattr*, Max + 1>;

// The fixed part of a message, its attributes filled in; null when malformed. libnl's parser takes
// a mutable message but does not change it.
template <typename Fixed, int Max>
const Fixed* open_message(const nlmsghdr& message, Attributes<Max>& attributes) {
  auto* mutable_message = const_cast<nlmsghdr*>(&message);
  if (nlmsg_parse(mutable_message, sizeof(Fixed), attributes.data(), Max, nullptr) < 0) {
    return nullptr;
  }
  return static_cast<const Fixed*>(nlmsg_data(mutable_message));
}

std::optional<IpAddress> to_address(int family, const uint8_t* bytes, size_t length) {
  if (family == AF_INET && length == 4)
    return IpAddress::v4(bytes[0], bytes[1], bytes[2], bytes[3]);
  if (family != AF_INET6 || length != 16) return std::nullopt;
  std::array<uint8_t, 16> copy{};
  std::copy_n(bytes, copy.size(), copy.begin());
  return IpAddress::from_v6(copy);
}

std::optional<IpAddress> to_address(int family, const nlattr* attribute) {
  if (attribute == nullptr) return std::nullopt;
  return to_address(family, static_cast<const uint8_t*>(nla_data(attribute)),
                    static_cast<size_t>(nla_len(attribute)));
}

// The gateway of an IPv4 route may be a neighbour of IPv6 (RTA_VIA).
std::optional<IpAddress> to_gateway(int family, const Attributes<RTA_MAX>& attributes) {
  const nlattr* via = attributes[RTA_VIA];
  if (via == nullptr) return to_address(family, attributes[RTA_GATEWAY]);
  const auto* fixed = static_cast<const rtvia*>(nla_data(via));
  const auto length = static_cast<size_t>(nla_len(via));
  if (length < sizeof *fixed) return std::nullopt;
  return to_address(fixed->rtvia_family, fixed->rtvia_addr, length - sizeof *fixed);
}

std::optional<uint32_t> to_u32(const nlattr* attribute) {
  if (attribute == nullptr || nla_len(attribute) < 4) return std::nullopt;
  return nla_get_u32(attribute);
}

std::optional<MacAddress> to_mac(const nlattr* attribute) {
  MacAddress mac;
  if (attribute == nullptr || nla_len(attribute) != static_cast<int>(mac.bytes.size())) {
    return std::nullopt;
  }
  const auto* bytes = static_cast<const uint8_t*>(nla_data(attribute));
  std::copy_n(bytes, mac.bytes.size(), mac.bytes.begin());
  return mac;
}

bool is_macvlan(nlattr* link_info) {
  Attributes<IFLA_INFO_MAX> attributes{};
  if (link_info == nullptr ||
      nla_parse_nested(attributes.data(), IFLA_INFO_MAX, link_info, nullptr) < 0) {
    return false;
  }
  const nlattr* kind = attributes[IFLA_INFO_KIND];
  return kind != nullptr && nla_strcmp(kind, "macvlan") == 0;
}

}  // namespace

std::optional<Link> parse_link(const nlmsghdr& message) {
  Attributes<IFLA_MAX> attributes{};
  const auto* fixed = open_message<ifinfomsg, IFLA_MAX>(message, attributes);
  if (fixed == nullptr || fixed->ifi_family != AF_UNSPEC || fixed->ifi_index <= 0) {
    return std::nullopt;
  }
  Link link;
  link.index = static_cast<unsigned>(fixed->ifi_index);
  link.up = (fixed->ifi_flags & IFF_UP) != 0 && (fixed->ifi_flags & IFF_RUNNING) != 0;
  link.loopback = (fixed->ifi_flags & IFF_LOOPBACK) != 0;
  if (const nlattr* name = attributes[IFLA_IFNAME]; name != nullptr && nla_len(name) > 0) {
    const auto* text = static_cast<const char*>(nla_data(name));
    link.name.assign(text, strnlen(text, static_cast<size_t>(nla_len(name))));
  }
  link.mac = to_mac(attributes[IFLA_ADDRESS]).value_or(MacAddress{});
  link.mtu = to_u32(attributes[IFLA_MTU]).value_or(0);
  link.lower = to_u32(attributes[IFLA_LINK]).value_or(0);
  link.macvlan = is_macvlan(attributes[IFLA_LINKINFO]);
  return link;
}

std::optional<InterfaceAddress> parse_address(const nlmsghdr& message) {
  Attributes<IFA_MAX> attributes{};
  const auto* fixed = open_message<ifaddrmsg, IFA_MAX>(message, attributes);
  if (fixed == nullptr) return std::nullopt;
  // On a point-to-point link IFA_ADDRESS is the peer's, IFA_LOCAL ours.
  auto local = to_address(fixed->ifa_family, attributes[IFA_LOCAL]);
  if (!local) local = to_address(fixed->ifa_family, attributes[IFA_ADDRESS]);
  if (!local) return std::nullopt;
  const uint32_t flags = to_u32(attributes[IFA_FLAGS]).value_or(fixed->ifa_flags);
  InterfaceAddress result;
  result.interface_index = fixed->ifa_index;
  result.address = {*local, fixed->ifa_prefixlen};
  result.secondary = (flags & (IFA_F_SECONDARY | IFA_F_DEPRECATED)) != 0;
  result.global = fixed->ifa_scope == RT_SCOPE_UNIVERSE;
  const auto other = to_address(fixed->ifa_family, attributes[IFA_ADDRESS]);
  result.has_peer = other && *other != *local;
  return result;
}

std::optional<Neighbour> parse_neighbour(const nlmsghdr& message) {
  Attributes<NDA_MAX> attributes{};
  const auto* fixed = open_message<ndmsg, NDA_MAX>(message, attributes);
  if (fixed == nullptr || fixed->ndm_ifindex <= 0) return std::nullopt;
  const auto address = to_address(fixed->ndm_family, attributes[NDA_DST]);
  const bool multicast = address && !address->is_v4() && address->bytes()[0] == 0xff;
  if (!address || multicast) return std::nullopt;
  constexpr unsigned kFixed = NUD_PERMANENT | NUD_NOARP;
  constexpr unsigned kHasMac = kFixed | NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE;
  Neighbour result;
  result.interface_index = static_cast<unsigned>(fixed->ndm_ifindex);
  result.address = *address;
  const auto mac = to_mac(attributes[NDA_LLADDR]);
  if ((fixed->ndm_state & kHasMac) != 0 && mac && !mac->is_zero()) {
    result.state = Neighbour::State::usable;
    result.mac = *mac;
    result.fixed = (fixed->ndm_state & kFixed) != 0;
  } else if ((fixed->ndm_state & NUD_FAILED) != 0) {
    result.state = Neighbour::State::failed;
  }
  return result;
}

std::optional<Route> parse_route(const nlmsghdr& message) {
  Attributes<RTA_MAX> attributes{};
  const auto* fixed = open_message<rtmsg, RTA_MAX>(message, attributes);
  if (fixed == nullptr) return std::nullopt;
  const int family = fixed->rtm_family;
  const auto interface_index = to_u32(attributes[RTA_OIF]);
  if (!interface_index) return std::nullopt;
  Route route;
  route.interface_index = *interface_index;
  route.gateway = to_gateway(family, attributes);
  const bool has_gateway = attributes[RTA_VIA] != nullptr || attributes[RTA_GATEWAY] != nullptr;
  if (has_gateway && !route.gateway) return std::nullopt;
  route.source = to_address(family, attributes[RTA_PREFSRC]).value_or(IpAddress{});
  if (nlattr* metrics = attributes[RTA_METRICS]; metrics != nullptr) {
    Attributes<RTAX_MAX> values{};
    if (nla_parse_nested(values.data(), RTAX_MAX, metrics, nullptr) >= 0) {
      route.mtu = to_u32(values[RTAX_MTU]).value_or(0);
    }
  }
  return route;
}

}  // namespace xlb::rtnl
