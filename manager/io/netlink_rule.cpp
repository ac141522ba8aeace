// Requests about routing rules.
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include <cerrno>

#include "io/netlink_impl.h"

namespace xlb {
namespace {

using rtnl::Message;

class RuleMessage {
 public:
  explicit RuleMessage(const RuleConfig& rule) : rule_(rule) {}

  Message compose(int type, int flags) {
    fib_rule_hdr fixed{};
    fixed.family = rtnl::family_of(rule_.family);
    fixed.dst_len = rule_.to ? rule_.to->prefix_length : 0;
    fixed.src_len = rule_.from ? rule_.from->prefix_length : 0;
    fixed.tos = rule_.tos;
    fixed.table = rule_.table < 256 ? static_cast<uint8_t>(rule_.table) : uint8_t{RT_TABLE_UNSPEC};
    fixed.action = static_cast<uint8_t>(rule_.action);
    if (rule_.inverted) fixed.flags |= FIB_RULE_INVERT;
    message_ = rtnl::make_message(type, flags | NLM_F_ACK, fixed);
    put(FRA_PRIORITY, rule_.priority);
    put(FRA_PROTOCOL, rule_.protocol);
    put_match();
    put_action();
    if (!complete_) message_.reset();
    return std::move(message_);
  }

 private:
  template <typename Value>
  void put(int attribute, const Value& value) {
    complete_ = complete_ && rtnl::put(message_, attribute, value);
  }
  void put_device(int attribute, const std::string& name) {
    if (!name.empty()) complete_ = complete_ && rtnl::put_text(message_, attribute, name);
  }
  void put_network(int attribute, const std::optional<PrefixedAddress>& network) {
    if (network) {
      complete_ = complete_ && rtnl::put_address(message_, attribute, network->address);
    }
  }
  void put_ports(int attribute, const std::optional<NumberSpan>& ports) {
    if (!ports) return;
    put(attribute, fib_rule_port_range{static_cast<uint16_t>(ports->first),
                                       static_cast<uint16_t>(ports->last)});
  }

  void put_match() {
    put_network(FRA_SRC, rule_.from);
    put_network(FRA_DST, rule_.to);
    put_device(FRA_IIFNAME, rule_.input_device);
    put_device(FRA_OIFNAME, rule_.output_device);
    if (rule_.mark) put(FRA_FWMARK, *rule_.mark);
    if (rule_.mark_mask) put(FRA_FWMASK, *rule_.mark_mask);
    if (rule_.tunnel_id) put(FRA_TUN_ID, __builtin_bswap64(*rule_.tunnel_id));
    if (rule_.users) put(FRA_UID_RANGE, fib_rule_uid_range{rule_.users->first, rule_.users->last});
    if (rule_.ip_protocol) put(FRA_IP_PROTO, *rule_.ip_protocol);
    put_ports(FRA_SPORT_RANGE, rule_.source_ports);
    put_ports(FRA_DPORT_RANGE, rule_.destination_ports);
  }

  void put_action() {
    if (rule_.l3mdev) put(FRA_L3MDEV, uint8_t{1});
    if (rule_.table != 0) put(FRA_TABLE, rule_.table);
    if (rule_.action == RuleAction::jump) put(FRA_GOTO, rule_.target);
    if (rule_.realms != 0) put(FRA_FLOW, rule_.realms);
    if (rule_.suppress_prefix_length) put(FRA_SUPPRESS_PREFIXLEN, *rule_.suppress_prefix_length);
    if (rule_.suppress_group) put(FRA_SUPPRESS_IFGROUP, *rule_.suppress_group);
  }

  const RuleConfig& rule_;
  Message message_;
  bool complete_ = true;
};

}  // namespace

Result<bool> Netlink::put_rule(const RuleConfig& rule) {
  const auto result =
      impl_->requests.request(RuleMessage(rule).compose(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL));
  if (result) return true;
  if (result.error().code == EEXIST) return false;
  return result.error().context("cannot add rule " + to_string(rule));
}

Result<void> Netlink::remove_rule(const RuleConfig& rule) {
  const auto result = impl_->requests.request(RuleMessage(rule).compose(RTM_DELRULE, 0));
  if (result || result.error().code == ENOENT) return {};
  return result.error().context("cannot remove rule " + to_string(rule));
}

}  // namespace xlb
