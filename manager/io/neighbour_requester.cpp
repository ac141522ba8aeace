#include "io/neighbour_requester.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include <utility>

namespace xlb {
namespace {

// NTF_USE without a state starts resolution as a packet would; NUD_PROBE asks again for an entry
// that has a MAC, which stays in use meanwhile.
rtnl::Message request_for(unsigned index, const IpAddress& address, bool has_mac) {
  ndmsg fixed{};
  fixed.ndm_family = address.is_v4() ? AF_INET : AF_INET6;
  fixed.ndm_ifindex = static_cast<int>(index);
  fixed.ndm_state = has_mac ? NUD_PROBE : NUD_NONE;
  fixed.ndm_flags = has_mac ? 0 : NTF_USE;
  const int flags = NLM_F_ACK | (has_mac ? NLM_F_REPLACE : NLM_F_CREATE);
  rtnl::Message message = rtnl::make_message(RTM_NEWNEIGH, flags, fixed);
  if (message && nla_put(message.get(), NDA_DST, static_cast<int>(address.size()),
                         address.bytes().data()) != 0) {
    message.reset();
  }
  return message;
}

}  // namespace

Result<NeighbourRequester> NeighbourRequester::open() {
  auto socket = rtnl::Socket::open();
  if (!socket) return socket.error();
  return NeighbourRequester(std::move(*socket));
}

Result<void> NeighbourRequester::resolve(unsigned index, const IpAddress& address,
                                         const std::optional<Neighbour>& known) {
  if (known && known->fixed) return {};
  if (known && known->state == Neighbour::State::usable &&
      socket_.request(request_for(index, address, true))) {
    return {};
  }
  // Unknown, unanswered, or it lost its MAC since.
  const auto result = socket_.request(request_for(index, address, false));
  if (result) return {};
  return result.error().context(fmt::format("cannot resolve {} on interface {}", address, index));
}

}  // namespace xlb
