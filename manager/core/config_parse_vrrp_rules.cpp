// What the words of a vrrp_instance about the protocol must fit, once all of them are known: the IP
// version, the version of VRRP, the size of a frame, strict_mode.
#include <fmt/format.h>

#include <algorithm>

#include "core/config_parse_sections.h"

namespace xlb::parse {
namespace {

constexpr size_t kFrame = 1500;  // the usual MTU
constexpr size_t kTrailer = 28;
constexpr int kUsualDownTimer = 3;  // advertisements

bool is_link_local(const IpAddress& address) {
  return !address.is_v4() && address.bytes()[0] == 0xfe && (address.bytes()[1] & 0xc0) == 0x80;
}

std::string_view name_of_family(AddressFamily family) {
  return family == AddressFamily::ipv4 ? "IPv4" : "IPv6";
}

// The virtual addresses decide; without any, what the peers or the source are.
AddressFamily family_of(const VrrpDraft& draft) {
  const auto& addresses = draft.config.virtual_addresses;
  if (!addresses.empty()) return addresses.front().address.address.family();
  if (!draft.protocol.peers.empty()) return draft.protocol.peers.front().address.family();
  if (draft.protocol.source) return draft.protocol.source->family();
  return AddressFamily::ipv4;
}

void check_family(Problems& problems, const VrrpDraft& draft) {
  const AddressFamily family = draft.config.family;
  const auto other = [&](const Spot& spot, const IpAddress& address, std::string_view hint) {
    if (address.family() == family) return;
    problems.error(spot,
                   fmt::format("{} is not an {} address, as the virtual addresses are", address,
                               name_of_family(family)),
                   std::string(hint));
  };
  for (const VirtualAddress& address : draft.config.virtual_addresses) {
    other(draft.head, address.address.address,
          "put the addresses of the other IP version in virtual_ipaddress_excluded");
  }
  const ProtocolDraft& protocol = draft.protocol;
  for (size_t i = 0; i < protocol.peers.size(); ++i)
    other(protocol.peer_spots[i], protocol.peers[i].address, "");
  if (protocol.source) other(protocol.source_spot, *protocol.source, "");
  if (protocol.group) other(protocol.group_spot, *protocol.group, "");
}

void finish_version(Problems& problems, VrrpDraft& draft) {
  VrrpInstanceConfig& config = draft.config;
  if (config.family == AddressFamily::ipv4 || config.version == VrrpVersion::v3) return;
  config.version = VrrpVersion::v3;
  if (draft.version) {
    problems.warning(draft.head, "version 2 is ignored: IPv6 is spoken in version 3");
  }
}

void check_size(Problems& problems, const VrrpDraft& draft) {
  const VrrpInstanceConfig& config = draft.config;
  const bool v4 = config.family == AddressFamily::ipv4;
  const size_t fixed = (v4 ? 20 : 40) + 8 + (config.version == VrrpVersion::v2 ? 8 : 0) +
                       (draft.protocol.hmac ? kTrailer : 0);
  const size_t most = (kFrame - fixed) / (v4 ? 4 : 16);
  if (config.virtual_addresses.size() <= most) return;
  problems.error(draft.head,
                 fmt::format("{} addresses do not fit in one frame: at most {} do",
                             config.virtual_addresses.size(), most),
                 "put the others in virtual_ipaddress_excluded");
}

// What keepalived refuses under strict_mode is refused; what it clears is cleared.
void finish_strict(Problems& problems, VrrpDraft& draft) {
  VrrpInstanceConfig& config = draft.config;
  if (!config.protocol.strict) return;
  const auto refuse = [&](bool holds, std::string_view what) {
    if (holds) problems.error(draft.head, fmt::format("strict_mode: {}", what));
  };
  const auto& addresses = config.virtual_addresses;
  refuse(addresses.empty(), "there is no virtual_ipaddress");
  if (!config.protocol.peers.empty()) {
    problems.warning(draft.protocol.peers_spot,
                     "strict_mode: unicast_peer is no VRRP; it is used all the same");
  }
  refuse(config.family == AddressFamily::ipv6 && !addresses.empty() &&
             std::none_of(addresses.begin(), addresses.end(),
                          [](const auto& item) { return is_link_local(item.address.address); }),
         "an IPv6 virtual router needs a link-local virtual address");
  const auto clear = [&](bool holds, std::string_view what) {
    if (holds) problems.warning(draft.head, fmt::format("strict_mode: {} is ignored", what));
  };
  clear(!config.auth_password.empty(), "authentication");
  config.auth_password.clear();
  clear(config.protocol.preempt_delay.count() > 0, "preempt_delay");
  config.protocol.preempt_delay = {};
  clear(config.protocol.answer_lower_priority && draft.protocol.lower_prio_no_advert.has_value(),
        "lower_prio_no_advert off");
  config.protocol.answer_lower_priority = false;
  clear(config.protocol.advertise_before_yielding, "higher_prio_send_advert");
  config.protocol.advertise_before_yielding = false;
  clear(config.protocol.down_timer_adverts != kUsualDownTimer, "down_timer_adverts");
  config.protocol.down_timer_adverts = kUsualDownTimer;
  clear(draft.announce.lower_priority_repeat.value_or(0) > 0, "garp_lower_prio_repeat");
  clear(draft.announce.lower_priority_delay.value_or(std::chrono::seconds(0)).count() > 0,
        "garp_lower_prio_delay");
  config.announce.lower_priority_repeat = 0;
  config.announce.lower_priority_delay = {};
  if (config.initial_state == VrrpInitialState::master && config.priority != 255) {
    clear(true, "state MASTER without priority 255");
    config.initial_state = VrrpInitialState::backup;
  }
}

// RFC 3768 has no accept mode; RFC 9568 has it off but for the addresses' owner.
void finish_accept(Problems& problems, VrrpDraft& draft) {
  VrrpInstanceConfig& config = draft.config;
  const bool owner = config.priority == 255;
  config.accept = draft.accept.value_or(true);
  if (owner || !config.protocol.strict || draft.accept == false) return;
  if (draft.accept && config.version == VrrpVersion::v3) return;
  config.accept = false;
  problems.warning(
      draft.head,
      fmt::format("strict_mode: {}: the addresses take what their virtual servers are for and drop "
                  "everything else",
                  draft.accept ? "version 2 has no accept" : "no_accept is implied"),
      draft.accept ? "version 3" : "accept, with version 3");
}

void take_over_defaults(const ProtocolDefaults& defaults, VrrpDraft& draft) {
  const ProtocolDraft& said = draft.protocol;
  VrrpProtocol& protocol = draft.config.protocol;
  const bool v4 = draft.config.family == AddressFamily::ipv4;
  protocol.peers = said.peers;
  protocol.source = said.source;
  const IpAddress usual =
      v4 ? IpAddress::v4(224, 0, 0, 18)
         : IpAddress::from_v6({0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12});
  protocol.group = said.group.value_or((v4 ? defaults.group4 : defaults.group6).value_or(usual));
  protocol.down_timer_adverts = said.down_timer_adverts.value_or(defaults.down_timer_adverts);
  protocol.strict = said.strict.value_or(defaults.strict);
  protocol.answer_lower_priority =
      !said.lower_prio_no_advert.value_or(defaults.lower_prio_no_advert.value_or(protocol.strict));
  protocol.advertise_before_yielding =
      said.higher_prio_send_advert.value_or(defaults.higher_prio_send_advert);
  protocol.owner_ignores_adverts =
      said.owner_ignore_adverts.value_or(defaults.owner_ignore_adverts);
  protocol.plain_checksum = said.plain_checksum.value_or(defaults.plain_checksum);
  protocol.compare_addresses = !said.skip_check_adv_addr.value_or(defaults.skip_check_adv_addr);
}

}  // namespace

// Before the advertisement interval is judged, which depends on the version.
void finish_family(Sections& sections, VrrpDraft& draft) {
  draft.config.family = family_of(draft);
  draft.config.version = draft.version.value_or(sections.default_version);
  check_family(sections.problems, draft);
  finish_version(sections.problems, draft);
}

// When everything else of the instance is finished.
void finish_protocol(Sections& sections, VrrpDraft& draft) {
  Problems& problems = sections.problems;
  take_over_defaults(sections.protocol_defaults, draft);
  finish_auth_hmac(problems, draft);
  check_size(problems, draft);
  finish_strict(problems, draft);
  finish_accept(problems, draft);
  VrrpProtocol& protocol = draft.config.protocol;
  if (protocol.preempt_delay.count() > 0 &&
      draft.config.initial_state == VrrpInitialState::master) {
    protocol.preempt_delay = {};
    problems.warning(draft.protocol.preempt_delay_spot,
                     "preempt_delay is ignored: it needs state BACKUP", "state BACKUP");
  }
  if (protocol.preempt_delay.count() > 0 && !draft.config.preempt) {
    protocol.preempt_delay = {};
    problems.warning(draft.protocol.preempt_delay_spot,
                     "preempt_delay is ignored: with nopreempt no master is preempted");
  }
  if (protocol.peers.empty() && draft.protocol.unicast_spot.line != 0 &&
      !protocol.fault_without_peers) {
    problems.warning(draft.protocol.unicast_spot,
                     "there is no unicast_peer: advertisements go to the multicast group",
                     "unicast_peer { ADDRESS }, or unicast_fault_no_peer");
  }
  if (!protocol.peers.empty() && draft.protocol.group) {
    problems.warning(draft.protocol.group_spot,
                     "mcast_dst_ip is ignored: advertisements go to the peers");
  }
}

}  // namespace xlb::parse
