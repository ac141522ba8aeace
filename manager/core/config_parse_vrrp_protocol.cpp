// vrrp_instance and global_defs: the words about the protocol. auth_hmac is in
// config_parse_vrrp_hmac.cpp, what they must fit is in config_parse_vrrp_rules.cpp.
#include <fmt/format.h>

#include <algorithm>

#include "core/config_parse_sections.h"

namespace xlb::parse {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr microseconds kLongestPreemptDelay{1'000'000'000};
constexpr NumberRange kTtl{0, 255};
constexpr NumberRange kDownTimerAdverts{1, 100};

bool is_multicast(const IpAddress& address) {
  const uint8_t first = address.bytes()[0];
  return address.is_v4() ? first >> 4 == 0x0e : first == 0xff;
}

// One that VRRP can come from; link-local ones are what IPv6 uses.
std::optional<IpAddress> read_unicast(Sections& sections, const Word& word, std::string_view of) {
  const auto address = sections.values.ip(word, of);
  if (!address) return std::nullopt;
  if (!is_multicast(*address) && !address->is_unspecified()) return address;
  sections.problems.error(word.spot,
                          fmt::format("{} cannot be a director's address", quoted(word.text)));
  return std::nullopt;
}

std::optional<IpAddress> read_group(Sections& sections, const Word& word, std::string_view of) {
  const auto address = sections.values.ip(word, of);
  if (!address) return std::nullopt;
  const bool link_local = address->is_v4() || (address->bytes()[1] & 0x0f) == 2;
  if (is_multicast(*address) && link_local) return address;
  sections.problems.error(
      word.spot,
      is_multicast(*address)
          ? fmt::format("{} is not a link-local multicast address", quoted(word.text))
          : fmt::format("{} is not a multicast address", quoted(word.text)),
      address->is_v4() ? "the usual one is 224.0.0.18" : "the usual one is ff02::12");
  return std::nullopt;
}

std::optional<uint8_t> read_ttl(Sections& sections, Arguments& arguments, std::string_view of) {
  const Word* word = arguments.take("a number from 0 to 255");
  if (word == nullptr) return std::nullopt;
  const auto ttl = sections.values.number(*word, of, kTtl);
  if (!ttl) return std::nullopt;
  return static_cast<uint8_t>(*ttl);
}

void read_peer(Sections& sections, ProtocolDraft& draft, const Line& line) {
  // The line's first word is the address, not a keyword: Arguments takes what follows.
  Arguments arguments(line, sections.problems);
  const auto address = read_unicast(sections, line.words[0], "unicast_peer");
  UnicastPeer peer;
  while (const Word* word = arguments.take_if_any()) {
    if (word->text == "min_ttl") {
      peer.min_ttl = read_ttl(sections, arguments, "min_ttl");
    } else if (word->text == "max_ttl") {
      peer.max_ttl = read_ttl(sections, arguments, "max_ttl");
    } else {
      sections.blocks.unknown(word->spot,
                              fmt::format("unknown word {} after a peer", quoted(word->text)),
                              "min_ttl or max_ttl");
    }
  }
  if (peer.min_ttl && peer.max_ttl && *peer.min_ttl > *peer.max_ttl) {
    sections.problems.error(line.spot, "min_ttl is greater than max_ttl");
  }
  if (!address) return;
  peer.address = *address;
  const bool known =
      std::any_of(draft.peers.begin(), draft.peers.end(),
                  [&](const UnicastPeer& other) { return other.address == *address; });
  if (known) {
    return sections.problems.warning(
        line.spot, fmt::format("{} stands here a second time", quoted(line.words[0].text)));
  }
  draft.peers.push_back(peer);
  draft.peer_spots.push_back(line.spot);
}

void read_unicast_peer(Sections& sections, VrrpDraft& draft, const Line& line) {
  { const Arguments none(line, sections.problems); }
  draft.protocol.peers_spot = draft.protocol.unicast_spot = line.spot;
  sections.blocks.read_lines(BlockKind::lines, line,
                             [&](const Line& peer) { read_peer(sections, draft.protocol, peer); });
}

void read_source(Sections& sections, VrrpDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("an address of this host");
  if (word == nullptr) return;
  if (line.words[0].text == "unicast_src_ip") draft.protocol.unicast_spot = line.spot;
  const auto address = IpAddress::parse(word->text);
  if (address && (is_multicast(*address) || address->is_unspecified())) {
    return sections.problems.warning(
        word->spot,
        fmt::format("{} cannot be a director's address: it is ignored", quoted(word->text)));
  }
  draft.protocol.source_spot = word->spot;
  draft.protocol.source = read_unicast(sections, *word, line.words[0].text);
}

void read_mcast_dst_ip(Sections& sections, VrrpDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a multicast address");
  if (word == nullptr) return;
  draft.protocol.group_spot = word->spot;
  draft.protocol.group = read_group(sections, *word, "mcast_dst_ip");
}

void read_unicast_ttl(Sections& sections, VrrpDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  draft.protocol.unicast_spot = line.spot;
  if (const auto ttl = read_ttl(sections, arguments, "unicast_ttl")) {
    draft.config.protocol.unicast_ttl = *ttl;
  }
}

void read_preempt_delay(Sections& sections, VrrpDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a number of seconds");
  if (word == nullptr) return;
  draft.protocol.preempt_delay_spot = word->spot;
  const auto time =
      sections.values.time(*word, "preempt_delay", microseconds(0), kLongestPreemptDelay);
  if (time) {
    draft.config.protocol.preempt_delay = std::chrono::duration_cast<milliseconds>(*time);
  }
}

std::optional<int> read_adverts(Sections& sections, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a number from 1 to 100");
  if (word == nullptr) return std::nullopt;
  const auto adverts = sections.values.number(*word, line.words[0].text, kDownTimerAdverts);
  if (!adverts) return std::nullopt;
  return static_cast<int>(*adverts);
}

void read_down_timer_adverts(Sections& sections, VrrpDraft& draft, const Line& line) {
  if (const auto adverts = read_adverts(sections, line)) {
    draft.protocol.down_timer_adverts = adverts;
  }
}

template <std::optional<bool> ProtocolDraft::*kMember>
void read_flag(Sections& sections, VrrpDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  if (const auto flag = sections.values.flag(arguments)) draft.protocol.*kMember = flag;
}

template <bool VrrpProtocol::*kMember>
void read_switch(Sections& sections, VrrpDraft& draft, const Line& line) {
  const Arguments none(line, sections.problems);
  draft.config.protocol.*kMember = true;
}

// Peers are always checked.
void read_check_unicast_src(Sections& sections, VrrpDraft&, const Line& line) {
  const Arguments none(line, sections.problems);
}

template <bool ProtocolDefaults::*kMember>
void read_default_alone(Sections& sections, GlobalSettings&, const Line& line) {
  Arguments arguments(line, sections.problems);
  sections.protocol_defaults.*kMember = sections.values.flag_or_true(arguments);
}

template <auto kMember>
void read_default(Sections& sections, GlobalSettings&, const Line& line) {
  Arguments arguments(line, sections.problems);
  if (const auto flag = sections.values.flag(arguments)) {
    sections.protocol_defaults.*kMember = *flag;
  }
}

template <std::optional<IpAddress> ProtocolDefaults::*kMember>
void read_default_group(Sections& sections, GlobalSettings&, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a multicast address");
  if (word == nullptr) return;
  const auto group = read_group(sections, *word, line.words[0].text);
  if (!group) return;
  constexpr bool kIsV4 = kMember == &ProtocolDefaults::group4;
  if (group->is_v4() != kIsV4) {
    return sections.problems.error(
        word->spot,
        fmt::format("{} is not an {} address", quoted(word->text), kIsV4 ? "IPv4" : "IPv6"));
  }
  sections.protocol_defaults.*kMember = group;
}

void read_default_down_timer(Sections& sections, GlobalSettings&, const Line& line) {
  if (const auto adverts = read_adverts(sections, line)) {
    sections.protocol_defaults.down_timer_adverts = *adverts;
  }
}

void read_default_check_unicast_src(Sections& sections, GlobalSettings&, const Line& line) {
  const Arguments none(line, sections.problems);
}

constexpr WordReader<VrrpDraft> kWords[] = {
    {"unicast_peer", read_unicast_peer},
    {"unicast_src_ip", read_source},
    {"mcast_src_ip", read_source},
    {"mcast_dst_ip", read_mcast_dst_ip},
    {"unicast_ttl", read_unicast_ttl},
    {"unicast_fault_no_peer", read_switch<&VrrpProtocol::fault_without_peers>},
    {"track_src_ip", read_switch<&VrrpProtocol::track_source>},
    {"check_unicast_src", read_check_unicast_src},
    {"preempt_delay", read_preempt_delay},
    {"down_timer_adverts", read_down_timer_adverts},
    {"lower_prio_no_advert", read_flag<&ProtocolDraft::lower_prio_no_advert>},
    {"higher_prio_send_advert", read_flag<&ProtocolDraft::higher_prio_send_advert>},
    {"owner_ignore_adverts", read_flag<&ProtocolDraft::owner_ignore_adverts>},
    {"v3_checksum_as_v2", read_flag<&ProtocolDraft::plain_checksum>},
    {"skip_check_adv_addr", read_flag<&ProtocolDraft::skip_check_adv_addr>},
    {"strict_mode", read_flag<&ProtocolDraft::strict>},
    {"auth_hmac", read_auth_hmac},
};

constexpr WordReader<GlobalSettings> kGlobalWords[] = {
    {"vrrp_mcast_group4", read_default_group<&ProtocolDefaults::group4>},
    {"vrrp_mcast_group6", read_default_group<&ProtocolDefaults::group6>},
    {"vrrp_down_timer_adverts", read_default_down_timer},
    {"vrrp_lower_prio_no_advert", read_default<&ProtocolDefaults::lower_prio_no_advert>},
    {"vrrp_higher_prio_send_advert", read_default<&ProtocolDefaults::higher_prio_send_advert>},
    {"vrrp_owner_ignore_adverts", read_default<&ProtocolDefaults::owner_ignore_adverts>},
    {"v3_checksum_as_v2", read_default<&ProtocolDefaults::plain_checksum>},
    {"vrrp_skip_check_adv_addr", read_default_alone<&ProtocolDefaults::skip_check_adv_addr>},
    {"vrrp_strict", read_default_alone<&ProtocolDefaults::strict>},
    {"vrrp_check_unicast_src", read_default_check_unicast_src},
};

}  // namespace

std::span<const WordReader<VrrpDraft>> protocol_words_of_vrrp_instance() {
  return kWords;
}

std::span<const WordReader<GlobalSettings>> protocol_words_of_global_defs() {
  return kGlobalWords;
}

}  // namespace xlb::parse
