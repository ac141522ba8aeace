// Announcements, virtual MACs, routes and rules: the words of vrrp_instance and global_defs that
// say what is on the network, and the static_* blocks.
#include "core/config_parse_network.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/config_parse_sections.h"

namespace xlb::parse {
namespace {

constexpr uint64_t kLongestDelay = 86400;
constexpr uint64_t kMostRepeats = 255;

void read_seconds(Sections& sections, const Line& line, std::optional<std::chrono::seconds>& into) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a number of seconds");
  if (word == nullptr) return;
  const auto seconds = sections.values.number(*word, arguments.keyword().text, {0, kLongestDelay});
  if (seconds) into = std::chrono::seconds(*seconds);
}

void read_count(Sections& sections, const Line& line, std::optional<unsigned>& into) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a number");
  if (word == nullptr) return;
  const auto count = sections.values.number(*word, arguments.keyword().text, {0, kMostRepeats});
  if (count) into = static_cast<unsigned>(*count);
}

// At least one time.
void read_repeats(Sections& sections, const Line& line, std::optional<unsigned>& into) {
  read_count(sections, line, into);
  if (into != 0U) return;
  into = 1;
  sections.problems.warning(line.spot,
                            fmt::format("{} 0 is taken for 1", quoted(line.words[0].text)));
}

void read_interval(Sections& sections, const Line& line, std::chrono::microseconds& into) {
  using std::chrono::microseconds;
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a number of seconds");
  if (word == nullptr) return;
  const std::string& keyword = arguments.keyword().text;
  const auto interval =
      sections.values.time(*word, keyword, microseconds(0), std::chrono::seconds(kLongestDelay));
  if (!interval) return;
  into = *interval;
  if (into.count() == 0 && keyword.starts_with("vrrp_")) {
    sections.problems.warning(line.spot, fmt::format("{} 0 is what is done without it", keyword),
                              "leave the line out");
  }
}

void finish_announce(const AnnounceDraft& own, const AnnounceDraft& global,
                     AnnounceSettings& result) {
  const AnnounceSettings defaults;
  const bool minimal = global.minimal;
  const auto pick = [](const auto& first, const auto& second, const auto& otherwise) {
    return first ? *first : second.value_or(otherwise);
  };
  result.delay = pick(own.delay, global.delay, minimal ? std::chrono::seconds(0) : defaults.delay);
  result.repeat = pick(own.repeat, global.repeat, minimal ? 1U : defaults.repeat);
  result.refresh = pick(own.refresh, global.refresh, defaults.refresh);
  result.refresh_repeat = pick(own.refresh_repeat, global.refresh_repeat, defaults.refresh_repeat);
  result.lower_priority_delay =
      pick(own.lower_priority_delay, global.lower_priority_delay, result.delay);
  result.lower_priority_repeat =
      pick(own.lower_priority_repeat, global.lower_priority_repeat, result.repeat);
}

// Five or six hexadecimal bytes.
std::optional<MacAddress> parse_mac(const std::string& text, bool& of_five) {
  of_five = std::count(text.begin(), text.end(), ':') == 4;
  return MacAddress::parse(of_five ? text + ":00" : text);
}

// Whether another instance's macvlan is or will be called so.
bool names_macvlan(const Sections& sections, const VrrpDraft& own, const std::string& name) {
  return std::any_of(sections.vrrp_instances.begin(), sections.vrrp_instances.end(),
                     [&](const VrrpDraft& other) {
                       if (&other == &own) return false;
                       if (other.config.virtual_mac) {
                         return other.config.virtual_mac->interface == name;
                       }
                       return other.virtual_mac.wanted && other.virtual_mac.interface == name;
                     });
}

// keepalived's: the VRID, which instances on several interfaces may share, and so the IP version
// and a number where it must be.
std::string unused_name(const Sections& sections, const VrrpDraft& draft) {
  const std::string& prefix = sections.config.network.virtual_mac_prefix;
  const VrrpInstanceConfig& config = draft.config;
  const bool is_v6 = !config.virtual_addresses.empty() &&
                     !config.virtual_addresses.front().address.address.is_v4();
  std::string name = fmt::format("{}.{}", prefix, config.virtual_router_id);
  for (int number = 0; names_macvlan(sections, draft, name); ++number) {
    name = fmt::format("{}{}.{}", prefix, is_v6 ? 6 : 4, config.virtual_router_id);
    if (number > 0) name += fmt::format(".{}", number);
  }
  return name;
}

void finish_virtual_mac(Sections& sections, VrrpDraft& draft) {
  const VirtualMacDraft& mac = draft.virtual_mac;
  VrrpInstanceConfig& config = draft.config;
  if (!mac.wanted) {
    if (mac.advertise_on_base) {
      sections.problems.warning(mac.spot, "vmac_xmit_base without use_vmac does nothing");
    }
    return;
  }
  VirtualMac result;
  result.advertise_on_base = mac.advertise_on_base;
  if (!mac.advertise_on_base && draft.protocol.unicast_spot.line != 0) {
    result.advertise_on_base = true;
    sections.problems.warning(
        mac.spot,
        "use_vmac with unicast needs vmac_xmit_base: it is set, as keepalived "
        "does",
        "vmac_xmit_base");
  }
  result.mac = mac.mac;
  if (result.mac && mac.mac_of_five) result.mac->bytes[5] = config.virtual_router_id;
  result.interface = mac.interface.empty() ? unused_name(sections, draft) : mac.interface;
  if (names_macvlan(sections, draft, result.interface)) {
    return sections.problems.error(
        mac.spot, fmt::format("the interface {} is another instance's", result.interface),
        "give each a name of its own, or none");
  }
  if (result.interface == config.interface) {
    return sections.problems.error(mac.spot, "use_vmac needs a name of its own for the interface",
                                   "use_vmac vrrp.51");
  }
  config.virtual_mac = result;
}

template <typename Item, typename Read>
void read_network_lines(Sections& sections, const Line& head, std::vector<Item>& into,
                        const Read& read) {
  { const Arguments none(head, sections.problems); }
  sections.blocks.read_lines(BlockKind::lines, head, [&](const Line& line) {
    auto item = read(line);
    if (!item) return;
    if (std::find(into.begin(), into.end(), *item) != into.end()) {
      return sections.problems.warning(line.spot, "this line stands here a second time");
    }
    into.push_back(std::move(*item));
  });
}

void read_routes(Sections& sections, const Line& head, std::vector<RouteConfig>& into) {
  read_network_lines(sections, head, into, [&](const Line& line) {
    return read_route(line, sections.problems, sections.network.names);
  });
}

void read_rules(Sections& sections, const Line& head, std::vector<RuleConfig>& into) {
  read_network_lines(sections, head, into, [&](const Line& line) {
    return read_rule(line, sections.problems, sections.network.names,
                     sections.network.rule_priorities);
  });
}

struct GarpGroupDraft {
  AnnounceGroup group;
};

void read_group_interval(Sections& sections, GarpGroupDraft& draft, const Line& line) {
  const bool arp = line.words[0].text == "garp_interval";
  read_interval(sections, line,
                arp ? draft.group.spacing.arp : draft.group.spacing.neighbour_advert);
}

void add_interface(Sections& sections, GarpGroupDraft& draft, const Word& word) {
  if (auto name = sections.values.interface_name(word, "interface")) {
    draft.group.interfaces.push_back(std::move(*name));
  }
}

void read_group_interface(Sections& sections, GarpGroupDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  if (const Word* word = arguments.take("an interface's name")) {
    add_interface(sections, draft, *word);
  }
}

void read_group_interfaces(Sections& sections, GarpGroupDraft& draft, const Line& head) {
  { const Arguments none(head, sections.problems); }
  sections.blocks.read_lines(BlockKind::lines, head, [&](const Line& line) {
    for (const Word& word : line.words)
      add_interface(sections, draft, word);
  });
}

}  // namespace

void read_announce_word(Sections& sections, AnnounceDraft& draft, const Line& line) {
  std::string_view word = line.words[0].text;
  if (word.starts_with("vrrp_")) word.remove_prefix(5);
  if (word == "garp_master_delay") return read_seconds(sections, line, draft.delay);
  if (word == "garp_master_refresh") return read_seconds(sections, line, draft.refresh);
  if (word == "garp_lower_prio_delay") {
    return read_seconds(sections, line, draft.lower_priority_delay);
  }
  if (word == "garp_master_repeat") return read_repeats(sections, line, draft.repeat);
  if (word == "garp_master_refresh_repeat") {
    return read_repeats(sections, line, draft.refresh_repeat);
  }
  if (word == "garp_lower_prio_repeat") {
    return read_count(sections, line, draft.lower_priority_repeat);
  }
  Arguments arguments(line, sections.problems);  // vrrp_min_garp
  if (const auto minimal = sections.values.flag(arguments)) draft.minimal = *minimal;
}

void read_announce_interval(Sections& sections, const Line& line) {
  AnnounceSpacing& spacing = sections.config.network.announce_spacing;
  const bool arp = line.words[0].text == "vrrp_garp_interval";
  read_interval(sections, line, arp ? spacing.arp : spacing.neighbour_advert);
}

void read_default_interface(Sections& sections, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("an interface's name");
  if (word == nullptr) return;
  if (const auto name = sections.values.interface_name(*word, "default_interface")) {
    sections.config.network.default_interface = *name;
  }
}

void read_vmac_prefix(Sections& sections, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("the beginning of a name");
  if (word == nullptr) return;
  if (const auto name = sections.values.interface_name(*word, "vmac_prefix")) {
    sections.config.network.virtual_mac_prefix = *name;
  }
}

// [NAME] [MAC] [netlink_notify_msg] [group NAME], in any order.
void read_use_vmac(Sections& sections, VrrpDraft& draft, const Line& line) {
  VirtualMacDraft& mac = draft.virtual_mac;
  mac.wanted = true;
  mac.spot = line.spot;
  Arguments arguments(line, sections.problems);
  while (const Word* word = arguments.take_if_any()) {
    if (word->text == "name") continue;
    if (word->text == "netlink_notify_msg") continue;
    if (word->text == "group") {
      if (arguments.take("a group") != nullptr) {
        sections.blocks.warn_once(word->spot,
                                  "`group` of use_vmac is not acted on: the interface is in the "
                                  "default group");
      }
      continue;
    }
    if (const auto parsed = parse_mac(word->text, mac.mac_of_five)) {
      mac.mac = parsed;
    } else if (!mac.interface.empty()) {
      sections.problems.warning(word->spot,
                                fmt::format("{} is ignored: the interface is called {} already",
                                            quoted(word->text), quoted(mac.interface)));
    } else if (const auto name = sections.values.interface_name(*word, "use_vmac")) {
      mac.interface = *name;
    }
  }
}

void read_vmac_xmit_base(Sections& sections, VrrpDraft& draft, const Line& line) {
  const Arguments none(line, sections.problems);
  draft.virtual_mac.advertise_on_base = true;
  if (!draft.virtual_mac.wanted) draft.virtual_mac.spot = line.spot;
}

void read_accept(Sections& sections, VrrpDraft& draft, const Line& line) {
  const Arguments none(line, sections.problems);
  draft.accept = line.words[0].text == "accept";
}

void read_promote_secondaries(Sections& sections, VrrpDraft& draft, const Line& line) {
  const Arguments none(line, sections.problems);
  draft.config.promote_secondaries = true;
}

void read_virtual_routes(Sections& sections, VrrpDraft& draft, const Line& head) {
  read_routes(sections, head, draft.config.routes);
}
void read_virtual_rules(Sections& sections, VrrpDraft& draft, const Line& head) {
  read_rules(sections, head, draft.config.rules);
}
void read_static_routes(Sections& sections, const Line& head) {
  read_routes(sections, head, sections.config.network.routes);
}
void read_static_rules(Sections& sections, const Line& head) {
  read_rules(sections, head, sections.config.network.rules);
}

void read_garp_group(Sections& sections, const Line& head) {
  static constexpr WordReader<GarpGroupDraft> kWords[] = {{"garp_interval", read_group_interval},
                                                          {"gna_interval", read_group_interval},
                                                          {"interface", read_group_interface},
                                                          {"interfaces", read_group_interfaces}};
  { const Arguments none(head, sections.problems); }
  GarpGroupDraft draft;
  read_section<GarpGroupDraft>(sections, BlockKind::garp_group, head, draft, kWords);
  if (draft.group.interfaces.empty()) {
    return sections.problems.warning(head.spot, "garp_group has no interface: it does nothing",
                                     "interfaces { eth0 }");
  }
  sections.config.network.announce_groups.push_back(std::move(draft.group));
}

void finish_network(Sections& sections, VrrpDraft& draft) {
  finish_announce(draft.announce, sections.network.announce, draft.config.announce);
  finish_virtual_mac(sections, draft);
}

void finish_static_network(Sections& sections) {
  NetworkConfig& network = sections.config.network;
  for (VirtualAddress& address : network.addresses) {
    if (address.device.empty()) address.device = network.default_interface;
  }
}

}  // namespace xlb::parse
