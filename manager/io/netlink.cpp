// Order of events and dumps: the subscription comes first, so a change during a dump is seen at
// least once; replaying an older event is harmless because the newest one of each object comes
// last. After an overflow the events still queued are older than the lost ones: they are thrown
// away before the picture is read anew.
#include "io/netlink.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include <algorithm>
#include <map>
#include <utility>

#include "io/netlink_message.h"
#include "io/netlink_socket.h"

namespace xlb {
namespace {

using rtnl::Message;

constexpr int kDatagramsPerCall = 1000;
constexpr int kDumpAttempts = 5;

struct Picture {
  std::map<unsigned, Link> links;
  std::vector<InterfaceAddress> addresses;
  std::map<std::pair<unsigned, IpAddress>, Neighbour> neighbours;

  bool operator==(const Picture&) const = default;

  // Takes over what `message` says; true when that changed something.
  bool take(const nlmsghdr& message);

 private:
  bool take_link(const Link& link, bool removed);
  bool take_address(const InterfaceAddress& address, bool removed);
  bool take_neighbour(const Neighbour& neighbour, bool removed);
};

template <typename Map, typename Value>
bool set_or_erase(Map& map, const typename Map::key_type& key, const Value& value, bool erase) {
  if (erase) return map.erase(key) != 0;
  const auto [place, added] = map.try_emplace(key, value);
  if (added) return true;
  if (place->second == value) return false;
  place->second = value;
  return true;
}

bool Picture::take_link(const Link& link, bool removed) {
  bool changed = set_or_erase(links, link.index, link, removed);
  if (removed) {
    // The kernel announces most of these itself, but not in this order.
    const auto on_link = [&](const auto& entry) { return entry.interface_index == link.index; };
    changed = std::erase_if(addresses, on_link) != 0 || changed;
    const auto neighbour_on_link = [&](const auto& entry) { return on_link(entry.second); };
    changed = std::erase_if(neighbours, neighbour_on_link) != 0 || changed;
  }
  return changed;
}

bool Picture::take_address(const InterfaceAddress& address, bool removed) {
  const auto known = std::find_if(addresses.begin(), addresses.end(), [&](const auto& entry) {
    return entry.interface_index == address.interface_index && entry.address == address.address;
  });
  if (known == addresses.end()) {
    if (!removed) addresses.push_back(address);
    return !removed;
  }
  if (removed) {
    addresses.erase(known);
    return true;
  }
  if (*known == address) return false;
  *known = address;
  return true;
}

bool Picture::take_neighbour(const Neighbour& neighbour, bool removed) {
  return set_or_erase(neighbours, std::pair(neighbour.interface_index, neighbour.address),
                      neighbour, removed);
}

bool Picture::take(const nlmsghdr& message) {
  switch (message.nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK: {
      const auto link = rtnl::parse_link(message);
      return link && take_link(*link, message.nlmsg_type == RTM_DELLINK);
    }
    case RTM_NEWADDR:
    case RTM_DELADDR: {
      const auto address = rtnl::parse_address(message);
      return address && take_address(*address, message.nlmsg_type == RTM_DELADDR);
    }
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH: {
      const auto neighbour = rtnl::parse_neighbour(message);
      return neighbour && take_neighbour(*neighbour, message.nlmsg_type == RTM_DELNEIGH);
    }
    default:
      return false;
  }
}

bool put_v4(const Message& message, int attribute, const IpAddress& address) {
  return message != nullptr &&
         nla_put_u32(message.get(), attribute, address.v4_network_order()) == 0;
}

Message address_request(int type, int flags, unsigned index, const PrefixedAddress& address,
                        unsigned char scope = RT_SCOPE_UNIVERSE) {
  ifaddrmsg fixed{};
  fixed.ifa_family = AF_INET;
  fixed.ifa_prefixlen = address.prefix_length;
  fixed.ifa_scope = scope;
  fixed.ifa_index = index;
  Message message = rtnl::make_message(type, flags | NLM_F_ACK, fixed);
  if (!put_v4(message, IFA_LOCAL, address.address) ||
      !put_v4(message, IFA_ADDRESS, address.address)) {
    message.reset();
  }
  return message;
}

}  // namespace

struct Netlink::Impl {
  Impl(rtnl::Socket event_socket, rtnl::Socket request_socket)
      : events(std::move(event_socket)), requests(std::move(request_socket)) {}

  rtnl::Socket events;
  rtnl::Socket requests;
  Picture picture;
  bool overflowed = false;
  std::function<void()> changed;

  Result<void> dump_one(const Message& message, Picture& into) {
    return requests.request(message, [&](const nlmsghdr& answer) { (void)into.take(answer); });
  }

  Result<Picture> dump() {
    ifaddrmsg addresses{};
    addresses.ifa_family = AF_INET;
    ndmsg neighbours{};
    neighbours.ndm_family = AF_INET;
    Result<void> result;
    for (int attempt = 0; attempt < kDumpAttempts; ++attempt) {
      Picture read;
      result = dump_one(rtnl::make_message(RTM_GETLINK, NLM_F_DUMP, ifinfomsg{}), read);
      if (result) result = dump_one(rtnl::make_message(RTM_GETADDR, NLM_F_DUMP, addresses), read);
      if (result) result = dump_one(rtnl::make_message(RTM_GETNEIGH, NLM_F_DUMP, neighbours), read);
      if (result) return read;
      if (result.error().code != EINTR) break;
    }
    return result.error().context("cannot read links, addresses and neighbours");
  }

  std::string name_of_link(unsigned index) const {
    const auto found = picture.links.find(index);
    return found == picture.links.end() ? fmt::format("interface {}", index) : found->second.name;
  }
};

Netlink::Netlink() = default;
Netlink::~Netlink() = default;

Result<std::unique_ptr<Netlink>> Netlink::open() {
  auto events = rtnl::Socket::open_subscribed({RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_NEIGH});
  if (!events) return events.error();
  auto requests = rtnl::Socket::open();
  if (!requests) return requests.error();
  std::unique_ptr<Netlink> result(new Netlink());
  result->impl_ = std::make_unique<Impl>(std::move(events).value(), std::move(requests).value());
  auto picture = result->impl_->dump();
  if (!picture) return picture.error();
  result->impl_->picture = std::move(picture).value();
  return result;
}

int Netlink::fd() const {
  return impl_->events.fd();
}

void Netlink::on_change(std::function<void()> handler) {
  impl_->changed = std::move(handler);
}

Result<void> Netlink::process() {
  bool changed = false;
  Result<void> result;
  for (int count = 0; count < kDatagramsPerCall; ++count) {
    auto received = impl_->events.receive([&](const nlmsghdr& message) {
      if (!impl_->overflowed) changed = impl_->picture.take(message) || changed;
    });
    if (!received) {
      result = received.error();
      break;
    }
    if (*received == rtnl::Socket::Received::overflow) impl_->overflowed = true;
    if (*received != rtnl::Socket::Received::nothing) continue;
    if (impl_->overflowed) {
      auto picture = impl_->dump();
      if (!picture) {
        result = picture.error();
        break;
      }
      impl_->overflowed = false;
      changed = changed || *picture != impl_->picture;
      impl_->picture = std::move(picture).value();
    }
    break;
  }
  if (changed && impl_->changed) impl_->changed();
  return result;
}

std::optional<Link> Netlink::link(std::string_view name) const {
  for (const auto& [index, link] : impl_->picture.links) {
    if (link.name == name) return link;
  }
  return std::nullopt;
}

std::optional<Link> Netlink::link(unsigned index) const {
  const auto found = impl_->picture.links.find(index);
  if (found == impl_->picture.links.end()) return std::nullopt;
  return found->second;
}

const std::vector<InterfaceAddress>& Netlink::addresses() const {
  return impl_->picture.addresses;
}

std::optional<IpAddress> Netlink::primary_address(unsigned index, AddressFamily family) const {
  for (const InterfaceAddress& entry : impl_->picture.addresses) {
    if (entry.interface_index == index && entry.address.address.family() == family &&
        entry.global && !entry.secondary) {
      return entry.address.address;
    }
  }
  return std::nullopt;
}

bool Netlink::is_local(const IpAddress& address) const {
  const auto is_own = [&](const InterfaceAddress& entry) {
    if (entry.address.address == address) return true;
    const auto found = impl_->picture.links.find(entry.interface_index);
    if (found == impl_->picture.links.end() || !found->second.loopback || !address.is_v4()) {
      return false;
    }
    const unsigned shift = 32U - entry.address.prefix_length;
    const uint32_t difference =
        ntohl(entry.address.address.v4_network_order()) ^ ntohl(address.v4_network_order());
    return shift > 31 || (difference >> shift) == 0;
  };
  const auto& addresses = impl_->picture.addresses;
  return std::any_of(addresses.begin(), addresses.end(), is_own);
}

std::optional<Neighbour> Netlink::neighbour(unsigned index, const IpAddress& address) const {
  const auto found = impl_->picture.neighbours.find({index, address});
  if (found == impl_->picture.neighbours.end()) return std::nullopt;
  return found->second;
}

Result<Route> Netlink::route_to(const IpAddress& address) {
  if (!address.is_v4()) return fail("cannot find a route to {}: not an IPv4 address", address);
  rtmsg fixed{};
  fixed.rtm_family = AF_INET;
  fixed.rtm_dst_len = 32;
  Message message = rtnl::make_message(RTM_GETROUTE, NLM_F_ACK, fixed);
  if (!put_v4(message, RTA_DST, address)) message.reset();
  std::optional<Route> route;
  const auto result = impl_->requests.request(message, [&](const nlmsghdr& answer) {
    if (answer.nlmsg_type == RTM_NEWROUTE) route = rtnl::parse_route(answer);
  });
  if (!result) return result.error().context(fmt::format("cannot find a route to {}", address));
  if (!route) return fail("cannot find a route to {}: none over IPv4", address);
  return *route;
}

Result<void> Netlink::add_address(unsigned index, const PrefixedAddress& address) {
  if (!address.address.is_v4()) return fail("cannot add {}: not an IPv4 address", address);
  const auto result = impl_->requests.request(
      address_request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, address));
  if (result || result.error().code == EEXIST) return {};
  return result.error().context(
      fmt::format("cannot add {} to {}", address, impl_->name_of_link(index)));
}

Result<bool> Netlink::put_host_address(unsigned index, const PrefixedAddress& address) {
  if (!address.address.is_v4()) return fail("cannot add {}: not an IPv4 address", address);
  const auto result = impl_->requests.request(
      address_request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, address, RT_SCOPE_HOST));
  if (result) return true;
  if (result.error().code == EEXIST) return false;
  return result.error().context(
      fmt::format("cannot add {} to {}", address, impl_->name_of_link(index)));
}

Result<void> Netlink::remove_address(unsigned index, const PrefixedAddress& address) {
  if (!address.address.is_v4()) return fail("cannot remove {}: not an IPv4 address", address);
  const auto result = impl_->requests.request(address_request(RTM_DELADDR, 0, index, address));
  // An interface that went away took its addresses along.
  if (result || result.error().code == EADDRNOTAVAIL || result.error().code == ENODEV) return {};
  return result.error().context(
      fmt::format("cannot remove {} from {}", address, impl_->name_of_link(index)));
}

}  // namespace xlb
