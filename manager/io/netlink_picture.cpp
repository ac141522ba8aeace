#include "io/netlink_picture.h"

#include <linux/rtnetlink.h>

#include <algorithm>

#include "io/netlink_message.h"

namespace xlb {
namespace {

template <typename Map, typename Value>
bool set_or_erase(Map& map, const typename Map::key_type& key, const Value& value, bool erase) {
  if (erase) return map.erase(key) != 0;
  const auto [place, added] = map.try_emplace(key, value);
  if (added) return true;
  if (place->second == value) return false;
  place->second = value;
  return true;
}

}  // namespace

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

void Picture::take(const nlmsghdr& message, NetlinkChanges& changes) {
  switch (message.nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK: {
      const auto link = rtnl::parse_link(message);
      if (link && take_link(*link, message.nlmsg_type == RTM_DELLINK)) {
        changes.links_or_addresses = true;
      }
      return;
    }
    case RTM_NEWADDR:
    case RTM_DELADDR: {
      const auto address = rtnl::parse_address(message);
      if (address && take_address(*address, message.nlmsg_type == RTM_DELADDR)) {
        changes.links_or_addresses = true;
      }
      return;
    }
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH: {
      const auto neighbour = rtnl::parse_neighbour(message);
      if (neighbour && take_neighbour(*neighbour, message.nlmsg_type == RTM_DELNEIGH)) {
        changes.neighbours.emplace_back(neighbour->interface_index, neighbour->address);
      }
      return;
    }
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
    case RTM_NEWRULE:
    case RTM_DELRULE:
      changes.routes = true;
      return;
    default:
      return;
  }
}

AddressIndex Picture::index() const {
  AddressIndex result;
  for (const InterfaceAddress& entry : addresses) {
    const IpAddress& address = entry.address.address;
    const unsigned length = entry.address.prefix_length;
    result.own.insert(address);
    const auto link = links.find(entry.interface_index);
    if (link != links.end() && link->second.loopback && address.is_v4() && length < 32) {
      result.whole.push_back(entry.address);
    }
    if (length >= 8 * address.size()) continue;  // a network of nobody else
    result.networks[AddressIndex::length_key(address, length)].try_emplace(address.masked(length),
                                                                           entry.interface_index);
  }
  return result;
}

}  // namespace xlb
