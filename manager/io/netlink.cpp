// Order of events and dumps: the subscription comes first, so a change during a dump is seen at
// least once; replaying an older event is harmless because the newest one of each object comes
// last. After an overflow the events still queued are older than the lost ones: they are thrown
// away before the picture is read anew.
#include "io/netlink.h"

#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include <algorithm>
#include <utility>

#include "io/netlink_message.h"
#include "io/netlink_picture.h"
#include "io/netlink_socket.h"

namespace xlb {
namespace {

using rtnl::Message;

constexpr int kDatagramsPerCall = 1000;
constexpr int kDumpAttempts = 5;
constexpr uint32_t kForever = 0xffffffff;

bool put_address(const Message& message, int attribute, const IpAddress& address) {
  return message != nullptr && nla_put(message.get(), attribute, static_cast<int>(address.size()),
                                       address.bytes().data()) == 0;
}

unsigned char family_of(const IpAddress& address) {
  return address.is_v4() ? AF_INET : AF_INET6;
}

Message address_request(int type, int flags, unsigned index, const PrefixedAddress& address,
                        unsigned char scope = RT_SCOPE_UNIVERSE) {
  ifaddrmsg fixed{};
  fixed.ifa_family = family_of(address.address);
  fixed.ifa_prefixlen = address.prefix_length;
  fixed.ifa_scope = scope;
  fixed.ifa_index = index;
  Message message = rtnl::make_message(type, flags | NLM_F_ACK, fixed);
  bool complete = put_address(message, IFA_LOCAL, address.address) &&
                  put_address(message, IFA_ADDRESS, address.address);
  if (complete && !address.address.is_v4() && type == RTM_NEWADDR) {
    complete = nla_put_u32(message.get(), IFA_FLAGS, IFA_F_NODAD) == 0;
    // IPv6 knows no such scope. What is deprecated from the start is never chosen as a source.
    const ifa_cacheinfo lifetimes{0, kForever, 0, 0};
    if (complete && scope == RT_SCOPE_HOST) {
      complete = nla_put(message.get(), IFA_CACHEINFO, sizeof lifetimes, &lifetimes) == 0;
    }
  }
  if (!complete) message.reset();
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
  NetlinkChanges changes;
  std::function<void()> changed;
  std::optional<AddressIndex> address_index;  // absent: to be made

  const AddressIndex& addresses() {
    if (!address_index) address_index = picture.index();
    return *address_index;
  }

  Result<void> dump_one(const Message& message, Picture& into) {
    NetlinkChanges unused;
    return requests.request(message, [&](const nlmsghdr& answer) { into.take(answer, unused); });
  }

  Result<void> dump_into(Picture& read) {
    auto result = dump_one(rtnl::make_message(RTM_GETLINK, NLM_F_DUMP, ifinfomsg{}), read);
    for (const uint8_t family : {uint8_t{AF_INET}, uint8_t{AF_INET6}}) {
      ifaddrmsg addresses{};
      addresses.ifa_family = family;
      ndmsg neighbours{};
      neighbours.ndm_family = family;
      if (result) result = dump_one(rtnl::make_message(RTM_GETADDR, NLM_F_DUMP, addresses), read);
      if (result) result = dump_one(rtnl::make_message(RTM_GETNEIGH, NLM_F_DUMP, neighbours), read);
    }
    return result;
  }

  Result<Picture> dump() {
    Result<void> result;
    for (int attempt = 0; attempt < kDumpAttempts; ++attempt) {
      Picture read;
      result = dump_into(read);
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
  auto events =
      rtnl::Socket::open_subscribed({RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
                                     RTNLGRP_NEIGH, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE});
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

const NetlinkChanges& Netlink::changes() const {
  return impl_->changes;
}

Result<void> Netlink::process() {
  NetlinkChanges& changes = impl_->changes;
  changes = {};
  Result<void> result;
  for (int count = 0; count < kDatagramsPerCall; ++count) {
    auto received = impl_->events.receive([&](const nlmsghdr& message) {
      if (!impl_->overflowed) impl_->picture.take(message, changes);
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
      changes.everything = true;  // routes may have changed too
      impl_->picture = std::move(picture).value();
    }
    break;
  }
  if (changes.links_or_addresses || changes.everything) impl_->address_index.reset();
  if (changes.any() && impl_->changed) impl_->changed();
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
  const AddressIndex& index = impl_->addresses();
  if (index.own.contains(address)) return true;
  return address.is_v4() &&
         std::any_of(index.whole.begin(), index.whole.end(), [&](const PrefixedAddress& prefix) {
           return address.masked(prefix.prefix_length) ==
                  prefix.address.masked(prefix.prefix_length);
         });
}

std::optional<unsigned> Netlink::link_towards(const IpAddress& address) const {
  for (const auto& [key, networks] : impl_->addresses().networks) {
    const bool is_v4 = key < 256;
    if (is_v4 != address.is_v4()) continue;
    const auto found = networks.find(address.masked(is_v4 ? key : key - 256));
    if (found != networks.end()) return found->second;
  }
  return std::nullopt;
}

std::optional<Neighbour> Netlink::neighbour(unsigned index, const IpAddress& address) const {
  const auto found = impl_->picture.neighbours.find({index, address});
  if (found == impl_->picture.neighbours.end()) return std::nullopt;
  return found->second;
}

Result<Route> Netlink::route_to(const IpAddress& address) {
  rtmsg fixed{};
  fixed.rtm_family = family_of(address);
  fixed.rtm_dst_len = static_cast<unsigned char>(8 * address.size());
  Message message = rtnl::make_message(RTM_GETROUTE, NLM_F_ACK, fixed);
  if (!put_address(message, RTA_DST, address)) message.reset();
  std::optional<Route> route;
  const auto result = impl_->requests.request(message, [&](const nlmsghdr& answer) {
    if (answer.nlmsg_type == RTM_NEWROUTE) route = rtnl::parse_route(answer);
  });
  if (!result) return result.error().context(fmt::format("cannot find a route to {}", address));
  if (!route) return fail("cannot find a route to {}: none over a link", address);
  return *route;
}

Result<void> Netlink::add_address(unsigned index, const PrefixedAddress& address) {
  const auto result = impl_->requests.request(
      address_request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, address));
  if (result || result.error().code == EEXIST) return {};
  return result.error().context(
      fmt::format("cannot add {} to {}", address, impl_->name_of_link(index)));
}

Result<bool> Netlink::put_host_address(unsigned index, const PrefixedAddress& address) {
  const auto result = impl_->requests.request(
      address_request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, address, RT_SCOPE_HOST));
  if (result) return true;
  if (result.error().code == EEXIST) return false;
  return result.error().context(
      fmt::format("cannot add {} to {}", address, impl_->name_of_link(index)));
}

Result<void> Netlink::remove_address(unsigned index, const PrefixedAddress& address) {
  const auto result = impl_->requests.request(address_request(RTM_DELADDR, 0, index, address));
  // An interface that went away took its addresses along.
  if (result || result.error().code == EADDRNOTAVAIL || result.error().code == ENODEV) return {};
  return result.error().context(
      fmt::format("cannot remove {} from {}", address, impl_->name_of_link(index)));
}

}  // namespace xlb
