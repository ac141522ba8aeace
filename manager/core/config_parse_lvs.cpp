// virtual_server: its words, and the rules between it and the others.
#include <fmt/format.h>

#include <bit>
#include <limits>
#include <map>
#include <utility>

#include "core/config_parse_lvs.h"

namespace xlb::parse {
namespace {

void read_protocol(Sections& sections, VirtualServerDraft& draft, const Line& line) {
  static constexpr std::string_view kProtocols[] = {"TCP", "UDP", "SCTP"};
  Arguments arguments(line, sections.problems);
  draft.has_protocol = true;
  const Word* word = arguments.take("TCP or UDP");
  if (word == nullptr) return;
  Word upper = *word;  // keepalived does not mind the letter case here
  for (char& c : upper.text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  const auto protocol = sections.values.choice(upper, "protocol", kProtocols);
  if (!protocol) return;
  if (*protocol == 2) {
    sections.problems.error(word->spot, "protocol `SCTP` is not supported yet", "TCP or UDP");
    return;
  }
  draft.config.key.protocol = *protocol == 0 ? Protocol::tcp : Protocol::udp;
}

void read_virtual_method(Sections& sections, VirtualServerDraft& draft, const Line& line) {
  draft.method = read_method(sections, line);
  draft.config.method =
      draft.method->tunnel ? ForwardingMethod::tunnel : ForwardingMethod::direct_routing;
}

void read_sorry_method(Sections& sections, VirtualServerDraft& draft, const Line& line) {
  draft.sorry_method = read_method(sections, line);
}

void read_virtual_weight(Sections& sections, VirtualServerDraft& draft, const Line& line) {
  draft.weight = read_weight(sections, line);
}

void read_virtual_default(Sections& sections, VirtualServerDraft& draft, const Line& line) {
  read_check_default(sections, draft.defaults, line);
}

void read_virtual_inhibit(Sections& sections, VirtualServerDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  if (const auto value = sections.values.flag(arguments)) draft.inhibit_on_failure = value;
}

void read_omega(Sections& sections, VirtualServerDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  draft.config.omega = sections.values.flag(arguments).value_or(draft.config.omega);
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
  draft.config.quorum = read_live_weight(sections, line, 1).value_or(1);
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
}

// An xlb sorry server always stays, so that its connections are finished.
void read_sorry_inhibit(Sections& sections, VirtualServerDraft&, const Line& line) {
  const Arguments none(line, sections.problems);
}

constexpr WordReader<VirtualServerDraft> kVirtualServerWords[] = {
    {"real_server", read_real_server},
    {"lb_algo", read_scheduler},
    {"lvs_sched", read_scheduler},
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
    {"alpha", read_virtual_default},
    {"warmup", read_virtual_default},
    {"virtualhost", read_virtual_default},
};

void read_virtual_server_head(Sections& sections, VirtualServerDraft& draft, const Line& head) {
  Arguments arguments(head, sections.problems);
  const Word* address = arguments.take("an address and a port");
  if (address == nullptr) return;
  const auto value = sections.values.ip_of_host(*address, "virtual_server");
  if (value) draft.config.key.address = *value;
  if (arguments.at_end()) {
    if (value) {
      sections.problems.error(address->spot, fmt::format("virtual_server {} has no port", *value),
                              fmt::format("virtual_server {} 80 {{", *value));
    }
    return;
  }
  const auto port = sections.values.port_or_any(*arguments.take_if_any(), "virtual_server");
  if (port) draft.config.key.port = *port;
  draft.valid = value.has_value() && port.has_value();
}

void finish_defaults(Sections& sections, const VirtualServerDraft& draft) {
  Problems& problems = sections.problems;
  if (!draft.method) {
    problems.warning(draft.head,
                     "no lvs_method: DR is used, keepalived's default NAT is not "
                     "supported yet");
  }
  if (!draft.has_protocol) {
    problems.warning(draft.head, "no protocol: TCP is used, keepalived would use UDP",
                     "protocol TCP");
  }
  if (draft.real_servers.empty()) {
    problems.warning(draft.head,
                     "this virtual_server has no real_server: its packets go to this "
                     "host's own stack");
  }
}

}  // namespace

void read_virtual_server(Sections& sections, const Line& head) {
  if (head.words.size() > 1 && (head.words[1].text == "fwmark" || head.words[1].text == "group")) {
    sections.problems.warning(
        head.spot,
        fmt::format("`virtual_server {}` is not acted on yet: this service is not balanced",
                    head.words[1].text));
    sections.blocks.skip(BlockKind::virtual_server, head);
    return;
  }
  VirtualServerDraft draft;
  draft.head = head.spot;
  draft.config.place = sections.problems.place_of(head.spot);
  draft.config.scheduler = Scheduler::wlc;
  read_virtual_server_head(sections, draft, head);
  read_section<VirtualServerDraft>(sections, BlockKind::virtual_server, head, draft,
                                   kVirtualServerWords);
  finish_defaults(sections, draft);
  finish_scheduling(sections, draft);
  finish_real_servers(sections, draft);
  finish_quorum(sections, draft);
  if (!draft.valid) return;
  sections.config.virtual_servers.push_back(std::move(draft.config));
  sections.virtual_server_spots.push_back(draft.head);
}

namespace {

void finish_sizes(Sections& sections) {
  uint64_t count = 0;
  for (const VirtualServerConfig& server : sections.config.virtual_servers)
    count += server.real_servers.size() + (server.sorry_server ? 1 : 0);
  const uint32_t most = sections.config.xlb.real_servers_max;
  if (count <= most) return;
  const Spot spot = sections.real_servers_max_spot.value_or(sections.virtual_server_spots.back());
  sections.problems.error(
      spot,
      fmt::format("{} real servers and sorry servers are more than real_servers_max {}", count,
                  most),
      fmt::format("xlb {{ real_servers_max {} }}", std::bit_ceil(count)));
}

}  // namespace

void finish_virtual_servers(Sections& sections) {
  finish_sizes(sections);
  std::map<ServiceKey, Spot> seen;
  for (size_t i = 0; i < sections.config.virtual_servers.size(); ++i) {
    const ServiceKey& key = sections.config.virtual_servers[i].key;
    const Spot& spot = sections.virtual_server_spots[i];
    const auto [other, is_new] = seen.try_emplace(key, spot);
    if (is_new) continue;
    sections.problems.error(spot,
                            fmt::format("virtual_server {} stands already at {}", key,
                                        to_string(sections.problems.place_of(other->second))));
  }
}

}  // namespace xlb::parse
