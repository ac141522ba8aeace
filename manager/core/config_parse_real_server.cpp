// real_server: its words, and what it takes over from its virtual_server.
#include <fmt/format.h>

#include <map>
#include <utility>

#include "core/config_parse_lvs.h"

namespace xlb::parse {
namespace {

void read_real_weight(Sections& sections, RealServerDraft& draft, const Line& line) {
  draft.weight = read_weight(sections, line);
}

void read_real_default(Sections& sections, RealServerDraft& draft, const Line& line) {
  read_check_default(sections, draft.defaults, line);
}

void read_real_method(Sections& sections, RealServerDraft& draft, const Line& line) {
  draft.method = read_method(sections, line);
}

void read_http_get(Sections& sections, RealServerDraft& draft, const Line& line) {
  draft.checks.push_back(read_check(sections, CheckKind::http_get, line));
}

void read_ssl_get(Sections& sections, RealServerDraft& draft, const Line& line) {
  draft.checks.push_back(read_check(sections, CheckKind::ssl_get, line));
}

void read_tcp_check(Sections& sections, RealServerDraft& draft, const Line& line) {
  draft.checks.push_back(read_check(sections, CheckKind::tcp, line));
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

constexpr WordReader<RealServerDraft> kRealServerWords[] = {
    {"weight", read_real_weight},       {"lvs_method", read_real_method},
    {"delay_loop", read_real_default},  {"connect_timeout", read_real_default},
    {"retry", read_real_default},       {"delay_before_retry", read_real_default},
    {"alpha", read_real_default},       {"warmup", read_real_default},
    {"virtualhost", read_real_default}, {"inhibit_on_failure", read_inhibit},
    {"notify_up", read_notify_up},      {"notify_down", read_notify_down},
    {"HTTP_GET", read_http_get},        {"SSL_GET", read_ssl_get},
    {"TCP_CHECK", read_tcp_check},
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
  RealServerDraft draft;
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
    }
  }
  read_section<RealServerDraft>(sections, BlockKind::real_server, head, draft, kRealServerWords);
  server.real_servers.push_back(std::move(draft));
}

void finish_real_servers(Sections& sections, VirtualServerDraft& draft) {
  std::map<Endpoint, Spot> seen;
  for (RealServerDraft& real : draft.real_servers) {
    if (!real.valid) continue;
    RealServerConfig& config = real.config;
    config.endpoint.port = real.port.value_or(draft.config.key.port);
    config.weight = real.weight.value_or(draft.weight.value_or(config.weight));
    const MethodDraft method = real.method.value_or(draft.method.value_or(MethodDraft{}));
    config.tunnel = method.tunnel;
    if (draft.valid && !method_fits(sections.problems, draft, method, "real_server",
                                    config.endpoint, real.address_spot, real.port_spot)) {
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
    config.inhibit_on_failure =
        real.inhibit_on_failure.value_or(draft.inhibit_on_failure.value_or(false));
    const CheckDefaults* const outer[] = {&real.defaults, &draft.defaults};
    for (CheckDraft& check : real.checks) {
      config.checks.push_back(finish_check(sections, std::move(check), outer, config.endpoint));
    }
    draft.config.real_servers.push_back(std::move(config));
  }
}

}  // namespace xlb::parse
