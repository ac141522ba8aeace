// global_defs and the xlb block.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "core/config_parse_sections.h"

namespace xlb::parse {
namespace {

void read_router_id(Sections& sections, GlobalSettings& global, const Line& line) {
  Arguments arguments(line, sections.problems);
  if (const Word* word = arguments.take("a name")) global.router_id = word->text;
}

void read_vrrp_version(Sections& sections, GlobalSettings&, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("2 or 3");
  if (word == nullptr) return;
  const auto version = sections.values.number(*word, "vrrp_version", {2, 3});
  if (version) sections.default_version = static_cast<VrrpVersion>(*version);
}

void read_script_user(Sections& sections, GlobalSettings& global, const Line& line) {
  Arguments arguments(line, sections.problems);
  if (const Word* word = arguments.take("a user")) {
    read_user(*word, arguments, global.script_user, global.script_group);
  }
}

void read_announce(Sections& sections, GlobalSettings&, const Line& line) {
  read_announce_word(sections, sections.network.announce, line);
}

template <void (*kRead)(Sections&, const Line&)>
void read_network_word(Sections& sections, GlobalSettings&, const Line& line) {
  kRead(sections, line);
}

std::chrono::seconds* timeout_called(FlowTimeouts& timeouts, std::string_view name) {
  if (name == "tcp") return &timeouts.tcp;
  if (name == "tcpfin") return &timeouts.tcp_fin;
  return name == "udp" ? &timeouts.udp : nullptr;
}

void read_lvs_timeouts(Sections& sections, GlobalSettings& global, const Line& line) {
  static constexpr std::string_view kExample = "lvs_timeouts tcp 900 tcpfin 120 udp 300";
  Arguments arguments(line, sections.problems);
  const Word* name = arguments.take("tcp, tcpfin or udp, and a number of seconds");
  for (; name != nullptr; name = arguments.take_if_any()) {
    std::chrono::seconds* const timeout = timeout_called(global.lvs_timeouts, name->text);
    if (timeout == nullptr) {
      sections.problems.error(name->spot,
                              fmt::format("{} is none of tcp, tcpfin and udp", quoted(name->text)),
                              std::string(kExample));
      return arguments.ignore_rest();
    }
    const Word* value = arguments.take_if_any();
    if (value == nullptr) {
      sections.problems.error(name->spot, fmt::format("`{}` needs a number of seconds", name->text),
                              std::string(kExample));
      return;
    }
    const auto seconds = sections.values.number(*value, "lvs_timeouts",
                                                {1, static_cast<uint64_t>(kLongestTime.count())});
    if (seconds) *timeout = std::chrono::seconds(*seconds);
  }
}

void read_log_all_failures(Sections& sections, GlobalSettings&, const Line& line) {
  Arguments arguments(line, sections.problems);
  sections.log_all_failures = sections.values.flag(arguments).value_or(sections.log_all_failures);
}

template <std::chrono::microseconds GlobalSettings::*kMember>
void read_delay(Sections& sections, GlobalSettings& global, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a number of seconds");
  if (word == nullptr) return;
  const auto delay = sections.values.time(*word, arguments.keyword().text,
                                          std::chrono::microseconds(0), kLongestTime);
  if (delay) global.*kMember = *delay;
}

void read_rs_init_notifies(Sections& sections, GlobalSettings&, const Line& line) {
  const Arguments none(line, sections.problems);
  sections.rs_init_notifies = true;
}

void read_log_unknown_vrids(Sections& sections, GlobalSettings& global, const Line& line) {
  const Arguments none(line, sections.problems);
  global.log_unknown_vrids = true;
}

// [+|-]read|match|wildcard_match|brace_match ...: without a sign the words replace what was in
// force; without a word everything is checked.
void read_include_check(Sections& sections, GlobalSettings&, const Line& line) {
  static constexpr std::string_view kChecks[] = {"read", "readable", "match", "wildcard_match",
                                                 "brace_match"};
  static constexpr bool IncludeChecks::*kMembers[] = {
      &IncludeChecks::read, &IncludeChecks::read, &IncludeChecks::match, &IncludeChecks::wildcards,
      &IncludeChecks::braces};
  Arguments arguments(line, sections.problems);
  IncludeChecks& checks = sections.blocks.source().include_checks();
  if (arguments.at_end()) checks = {true, true, true, true};
  char sign = '\0';  // the last one said goes on
  bool first = true;
  while (const Word* word = arguments.take_if_any()) {
    Word name = *word;
    if (name.text.starts_with('+') || name.text.starts_with('-')) {
      sign = name.text[0];
      name.text.erase(0, 1);
    }
    const auto check = sections.values.choice(name, "include_check", kChecks);
    if (!check) continue;
    if (sign == '\0' && std::exchange(first, false)) checks = {};
    checks.*kMembers[*check] = sign != '-';
    if (sign != '-') checks.read = true;  // every other check includes it
  }
}

constexpr WordReader<GlobalSettings> kGlobalWords[] = {
    {"include_check", read_include_check},
    {"router_id", read_router_id},
    {"vrrp_version", read_vrrp_version},
    {"script_user", read_script_user},
    {"lvs_timeouts", read_lvs_timeouts},
    {"checker_log_all_failures", read_log_all_failures},
    {"rs_init_notifies", read_rs_init_notifies},
    {"log_unknown_vrids", read_log_unknown_vrids},
    {"vrrp_startup_delay", read_delay<&GlobalSettings::vrrp_startup_delay>},
    {"vrrp_delay_after_boot", read_delay<&GlobalSettings::vrrp_delay_after_boot>},
    {"vrrp_garp_master_delay", read_announce},
    {"vrrp_garp_master_repeat", read_announce},
    {"vrrp_garp_master_refresh", read_announce},
    {"vrrp_garp_master_refresh_repeat", read_announce},
    {"vrrp_garp_lower_prio_delay", read_announce},
    {"vrrp_garp_lower_prio_repeat", read_announce},
    {"vrrp_min_garp", read_announce},
    {"vrrp_garp_interval", read_network_word<read_announce_interval>},
    {"vrrp_gna_interval", read_network_word<read_announce_interval>},
    {"default_interface", read_network_word<read_default_interface>},
    {"vmac_prefix", read_network_word<read_vmac_prefix>},
};

constexpr NumberRange kFlowTableSize{1024, 16'777'216};
constexpr NumberRange kRealServersMax{16, 1'048'576};

void read_attach_mode(Sections& sections, XlbSettings& xlb, const Line& line) {
  static constexpr std::string_view kModes[] = {"auto", "native", "generic", "none"};
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("auto, native, generic or none");
  if (word == nullptr) return;
  const auto mode = sections.values.choice(*word, "attach_mode", kModes);
  if (!mode) return;
  xlb.attach_mode = static_cast<AttachMode>(*mode);
}

void read_interfaces(Sections& sections, XlbSettings& xlb, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("interface names");
  if (word != nullptr) xlb.interfaces_place = sections.problems.place_of(word->spot);
  for (; word != nullptr; word = arguments.take_if_any()) {
    const auto name = sections.values.interface_name(*word, "interfaces");
    if (!name) continue;
    const bool known =
        std::find(xlb.interfaces.begin(), xlb.interfaces.end(), *name) != xlb.interfaces.end();
    if (!known) xlb.interfaces.push_back(*name);
  }
}

void read_flow_table_size(Sections& sections, XlbSettings& xlb, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a number of connections");
  if (word == nullptr) return;
  const auto size = sections.values.number(*word, "flow_table_size", kFlowTableSize);
  if (size) xlb.flow_table_size = std::bit_ceil(static_cast<uint32_t>(*size));
}

void read_real_servers_max(Sections& sections, XlbSettings& xlb, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a number of real servers");
  if (word == nullptr) return;
  const auto most = sections.values.number(*word, "real_servers_max", kRealServersMax);
  if (!most) return;
  xlb.real_servers_max = static_cast<uint32_t>(*most);
  sections.real_servers_max_spot = word->spot;
}

void read_local_delivery(Sections& sections, XlbSettings& xlb, const Line& line) {
  static constexpr std::string_view kWays[] = {"nat", "loopback"};
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("nat or loopback");
  if (word == nullptr) return;
  const auto way = sections.values.choice(*word, "local_delivery", kWays);
  if (!way) return;
  xlb.local_delivery = static_cast<LocalDelivery>(*way);
}

void read_peers(Sections& sections, XlbSettings& xlb, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("addresses");
  for (; word != nullptr; word = arguments.take_if_any()) {
    const auto address = sections.values.ip_of_host(*word, "peers");
    if (!address) continue;
    const bool known = std::find(xlb.peers.begin(), xlb.peers.end(), *address) != xlb.peers.end();
    if (!known) xlb.peers.push_back(*address);
  }
}

void read_status_listen(Sections& sections, XlbSettings& xlb, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("ADDRESS:PORT or none");
  if (word == nullptr) return;
  if (word->text == "none") {
    xlb.status_listen.reset();
  } else if (const auto endpoint = sections.values.endpoint(*word, "status_listen")) {
    xlb.status_listen = *endpoint;
  }
}

constexpr WordReader<XlbSettings> kXlbWords[] = {
    {"attach_mode", read_attach_mode},         {"interfaces", read_interfaces},
    {"flow_table_size", read_flow_table_size}, {"real_servers_max", read_real_servers_max},
    {"local_delivery", read_local_delivery},   {"peers", read_peers},
    {"status_listen", read_status_listen},
};

}  // namespace

void read_net_namespace(Sections& sections, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("the name of a network namespace");
  if (word == nullptr) return;
  if (word->text.empty() || word->text.size() > 255 || word->text.starts_with('.') ||
      word->text.find('/') != std::string::npos) {
    sections.problems.error(
        word->spot, fmt::format("{} cannot be a network namespace's name", quoted(word->text)),
        "a name that `ip netns list` shows");
    return;
  }
  sections.net_namespace = word->text;
}

void read_global_defs(Sections& sections, const Line& head) {
  { const Arguments none(head, sections.problems); }
  read_section<GlobalSettings>(sections, BlockKind::global_defs, head, sections.config.global,
                               kGlobalWords,
                               {notify_words_of_global_defs(), mail_words_of_global_defs(),
                                protocol_words_of_global_defs()});
}

void read_xlb(Sections& sections, const Line& head) {
  { const Arguments none(head, sections.problems); }
  sections.config.has_xlb_block = true;
  read_section<XlbSettings>(sections, BlockKind::xlb, head, sections.config.xlb, kXlbWords);
}

}  // namespace xlb::parse
