// real_server: its words, and what it takes over from its virtual_server.
#include <fmt/format.h>

#include <limits>
#include <map>
#include <utility>

#include "core/config_parse_lvs.h"

namespace xlb::parse {
namespace {

void read_real_weight(Sections& sections, RealServerDraft& draft, const Line& line) {
  draft.weight = read_weight(sections, line);
}

void read_real_default(Sections& sections, RealServerDraft& draft, const Line& line) {
  read_inherited(sections, draft.defaults, line);
}

void read_real_method(Sections& sections, RealServerDraft& draft, const Line& line) {
  draft.method = read_method(sections, line);
}

template <CheckKind kKind>
void read_check_of(Sections& sections, RealServerDraft& draft, const Line& line) {
  read_check(sections, kKind, line, draft.checks.emplace_back());
}

void read_inhibit(Sections& sections, RealServerDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  if (const auto value = sections.values.flag(arguments)) draft.inhibit_on_failure = value;
}

void read_notify_up(Sections& sections, RealServerDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  draft.config.notify_up = sections.values.script(arguments);
}

void read_notify_down(Sections& sections, RealServerDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  draft.config.notify_down = sections.values.script(arguments);
}

uint32_t read_threshold(Sections& sections, RealServerDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  draft.threshold_spot = line.spot;
  const Word* word = arguments.take("a number of connections");
  if (word == nullptr) return 0;
  return static_cast<uint32_t>(
      sections.values
          .number(*word, arguments.keyword().text, {0, std::numeric_limits<uint32_t>::max()})
          .value_or(0));
}

void read_upper_threshold(Sections& sections, RealServerDraft& draft, const Line& line) {
  draft.config.upper_threshold = read_threshold(sections, draft, line);
}

void read_lower_threshold(Sections& sections, RealServerDraft& draft, const Line& line) {
  draft.config.lower_threshold = read_threshold(sections, draft, line);
}

constexpr WordReader<RealServerDraft> kRealServerWords[] = {
    {"uthreshold", read_upper_threshold},
    {"lthreshold", read_lower_threshold},
    {"weight", read_real_weight},
    {"lvs_method", read_real_method},
    {"delay_loop", read_real_default},
    {"connect_timeout", read_real_default},
    {"retry", read_real_default},
    {"delay_before_retry", read_real_default},
    {"alpha", read_real_default},
    {"warmup", read_real_default},
    {"virtualhost", read_real_default},
    {"inhibit_on_failure", read_inhibit},
    {"notify_up", read_notify_up},
    {"notify_down", read_notify_down},
    {"smtp_alert", read_smtp_alert<RealServerDraft>},
    {"HTTP_GET", read_check_of<CheckKind::http_get>},
    {"SSL_GET", read_check_of<CheckKind::ssl_get>},
    {"TCP_CHECK", read_check_of<CheckKind::tcp>},
    {"SMTP_CHECK", read_check_of<CheckKind::smtp>},
    {"DNS_CHECK", read_check_of<CheckKind::dns>},
    {"UDP_CHECK", read_check_of<CheckKind::udp>},
    {"PING_CHECK", read_check_of<CheckKind::ping>},
    {"MISC_CHECK", read_check_of<CheckKind::misc>},
    {"FILE_CHECK", read_check_of<CheckKind::file>},
};

}  // namespace

std::optional<int> read_weight(Sections& sections, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a number from 0 to 65535");
  if (word == nullptr) return std::nullopt;
  const auto weight = sections.values.number(*word, "weight", {0, 65535});
  if (!weight) return std::nullopt;
  return static_cast<int>(*weight);
}

void read_real_server(Sections& sections, VirtualServerDraft& server, const Line& head) {
  RealServerDraft& draft = server.real_servers.emplace_back();
  draft.head = head.spot;
  draft.config.place = sections.problems.place_of(head.spot);
  {
    Arguments arguments(head, sections.problems);
    const Word* address = arguments.take("an address and a port");
    const Word* port = arguments.take_if_any();
    if (address != nullptr) {
      draft.address_spot = address->spot;
      const auto value = sections.values.ip_of_host(*address, "real_server");
      if (value) draft.config.endpoint.address = *value;
      draft.valid = value.has_value();
    }
    if (port != nullptr) {
      draft.port_spot = port->spot;
      draft.port = sections.values.port_or_any(*port, "real_server");
      draft.valid = draft.valid && draft.port.has_value();
      if (draft.port == 0) draft.port.reset();  // the virtual server's
    }
  }
  read_section<RealServerDraft>(sections, BlockKind::real_server, head, draft, kRealServerWords);
}

namespace {

// What direct routing and tunnels lead to is told by its address alone.
Endpoint identity_of(const RealServerConfig& config) {
  return config.translated ? config.endpoint : Endpoint{config.endpoint.address, 0};
}

void finish_thresholds(Problems& problems, RealServerDraft& real) {
  RealServerConfig& config = real.config;
  if (config.lower_threshold <= config.upper_threshold) return;
  problems.warning(real.threshold_spot,
                   fmt::format("lthreshold {} has no effect: it is more than uthreshold {}",
                               config.lower_threshold, config.upper_threshold));
  config.lower_threshold = 0;
}

// False: it is left out.
bool finish_real_server(Sections& sections, const VirtualServerDraft& draft,
                        RealServerDraft& real) {
  RealServerConfig& config = real.config;
  const MethodDraft method = method_of(draft, real.method);
  config.tunnel = method.tunnel;
  config.translated = method.translated;
  // In a group it is each member's where none is said.
  const uint16_t service_port = draft.config.key.port;
  config.endpoint.port = real.port.value_or(draft.config.group.empty() ? service_port : 0);
  Endpoint checked = config.endpoint;
  if (!real.port) checked.port = service_port;
  config.weight = real.weight.value_or(draft.weight.value_or(config.weight));
  finish_thresholds(sections.problems, real);
  if (draft.valid && !method_fits(sections, draft, method, "real_server", config.endpoint,
                                  real.address_spot, real.port_spot)) {
    return false;
  }
  config.inhibit_on_failure =
      real.inhibit_on_failure.value_or(draft.inhibit_on_failure.value_or(false));
  const CheckDefaults* const outer[] = {&real.defaults, &draft.defaults};
  config.checks.reserve(real.checks.size());
  for (CheckDraft& check : real.checks)
    finish_check(sections, check, outer, checked, config.checks);
  return true;
}

}  // namespace

void finish_real_servers(Sections& sections, VirtualServerDraft& draft) {
  std::map<Endpoint, Spot> seen;
  draft.config.real_servers.reserve(draft.real_servers.size());
  for (RealServerDraft& real : draft.real_servers) {
    if (!real.valid || !finish_real_server(sections, draft, real)) continue;
    RealServerConfig& config = real.config;
    const auto [other, is_new] = seen.try_emplace(identity_of(config), real.head);
    if (is_new) {
      draft.config.real_servers.push_back(std::move(config));
      continue;
    }
    sections.problems.warning(
        real.head,
        fmt::format("real_server {} stands already at {}: this one is ignored", config.endpoint,
                    to_string(sections.problems.place_of(other->second))));
  }
}

}  // namespace xlb::parse
