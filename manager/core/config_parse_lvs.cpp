// virtual_server: its words, and the rules between it and the others.
#include <fmt/format.h>

#include <limits>
#include <map>
#include <utility>

#include "core/config_parse_lvs.h"

namespace xlb::parse {
namespace {

using std::chrono::seconds;

constexpr seconds kPersistenceWithoutValue{360};
constexpr std::string_view kSchedulers[] = {"rr", "wrr", "lc",  "wlc", "lblc", "lblcr", "sh",
                                            "mh", "dh",  "sed", "nq",  "fo",   "ovf",   "twos"};

void read_scheduler(Sections& sections, VirtualServerDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  draft.has_scheduler = true;
  const Word* word = arguments.take("a scheduler: rr or wrr");
  if (word == nullptr) return;
  const auto scheduler = sections.values.choice(*word, "scheduler", kSchedulers);
  if (!scheduler) return;
  draft.config.scheduler = kSchedulers[*scheduler] == "rr" ? Scheduler::rr : Scheduler::wrr;
  if (*scheduler > 1) {
    sections.problems.warning(
        word->spot, fmt::format("scheduler `{}` is not supported yet: wrr is used", word->text));
  }
  arguments.ignore_rest();  // keepalived's scheduler flags, which rr and wrr have none of
}

void read_method(Sections& sections, VirtualServerDraft& draft, const Line& line) {
  static constexpr std::string_view kMethods[] = {"DR", "NAT", "TUN"};
  Arguments arguments(line, sections.problems);
  draft.has_method = true;
  const Word* word = arguments.take("a forwarding method: DR");
  if (word == nullptr) return;
  const std::string& name = line.words[0].text;
  if (lower_case(word->text) == "dr") {
    if (word->text != "DR") {
      sections.problems.warning(
          word->spot,
          fmt::format("{} {} is taken for DR; keepalived would use NAT", name, quoted(word->text)),
          fmt::format("{} DR", name));
    }
    return;
  }
  draft.method_is_direct = false;
  const auto method = sections.values.choice(*word, "forwarding method", kMethods);
  if (method && *method > 0) {
    sections.problems.error(
        word->spot, fmt::format("forwarding method `{}` is not supported yet", word->text),
        fmt::format("{} DR, with the real servers on a network of this host", name));
    arguments.ignore_rest();  // TUN's type and port
  }
}

void read_persistence_timeout(Sections& sections, VirtualServerDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take_if_any();
  if (word == nullptr) {
    draft.config.persistence_timeout = kPersistenceWithoutValue;
    return;
  }
  if (word->text == "0") {
    draft.config.persistence_timeout.reset();
    sections.problems.warning(word->spot, "persistence_timeout 0 is taken for no persistence",
                              "leave the line out");
    return;
  }
  const auto timeout = sections.values.number(*word, "persistence_timeout",
                                              {1, static_cast<uint64_t>(kLongestTime.count())});
  if (timeout) draft.config.persistence_timeout = seconds(*timeout);
}

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
  draft.sorry_address = sections.values.ipv4_of_host(*address, "sorry_server");
  const Word* port = arguments.take_if_any();
  if (port == nullptr) return;
  draft.sorry_spot = port->spot;
  draft.sorry_port = sections.values.port(*port, "sorry_server");
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
    {"lb_kind", read_method},
    {"lvs_method", read_method},
    {"persistence_timeout", read_persistence_timeout},
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
  const auto value = sections.values.ipv4_of_host(*address, "virtual_server");
  if (value) draft.config.key.address = *value;
  if (arguments.at_end()) {
    if (value) {
      sections.problems.error(address->spot, fmt::format("virtual_server {} has no port", *value),
                              fmt::format("virtual_server {} 80 {{", *value));
    }
    return;
  }
  const auto port = sections.values.port(*arguments.take_if_any(), "virtual_server");
  if (port) draft.config.key.port = *port;
  draft.valid = value.has_value() && port.has_value();
}

void finish_defaults(Sections& sections, const VirtualServerDraft& draft) {
  Problems& problems = sections.problems;
  if (!draft.has_scheduler) {
    problems.warning(draft.head,
                     "no lvs_sched: wrr is used, keepalived's default wlc is not "
                     "supported yet");
  }
  if (!draft.has_method) {
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
  draft.config.scheduler = Scheduler::wrr;
  read_virtual_server_head(sections, draft, head);
  read_section<VirtualServerDraft>(sections, BlockKind::virtual_server, head, draft,
                                   kVirtualServerWords);
  finish_defaults(sections, draft);
  finish_real_servers(sections, draft);
  finish_quorum(sections, draft);
  if (!draft.valid) return;
  sections.config.virtual_servers.push_back(std::move(draft.config));
  sections.virtual_server_spots.push_back(draft.head);
}

void finish_virtual_servers(Sections& sections) {
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
