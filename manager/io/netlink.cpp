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

#include "io/netlink_impl.h"
#include "io/netlink_message.h"

namespace xlb {
namespace {

using rtnl::Message;

constexpr int kDatagramsPerCall = 1000;
}  // namespace

Netlink::Netlink() = default;
Netlink::~Netlink() = default;

Result<std::unique_ptr<Netlink>> Netlink::open() {
  auto events = rtnl::Socket::open_subscribed(
      {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_NEIGH, RTNLGRP_IPV4_ROUTE,
       RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE});
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
  if (changes.links_or_addresses || changes.routes || changes.everything) {
    ++impl_->route_generation;
  }
  if (changes.any() && impl_->changed) impl_->changed();
  return result;
}

uint64_t Netlink::route_generation() const {
  return impl_->route_generation;
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

std::vector<Link> Netlink::links() const {
  std::vector<Link> result;
  for (const auto& [index, link] : impl_->picture.links)
    result.push_back(link);
  return result;
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
  fixed.rtm_family = rtnl::family_of(address.family());
  fixed.rtm_dst_len = static_cast<unsigned char>(8 * address.size());
  Message message = rtnl::make_message(RTM_GETROUTE, NLM_F_ACK, fixed);
  if (!rtnl::put_address(message, RTA_DST, address)) message.reset();
  std::optional<Route> route;
  const auto result = impl_->requests.request(message, [&](const nlmsghdr& answer) {
    if (answer.nlmsg_type == RTM_NEWROUTE) route = rtnl::parse_route(answer);
  });
  if (!result) return result.error().context(fmt::format("cannot find a route to {}", address));
  if (!route) return fail("cannot find a route to {}: none over a link", address);
  return *route;
}

}  // namespace xlb
