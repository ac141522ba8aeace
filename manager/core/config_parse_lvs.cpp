// virtual_server: its words, and the rules between it and the others.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "core/config_parse_lvs.h"

namespace xlb::parse {
namespace {

void read_protocol(Sections& sections, VirtualServerDraft& draft, const Line& line) {
  static constexpr std::string_view kProtocols[] = {"TCP", "UDP", "SCTP"};
  Arguments arguments(line, sections.problems);
  draft.has_protocol = true;
  draft.protocol_spot = line.spot;
  const Word* word = arguments.take("TCP or UDP");
  if (word == nullptr) return;
  Word upper = *word;  // keepalived does not mind the letter case here
  for (char& c : upper.text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  const auto protocol = sections.values.choice(upper, "protocol", kProtocols);
  if (!protocol) return;
  if (*protocol == 2) {
    sections.problems.warning(word->spot,
                              "protocol `SCTP` is not supported: this virtual_server is left out",
                              "TCP or UDP");
    draft.sctp = true;
    return;
  }
  draft.config.key.protocol = *protocol == 0 ? Protocol::tcp : Protocol::udp;
}

void read_virtual_method(Sections& sections, VirtualServerDraft& draft, const Line& line) {
  draft.method = read_method(sections, line);
}

void read_sorry_method(Sections& sections, VirtualServerDraft& draft, const Line& line) {
  draft.sorry_method = read_method(sections, line);
}

void read_virtual_weight(Sections& sections, VirtualServerDraft& draft, const Line& line) {
  draft.weight = read_weight(sections, line);
  if (draft.weight != 0) return;
  draft.weight.reset();
  sections.problems.warning(line.spot,
                            "weight 0 is ignored: a virtual_server's is at least 1, as keepalived "
                            "has it",
                            "weight 0 for each real_server");
}

void read_virtual_alpha(Sections& sections, VirtualServerDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  draft.defaults.alpha = sections.values.flag_or_true(arguments);
}

void read_virtual_default(Sections& sections, VirtualServerDraft& draft, const Line& line) {
  read_inherited(sections, draft.defaults, line);
}

void read_virtual_inhibit(Sections& sections, VirtualServerDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  draft.inhibit_on_failure = sections.values.flag_or_true(arguments);
}

void read_omega(Sections& sections, VirtualServerDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  draft.config.omega = sections.values.flag_or_true(arguments);
}

void read_ha_suspend(Sections& sections, VirtualServerDraft& draft, const Line& line) {
  const Arguments none(line, sections.problems);
  draft.config.ha_suspend = true;
}

std::optional<uint32_t> read_live_weight(Sections& sections, const Line& line, uint64_t least) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a sum of weights");
  if (word == nullptr) return std::nullopt;
  const auto value = sections.values.number(*word, arguments.keyword().text,
                                            {least, std::numeric_limits<uint32_t>::max()});
  if (!value) return std::nullopt;
  return static_cast<uint32_t>(*value);
}

void read_quorum(Sections& sections, VirtualServerDraft& draft, const Line& line) {
  draft.quorum_spot = line.spot;
  draft.config.quorum = read_live_weight(sections, line, 0).value_or(1);
  if (draft.config.quorum > 0) return;
  draft.config.quorum = 1;
  sections.blocks.tolerated(
      line.spot, "quorum 0 is taken for 1: one real server is needed to serve", "quorum 1");
}

void read_hysteresis(Sections& sections, VirtualServerDraft& draft, const Line& line) {
  draft.hysteresis_spot = line.spot;
  draft.config.hysteresis = read_live_weight(sections, line, 0).value_or(0);
}

void read_quorum_up(Sections& sections, VirtualServerDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  draft.config.quorum_up = sections.values.script(arguments);
}

void read_quorum_down(Sections& sections, VirtualServerDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  draft.config.quorum_down = sections.values.script(arguments);
}

void read_sorry_server(Sections& sections, VirtualServerDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* address = arguments.take("an address and a port");
  if (address == nullptr) return;
  draft.sorry_spot = address->spot;
  draft.sorry_address_spot = address->spot;
  draft.sorry_address = sections.values.ip_of_host(*address, "sorry_server");
  const Word* port = arguments.take_if_any();
  if (port == nullptr) return;
  draft.sorry_spot = port->spot;
  draft.sorry_port = sections.values.port_or_any(*port, "sorry_server");
  if (!draft.sorry_port) draft.sorry_address.reset();
  if (draft.sorry_port == 0) draft.sorry_port.reset();  // the virtual server's
}

// An xlb sorry server always stays, so that its connections are finished.
void read_sorry_inhibit(Sections& sections, VirtualServerDraft&, const Line& line) {
  const Arguments none(line, sections.problems);
}

constexpr WordReader<VirtualServerDraft> kVirtualServerWords[] = {
    {"real_server", read_real_server},
    {"lb_algo", read_scheduler},
    {"lvs_sched", read_scheduler},
    {"ip_family", read_family},
    {"lb_kind", read_virtual_method},
    {"lvs_method", read_virtual_method},
    {"persistence_timeout", read_persistence_timeout},
    {"persistence_granularity", read_persistence_granularity},
    {"ops", read_one_packet},
    {"sh-port", read_scheduler_flag},
    {"mh-port", read_scheduler_flag},
    {"flag-2", read_scheduler_flag},
    {"sh-fallback", read_scheduler_flag},
    {"mh-fallback", read_scheduler_flag},
    {"flag-1", read_scheduler_flag},
    {"protocol", read_protocol},
    {"weight", read_virtual_weight},
    {"inhibit_on_failure", read_virtual_inhibit},
    {"omega", read_omega},
    {"quorum", read_quorum},
    {"hysteresis", read_hysteresis},
    {"quorum_up", read_quorum_up},
    {"quorum_down", read_quorum_down},
    {"sorry_server", read_sorry_server},
    {"sorry_server_inhibit", read_sorry_inhibit},
    {"sorry_server_lvs_method", read_sorry_method},
    {"delay_loop", read_virtual_default},
    {"connect_timeout", read_virtual_default},
    {"retry", read_virtual_default},
    {"delay_before_retry", read_virtual_default},
    {"alpha", read_virtual_alpha},
    {"warmup", read_virtual_default},
    {"virtualhost", read_virtual_default},
    {"ha_suspend", read_ha_suspend},
    {"smtp_alert", read_smtp_alert<VirtualServerDraft>},
};

// keepalived's defaults where the file says nothing.
void finish_defaults(Sections& sections, VirtualServerDraft& draft) {
  Problems& problems = sections.problems;
  const MethodDraft method = method_of(draft, std::nullopt);
  draft.config.method = method.translated ? ForwardingMethod::translation
                        : method.tunnel   ? ForwardingMethod::tunnel
                                          : ForwardingMethod::direct_routing;
  const auto is_mark = [](const ServiceKey& key) { return key.mark != 0; };
  const bool by_mark =
      is_mark(draft.config.key) &&
      std::all_of(draft.config.more_keys.begin(), draft.config.more_keys.end(), is_mark);
  if (by_mark && draft.has_protocol) {
    problems.warning(draft.protocol_spot,
                     "protocol has no effect: a firewall mark tells what is balanced");
  } else if (!by_mark && !draft.has_protocol && draft.valid) {
    problems.warning(draft.head, "no protocol: UDP is used, as keepalived does", "protocol TCP");
  }
  if (draft.real_servers.empty()) {
    problems.warning(draft.head,
                     "this virtual_server has no real_server: its packets go to this "
                     "host's own stack");
  }
}

// IPVS has any port for persistent services only.
void finish_any_port(Sections& sections, VirtualServerDraft& draft) {
  const ServiceKey& key = draft.config.key;
  if (!draft.valid || key.port != 0 || key.mark != 0 || draft.config.persistence_timeout) return;
  draft.config.persistence_timeout = kPersistenceWithoutValue;
  sections.problems.warning(
      draft.address_spot,
      fmt::format("virtual_server {} takes any port: clients stay where they are for {} seconds, "
                  "as keepalived does",
                  key.address, kPersistenceWithoutValue.count()),
      "persistence_timeout");
}

void finish_virtual_server(Sections& sections, VirtualServerDraft& draft) {
  finish_keys(sections, draft);
  finish_defaults(sections, draft);
  finish_any_port(sections, draft);
  finish_scheduling(sections, draft);
  finish_real_servers(sections, draft);
  finish_quorum(sections, draft);
  if (!draft.valid || draft.sctp) return;
  sections.config.virtual_servers.push_back(std::move(draft.config));
  sections.virtual_server_spots.push_back(draft.head);
}

}  // namespace

LvsDrafts& drafts_of(Sections& sections) {
  if (!sections.lvs) sections.lvs = std::make_shared<LvsDrafts>();
  return *sections.lvs;
}

void read_virtual_server(Sections& sections, const Line& head) {
  auto& waiting = drafts_of(sections).servers;
  VirtualServerDraft& draft = waiting.emplace_back();
  draft.real_servers.reserve(16);  // drafts are large: rather not moved
  draft.head = head.spot;
  draft.config.place = sections.problems.place_of(head.spot);
  draft.config.scheduler = Scheduler::wlc;
  draft.config.key.protocol = Protocol::udp;
  read_virtual_server_head(sections, draft, head);
  read_section<VirtualServerDraft>(sections, BlockKind::virtual_server, head, draft,
                                   kVirtualServerWords);
  // One of a group may have to wait for it, and those behind it for their turn. Else it is finished
  // while it is in the cache.
  if (waiting.size() > 1 || !draft.group.empty()) return;
  finish_virtual_server(sections, draft);
  waiting.pop_front();
}

namespace {

void finish_sizes(Sections& sections) {
  uint64_t count = 0;
  uint64_t services = 0;
  for (const VirtualServerConfig& server : sections.config.virtual_servers) {
    const uint64_t members = 1 + server.more_keys.size();
    services += members;
    count += members * (server.real_servers.size() + (server.sorry_server ? 1 : 0));
  }
  const uint32_t most = sections.config.xlb.real_servers_max;
  if (services > kMostVirtualServers) {
    sections.problems.error(
        sections.virtual_server_spots.back(),
        fmt::format("{} virtual servers, members of groups included, are more than {}", services,
                    kMostVirtualServers));
  }
  if (count <= most) return;
  const Spot spot = sections.real_servers_max_spot.value_or(sections.virtual_server_spots.back());
  sections.problems.error(
      spot,
      fmt::format("{} real servers and sorry servers are more than real_servers_max {}{}", count,
                  most,
                  services > sections.config.virtual_servers.size()
                      ? ": each address of a group counts its own"
                      : ""),
      fmt::format("xlb {{ real_servers_max {} }}", std::bit_ceil(count)));
}

// Of addresses that several virtual servers claim the first has it.
void finish_claims(Sections& sections) {
  std::map<ServiceKey, Spot> seen;
  std::vector<VirtualServerConfig> servers;
  std::vector<Spot> spots;
  servers.reserve(sections.config.virtual_servers.size());
  spots.reserve(sections.config.virtual_servers.size());
  for (size_t i = 0; i < sections.config.virtual_servers.size(); ++i) {
    VirtualServerConfig& server = sections.config.virtual_servers[i];
    const Spot& spot = sections.virtual_server_spots[i];
    std::vector<ServiceKey> keys;
    for (const ServiceKey& key : keys_of(server)) {
      const auto [other, is_new] = seen.try_emplace(key, spot);
      if (is_new) {
        keys.push_back(key);
        continue;
      }
      sections.problems.warning(
          spot, fmt::format("virtual_server {} stands already at {}: this one is ignored", key,
                            to_string(sections.problems.place_of(other->second))));
    }
    if (keys.empty()) continue;
    server.key = keys.front();
    server.more_keys.assign(keys.begin() + 1, keys.end());
    servers.push_back(std::move(server));
    spots.push_back(spot);
  }
  sections.config.virtual_servers = std::move(servers);
  sections.virtual_server_spots = std::move(spots);
}

// XDP takes what is for any port of an address before the nat table sees it.
void finish_any_ports(Sections& sections) {
  std::set<ServiceKey> by_xdp;
  for (const VirtualServerConfig& server : sections.config.virtual_servers) {
    if (needs_translation(server)) continue;
    for (const ServiceKey& key : keys_of(server)) {
      if (key.port == 0) by_xdp.insert(key);
    }
  }
  for (size_t i = 0; i < sections.config.virtual_servers.size(); ++i) {
    const VirtualServerConfig& server = sections.config.virtual_servers[i];
    if (by_xdp.empty() || !needs_translation(server)) continue;
    for (const ServiceKey& key : keys_of(server)) {
      if (!by_xdp.contains({key.address, 0, key.protocol})) continue;
      sections.problems.warning(
          sections.virtual_server_spots[i],
          fmt::format("{} gets nothing where XDP runs: the virtual server for any port of {} is "
                      "not translated and takes its packets first",
                      key, key.address),
          "lvs_method NAT for both");
    }
  }
}

}  // namespace

void finish_virtual_servers(Sections& sections) {
  for (VirtualServerDraft& draft : drafts_of(sections).servers)
    finish_virtual_server(sections, draft);
  finish_checks(sections);
  finish_claims(sections);
  finish_any_ports(sections);
  finish_sizes(sections);
}

}  // namespace xlb::parse
