// vrrp_instance: its words, its defaults, and the rules between instances.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "core/config_parse_sections.h"

namespace xlb::parse {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr size_t kLongestPassword = 8;  // bytes in the packet
constexpr microseconds kLeastAdvert{10'000};
constexpr microseconds kMostAdvertV2{255'000'000};
constexpr microseconds kMostAdvertV3{40'950'000};  // 12 bits of centiseconds

void read_state(Sections& sections, VrrpDraft& draft, const Line& line) {
  static constexpr std::string_view kStates[] = {"BACKUP", "MASTER"};
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("MASTER or BACKUP");
  if (word == nullptr) return;
  const std::string lower = lower_case(word->text);
  const bool known = word->text == "MASTER" || word->text == "BACKUP";
  if (!known && (lower == "master" || lower == "backup" || lower == "slave")) {
    sections.problems.warning(
        word->spot,
        fmt::format("state {} is not known: BACKUP is used, as keepalived does",
                    quoted(word->text)),
        lower == "master" ? "state MASTER" : "state BACKUP");
    draft.config.initial_state = VrrpInitialState::backup;
    return;
  }
  const auto state = sections.values.choice(*word, "state", kStates);
  if (state) draft.config.initial_state = static_cast<VrrpInitialState>(*state);
}

void read_interface(Sections& sections, VrrpDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  draft.config.interface_place = sections.problems.place_of(line.spot);
  const Word* word = arguments.take("an interface's name");
  if (word == nullptr) return;
  draft.config.interface_place = sections.problems.place_of(word->spot);
  draft.config.interface = sections.values.interface_name(*word, "interface").value_or("");
}

void read_virtual_router_id(Sections& sections, VrrpDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  draft.router_id_spot = line.spot;
  const Word* word = arguments.take("a number from 1 to 255");
  if (word == nullptr) return;
  draft.router_id_spot = word->spot;
  const auto id = sections.values.number(*word, "virtual_router_id", {1, 255});
  if (id) draft.config.virtual_router_id = static_cast<uint8_t>(*id);
}

void read_priority(Sections& sections, VrrpDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  draft.has_priority = true;
  const Word* word = arguments.take("a number from 1 to 255");
  if (word == nullptr) return;
  const auto priority = sections.values.number(*word, "priority", {1, 255});
  if (priority) draft.config.priority = static_cast<uint8_t>(*priority);
}

void read_advert_int(Sections& sections, VrrpDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a number of seconds");
  if (word == nullptr) return;
  draft.advert_interval = sections.values.time(*word, "advert_int", kLeastAdvert, kMostAdvertV2);
  draft.advert_spot = word->spot;
  draft.advert_text = word->text;
}

void read_version(Sections& sections, VrrpDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("2 or 3");
  if (word == nullptr) return;
  const auto version = sections.values.number(*word, "version", {2, 3});
  if (version) draft.version = static_cast<VrrpVersion>(*version);
}

void read_preempt(Sections& sections, VrrpDraft& draft, const Line& line) {
  const Arguments arguments(line, sections.problems);
  draft.preempt_spot = line.spot;
  draft.config.preempt = line.words[0].text == "preempt";
}

void read_announce(Sections& sections, VrrpDraft& draft, const Line& line) {
  read_announce_word(sections, draft.announce, line);
}

template <std::optional<ScriptCommand> VrrpInstanceConfig::*kMember>
void read_notify(Sections& sections, VrrpDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  if (auto script = sections.values.script(arguments)) draft.config.*kMember = std::move(*script);
}

void read_auth_type(Sections& sections, VrrpDraft& draft, const Line& line) {
  static constexpr std::string_view kTypes[] = {"PASS", "AH"};
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("PASS");
  if (word == nullptr) return;
  const auto type = sections.values.choice(*word, "auth_type", kTypes);
  if (type && kTypes[*type] == "AH") {
    sections.problems.warning(
        word->spot,
        "auth_type `AH` is not supported: advertisements carry no authentication, and a keepalived "
        "that uses it neither understands them nor is understood",
        "use PASS, on every director of this virtual router");
    draft.authentication_is_ah = true;
    return;
  }
  draft.authentication_is_pass = true;  // also after an error: enough is said
}

void read_auth_pass(Sections& sections, VrrpDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a password");
  if (word == nullptr) return;
  draft.config.auth_password = word->text.substr(0, kLongestPassword);
  if (word->text.size() > kLongestPassword) {
    sections.problems.warning(
        word->spot,
        fmt::format("the password is longer than {} bytes: only they are used", kLongestPassword));
  }
}

void read_authentication(Sections& sections, VrrpDraft& draft, const Line& line) {
  static constexpr WordReader<VrrpDraft> kWords[] = {{"auth_type", read_auth_type},
                                                     {"auth_pass", read_auth_pass}};
  { const Arguments none(line, sections.problems); }
  draft.has_authentication = true;
  draft.authentication_spot = line.spot;
  read_section<VrrpDraft>(sections, BlockKind::authentication, line, draft, kWords);
}

constexpr WordReader<VrrpDraft> kVrrpWords[] = {
    {"state", read_state},
    {"interface", read_interface},
    {"virtual_router_id", read_virtual_router_id},
    {"priority", read_priority},
    {"advert_int", read_advert_int},
    {"version", read_version},
    {"authentication", read_authentication},
    {"virtual_ipaddress", read_virtual_ipaddress},
    {"preempt", read_preempt},
    {"nopreempt", read_preempt},
    {"garp_master_delay", read_announce},
    {"garp_master_repeat", read_announce},
    {"garp_master_refresh", read_announce},
    {"garp_master_refresh_repeat", read_announce},
    {"garp_lower_prio_delay", read_announce},
    {"garp_lower_prio_repeat", read_announce},
    {"virtual_ipaddress_excluded", read_excluded_addresses},
    {"virtual_routes", read_virtual_routes},
    {"virtual_rules", read_virtual_rules},
    {"use_vmac", read_use_vmac},
    {"vmac_xmit_base", read_vmac_xmit_base},
    {"accept", read_accept},
    {"no_accept", read_accept},
    {"promote_secondaries", read_promote_secondaries},
    {"notify_master", read_notify<&VrrpInstanceConfig::notify_master>},
    {"notify_backup", read_notify<&VrrpInstanceConfig::notify_backup>},
    {"notify_fault", read_notify<&VrrpInstanceConfig::notify_fault>},
    {"notify_stop", read_notify<&VrrpInstanceConfig::notify_stop>},
    {"notify", read_notify<&VrrpInstanceConfig::notify>},
};

void finish_advert_interval(Problems& problems, VrrpDraft& draft) {
  VrrpInstanceConfig& config = draft.config;
  if (!draft.advert_interval) return;
  const microseconds interval = *draft.advert_interval;
  config.advert_interval = std::chrono::duration_cast<milliseconds>(interval);
  if (config.version == VrrpVersion::v2) {
    if (interval % std::chrono::seconds(1) != microseconds(0)) {
      problems.error(draft.advert_spot,
                     fmt::format("advert_int {}: VRRP version 2 knows whole seconds only",
                                 quoted(draft.advert_text)),
                     "add `version 3` to this instance, on every director");
    }
    return;
  }
  if (interval % kLeastAdvert != microseconds(0)) {
    problems.error(draft.advert_spot, fmt::format("advert_int {} is not a multiple of 0.01 seconds",
                                                  quoted(draft.advert_text)));
  } else if (interval > kMostAdvertV3) {
    problems.error(draft.advert_spot,
                   fmt::format("advert_int {} is out of range", quoted(draft.advert_text)),
                   "VRRP version 3 takes 0.01 to 40.95 seconds");
  }
}

void finish_priority(Problems& problems, VrrpDraft& draft) {
  VrrpInstanceConfig& config = draft.config;
  if (!draft.has_priority && config.initial_state == VrrpInitialState::master) {
    config.priority = 255;
    problems.warning(
        draft.head,
        fmt::format("`{}` has state MASTER and no priority: 255 is used, as keepalived "
                    "does, which never yields to another director",
                    config.name),
        "give each director its priority, below 255");
  }
  if (config.priority == 255) config.initial_state = VrrpInitialState::master;
  if (!config.preempt && config.initial_state == VrrpInitialState::master) {
    config.preempt = true;
    problems.warning(draft.preempt_spot,
                     config.priority == 255
                         ? "nopreempt is ignored: a priority of 255 always preempts"
                         : "nopreempt is ignored: it needs state BACKUP",
                     "state BACKUP");
  }
}

void finish_authentication(Problems& problems, VrrpDraft& draft) {
  if (!draft.has_authentication) return;
  std::string& password = draft.config.auth_password;
  if (draft.config.version == VrrpVersion::v3) {
    problems.warning(draft.authentication_spot,
                     "authentication is ignored: VRRP version 3 has none");
    password.clear();
  } else if (draft.authentication_is_ah) {
    password.clear();
  } else if (!draft.authentication_is_pass && !password.empty()) {
    problems.warning(draft.authentication_spot,
                     "auth_pass without auth_type: there is no authentication", "auth_type PASS");
    password.clear();
  } else if (draft.authentication_is_pass && password.empty()) {
    problems.error(draft.authentication_spot, "auth_type PASS needs an auth_pass");
  }
}

void check_required(Problems& problems, const VrrpDraft& draft) {
  const VrrpInstanceConfig& config = draft.config;
  if (config.interface_place.line == 0) {
    problems.error(draft.head, fmt::format("vrrp_instance `{}` has no interface", config.name),
                   "interface eth0");
  }
  if (config.virtual_router_id == 0 && draft.router_id_spot.line == 0) {
    problems.error(draft.head,
                   fmt::format("vrrp_instance `{}` has no virtual_router_id", config.name),
                   "virtual_router_id 1..255, the same on every director");
  }
  if (config.virtual_addresses.empty()) {
    problems.warning(draft.head,
                     fmt::format("vrrp_instance `{}` has no virtual_ipaddress", config.name));
  }
}

// On one link, one VRID may be used in each IP version, multicast group and set of peers.
std::string link_of(const VrrpInstanceConfig& config) {
  const VrrpProtocol& protocol = config.protocol;
  return fmt::format("{} {} {}", config.interface,
                     config.family == AddressFamily::ipv4 ? "IPv4" : "IPv6",
                     protocol.peers.empty() ? protocol.group : protocol.peers.front().address);
}

}  // namespace

void read_vrrp_instance(Sections& sections, const Line& head) {
  VrrpDraft draft;
  draft.head = head.spot;
  {
    Arguments arguments(head, sections.problems);
    if (const Word* name = arguments.take("a name")) {
      draft.config.name = name->text;
      draft.head = name->spot;
    }
  }
  draft.config.place = sections.problems.place_of(head.spot);
  read_section<VrrpDraft>(sections, BlockKind::vrrp_instance, head, draft, kVrrpWords,
                          {tracking_words_of_vrrp_instance(), protocol_words_of_vrrp_instance()});
  sections.vrrp_instances.push_back(std::move(draft));
}

void finish_vrrp_instances(Sections& sections) {
  Problems& problems = sections.problems;
  std::map<std::string, Spot> names;
  std::map<std::pair<std::string, int>, const VrrpDraft*> routers;
  std::map<IpAddress, std::string> addresses;
  for (VrrpDraft& draft : sections.vrrp_instances) {
    VrrpInstanceConfig& config = draft.config;
    finish_family(sections, draft);
    finish_network(sections, draft);
    finish_advert_interval(problems, draft);
    finish_priority(problems, draft);
    finish_authentication(problems, draft);
    finish_protocol(sections, draft);
    check_track_uses(sections, draft.tracking.uses, config);
    if (sections.blocks.braces_are_balanced()) check_required(problems, draft);
    if (const auto [other, is_new] = names.try_emplace(config.name, draft.head);
        !is_new && !config.name.empty()) {
      problems.error(draft.head, fmt::format("vrrp_instance `{}` stands already at {}", config.name,
                                             to_string(problems.place_of(other->second))));
    }
    if (config.virtual_router_id != 0 && !config.interface.empty()) {
      const auto [other, is_new] =
          routers.try_emplace({link_of(config), config.virtual_router_id}, &draft);
      if (!is_new) {
        problems.error(
            draft.router_id_spot,
            fmt::format("virtual_router_id {} is used on {} already, by vrrp_instance `{}` at {}",
                        config.virtual_router_id, config.interface, other->second->config.name,
                        to_string(problems.place_of(other->second->router_id_spot))),
            "give each virtual router of a network its own");
      }
    }
    for (const VirtualAddress& address : config.virtual_addresses) {
      const auto [other, is_new] = addresses.try_emplace(address.address.address, config.name);
      if (is_new) continue;
      problems.warning(draft.head, fmt::format("{} is a virtual address of vrrp_instance `{}` too",
                                               address.address.address, other->second));
    }
  }
  for (VrrpDraft& draft : sections.vrrp_instances) {
    sections.config.vrrp_instances.push_back(std::move(draft.config));
  }
}

}  // namespace xlb::parse
