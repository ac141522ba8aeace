// The state behind io/netlink.h, for the files that make its requests. Internal to them.
#pragma once

#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "io/netlink.h"
#include "io/netlink_picture.h"
#include "io/netlink_socket.h"

namespace xlb {

struct Netlink::Impl {
  static constexpr int kDumpAttempts = 5;

  Impl(rtnl::Socket event_socket, rtnl::Socket request_socket)
      : events(std::move(event_socket)), requests(std::move(request_socket)) {}

  rtnl::Socket events;
  rtnl::Socket requests;
  Picture picture;
  bool overflowed = false;
  NetlinkChanges changes;
  uint64_t route_generation = 1;
  std::function<void()> changed;
  std::optional<AddressIndex> address_index;  // absent: to be made

  const AddressIndex& addresses() {
    if (!address_index) address_index = picture.index();
    return *address_index;
  }

  Result<void> dump_one(const rtnl::Message& message, Picture& into) {
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

}  // namespace xlb
