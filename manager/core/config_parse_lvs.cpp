// virtual_server and real_server: their words, keepalived's inheritance, and the rules between
// them.
#include <fmt/format.h>

#include <map>
#include <utility>

#include "core/config_parse_sections.h"

namespace xlb::parse {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

constexpr seconds kPersistenceWithoutValue{360};
constexpr microseconds kHttpDelayBeforeRetry{3'000'000};
constexpr std::string_view kSchedulers[] = {"rr", "wrr", "lc",  "wlc", "lblc", "lblcr", "sh",
                                            "mh", "dh",  "sed", "nq",  "fo",   "ovf",   "twos"};

struct RealServerDraft {
  RealServerConfig config;
  Spot head;
  Spot port_spot;
  std::optional<uint16_t> port;
  std::optional<int> weight;
  TimingDraft timing;
  std::vector<CheckDraft> checks;
  bool valid = false;
};

struct VirtualServerDraft {
  VirtualServerConfig config;
  Spot head;
  bool valid = false;
  bool method_is_direct = true;  // false after an error about it
  bool has_scheduler = false;
  bool has_method = false;
  bool has_protocol = false;
  std::optional<int> weight;
  TimingDraft timing;
  std::vector<RealServerDraft> real_servers;
};

std::optional<int> read_weight_value(Sections& sections, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a number from 0 to 65535");
  if (word == nullptr) return std::nullopt;
  const auto weight = sections.values.number(*word, "weight", {0, 65535});
  if (!weight) return std::nullopt;
  return static_cast<int>(*weight);
}

void read_real_weight(Sections& sections, RealServerDraft& draft, const Line& line) {
  draft.weight = read_weight_value(sections, line);
}

void read_real_timing(Sections& sections, RealServerDraft& draft, const Line& line) {
  (void)read_timing_word(sections, draft.timing, line);
}

void read_http_get(Sections& sections, RealServerDraft& draft, const Line& line) {
  draft.checks.push_back(read_check(sections, CheckKind::http_get, line));
}

void read_tcp_check(Sections& sections, RealServerDraft& draft, const Line& line) {
  draft.checks.push_back(read_check(sections, CheckKind::tcp, line));
}

constexpr WordReader<RealServerDraft> kRealServerWords[] = {
    {"weight", read_real_weight},
    {"delay_loop", read_real_timing},
    {"connect_timeout", read_real_timing},
    {"retry", read_real_timing},
    {"delay_before_retry", read_real_timing},
    {"HTTP_GET", read_http_get},
    {"TCP_CHECK", read_tcp_check},
};

void read_real_server(Sections& sections, VirtualServerDraft& server, const Line& head) {
  RealServerDraft draft;
  draft.head = head.spot;
  draft.config.place = sections.problems.place_of(head.spot);
  {
    Arguments arguments(head, sections.problems);
    const Word* address = arguments.take("an address and a port");
    const Word* port = arguments.take_if_any();
    if (address != nullptr) {
      const auto value = sections.values.ipv4_of_host(*address, "real_server");
      if (value) draft.config.endpoint.address = *value;
      draft.valid = value.has_value();
    }
    if (port != nullptr) {
      draft.port_spot = port->spot;
      draft.port = sections.values.port(*port, "real_server");
      draft.valid = draft.valid && draft.port.has_value();
    }
  }
  read_section<RealServerDraft>(sections, BlockKind::real_server, head, draft, kRealServerWords);
  server.real_servers.push_back(std::move(draft));
}

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
  draft.weight = read_weight_value(sections, line);
}

void read_virtual_timing(Sections& sections, VirtualServerDraft& draft, const Line& line) {
  (void)read_timing_word(sections, draft.timing, line);
}

constexpr WordReader<VirtualServerDraft> kVirtualServerWords[] = {
    {"real_server", read_real_server},   {"lb_algo", read_scheduler},
    {"lvs_sched", read_scheduler},       {"lb_kind", read_method},
    {"lvs_method", read_method},         {"persistence_timeout", read_persistence_timeout},
    {"protocol", read_protocol},         {"weight", read_virtual_weight},
    {"delay_loop", read_virtual_timing}, {"connect_timeout", read_virtual_timing},
    {"retry", read_virtual_timing},      {"delay_before_retry", read_virtual_timing},
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

template <typename T>
void inherit(std::optional<T>& value, const std::optional<T>& outer) {
  if (!value) value = outer;
}

CheckConfig finish_check(CheckDraft&& draft, const TimingDraft& real, const TimingDraft& virtual_,
                         const Endpoint& endpoint) {
  for (const TimingDraft* outer : {&real, &virtual_}) {
    inherit(draft.timing.delay_loop, outer->delay_loop);
    inherit(draft.timing.connect_timeout, outer->connect_timeout);
    inherit(draft.timing.delay_before_retry, outer->delay_before_retry);
    inherit(draft.timing.retry, outer->retry);
  }
  CheckTiming timing;
  if (draft.config.kind == CheckKind::http_get) timing.delay_before_retry = kHttpDelayBeforeRetry;
  timing.delay_loop = draft.timing.delay_loop.value_or(timing.delay_loop);
  timing.connect_timeout = draft.timing.connect_timeout.value_or(timing.connect_timeout);
  timing.delay_before_retry = draft.timing.delay_before_retry.value_or(timing.delay_before_retry);
  timing.retry = draft.timing.retry.value_or(timing.retry);
  draft.config.timing = timing;
  draft.config.target = {draft.connect_ip.value_or(endpoint.address),
                         draft.connect_port.value_or(endpoint.port)};
  return std::move(draft.config);
}

void finish_real_servers(Sections& sections, VirtualServerDraft& draft) {
  std::map<Endpoint, Spot> seen;
  for (RealServerDraft& real : draft.real_servers) {
    if (!real.valid) continue;
    RealServerConfig& config = real.config;
    config.endpoint.port = real.port.value_or(draft.config.key.port);
    config.weight = real.weight.value_or(draft.weight.value_or(config.weight));
    if (draft.valid && draft.method_is_direct && config.endpoint.port != draft.config.key.port) {
      sections.problems.error(
          real.port_spot,
          fmt::format(
              "real_server port {} differs from the virtual server's port {}: direct routing "
              "leaves ports as they are",
              config.endpoint.port, draft.config.key.port),
          fmt::format("real_server {} {} {{", config.endpoint.address, draft.config.key.port));
      continue;
    }
    const auto [other, is_new] = seen.try_emplace(config.endpoint, real.head);
    if (!is_new) {
      sections.problems.warning(
          real.head,
          fmt::format("real_server {} stands already at {}: this one is ignored", config.endpoint,
                      to_string(sections.problems.place_of(other->second))));
      continue;
    }
    for (CheckDraft& check : real.checks) {
      config.checks.push_back(
          finish_check(std::move(check), real.timing, draft.timing, config.endpoint));
    }
    draft.config.real_servers.push_back(std::move(config));
  }
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
