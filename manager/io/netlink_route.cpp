// Requests about routes. A route is put and removed with the same words, so that the kernel finds
// exactly what was put.
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include <cerrno>

#include "io/netlink_impl.h"

namespace xlb {
namespace {

using rtnl::Message;

class RouteMessage {
 public:
  RouteMessage(const Netlink& netlink, const RouteConfig& route)
      : netlink_(netlink), route_(route) {}

  Result<Message> compose(int type, int flags) {
    rtmsg fixed{};
    fixed.rtm_family = rtnl::family_of(route_.family);
    fixed.rtm_dst_len = route_.destination.prefix_length;
    fixed.rtm_src_len = route_.from ? route_.from->prefix_length : 0;
    fixed.rtm_tos = route_.tos;
    fixed.rtm_table =
        route_.table < 256 ? static_cast<uint8_t>(route_.table) : uint8_t{RT_TABLE_UNSPEC};
    fixed.rtm_protocol = route_.protocol;
    fixed.rtm_scope = static_cast<uint8_t>(route_.scope.value_or(Scope::global));
    fixed.rtm_type = static_cast<uint8_t>(route_.type);
    if (route_.next_hop.onlink) fixed.rtm_flags |= RTNH_F_ONLINK;
    message_ = rtnl::make_message(type, flags | NLM_F_ACK, fixed);
    put(RTA_TABLE, route_.table);
    if (route_.destination.prefix_length > 0) put(RTA_DST, route_.destination.address);
    if (route_.from) put(RTA_SRC, route_.from->address);
    if (route_.source) put(RTA_PREFSRC, *route_.source);
    if (route_.metric) put(RTA_PRIORITY, *route_.metric);
    if (route_.preference) put(RTA_PREF, *route_.preference);
    if (route_.expires) put(RTA_EXPIRES, *route_.expires);
    put_metrics();
    put_hop(route_.next_hop);
    if (!route_.next_hop.device.empty()) put(RTA_OIF, index_of(route_.next_hop.device));
    if (!route_.next_hops.empty()) put_hops();
    if (!missing_.empty()) {
      Error error = fail("interface {} does not exist", missing_);
      error.code = ENODEV;
      return error;
    }
    if (!complete_) message_.reset();
    return std::move(message_);
  }

 private:
  template <typename Value>
  void put(int attribute, const Value& value) {
    complete_ = complete_ && rtnl::put(message_, attribute, value);
  }
  void put(int attribute, const IpAddress& address) {
    complete_ = complete_ && rtnl::put_address(message_, attribute, address);
  }
  uint32_t index_of(const std::string& device) {
    const auto link = netlink_.link(device);
    if (!link) missing_ = device;
    return link ? link->index : 0;
  }
  nlattr* nest(int attribute) {
    nlattr* result = message_ == nullptr ? nullptr : nla_nest_start(message_.get(), attribute);
    complete_ = complete_ && result != nullptr;
    return result;
  }

  void put_metrics() {
    if (route_.metrics.empty() && route_.congestion.empty()) return;
    nlattr* nested = nest(RTA_METRICS);
    if (nested == nullptr) return;
    uint32_t locks = route_.congestion_locked ? 1U << RTAX_CC_ALGO : 0;
    for (const RouteMetric& metric : route_.metrics) {
      put(metric.kind, metric.value);
      if (metric.locked) locks |= 1U << metric.kind;
    }
    if (!route_.congestion.empty()) {
      complete_ = complete_ && rtnl::put_text(message_, RTAX_CC_ALGO, route_.congestion);
    }
    if (locks != 0) put(RTAX_LOCK, locks);
    nla_nest_end(message_.get(), nested);
  }

  void put_hop(const NextHopConfig& hop) {
    if (hop.realms != 0) put(RTA_FLOW, hop.realms);
    if (!hop.via) return;
    if (hop.via->family() == route_.family) return put(RTA_GATEWAY, *hop.via);
    struct {
      uint16_t family;
      std::array<uint8_t, 16> address;
    } via{rtnl::family_of(hop.via->family()), hop.via->bytes()};
    complete_ =
        complete_ && rtnl::put(message_, RTA_VIA, &via, sizeof via.family + hop.via->size());
  }

  void put_hops() {
    nlattr* nested = nest(RTA_MULTIPATH);
    if (nested == nullptr) return;
    for (const NextHopConfig& hop : route_.next_hops) {
      const size_t begin = nlmsg_hdr(message_.get())->nlmsg_len;
      rtnexthop fixed{};
      fixed.rtnh_hops = static_cast<unsigned char>(hop.weight - 1);
      fixed.rtnh_flags = hop.onlink ? RTNH_F_ONLINK : 0;
      if (!hop.device.empty()) fixed.rtnh_ifindex = static_cast<int>(index_of(hop.device));
      complete_ =
          complete_ && nlmsg_append(message_.get(), &fixed, sizeof fixed, NLMSG_ALIGNTO) == 0;
      put_hop(hop);
      if (!complete_) return;
      auto* written =
          reinterpret_cast<rtnexthop*>(reinterpret_cast<char*>(nlmsg_hdr(message_.get())) + begin);
      written->rtnh_len = static_cast<unsigned short>(nlmsg_hdr(message_.get())->nlmsg_len - begin);
    }
    nla_nest_end(message_.get(), nested);
  }

  const Netlink& netlink_;
  const RouteConfig& route_;
  Message message_;
  bool complete_ = true;
  std::string missing_;  // an interface
};

}  // namespace

Result<bool> Netlink::put_route(const RouteConfig& route) {
  const int flags = NLM_F_CREATE | (route.append ? NLM_F_APPEND : 0);
  auto message = RouteMessage(*this, route).compose(RTM_NEWROUTE, flags);
  if (!message) return message.error().context("cannot add route " + to_string(route));
  const auto result = impl_->requests.request(*message);
  if (result) return true;
  if (result.error().code == EEXIST) return false;
  return result.error().context("cannot add route " + to_string(route));
}

Result<void> Netlink::remove_route(const RouteConfig& route) {
  auto message = RouteMessage(*this, route).compose(RTM_DELROUTE, 0);
  // An interface that went away took its routes along.
  if (!message && message.error().code == ENODEV) return {};
  if (!message) return message.error();
  const auto result = impl_->requests.request(*message);
  if (result || result.error().code == ESRCH || result.error().code == ENODEV) return {};
  return result.error().context("cannot remove route " + to_string(route));
}

}  // namespace xlb
