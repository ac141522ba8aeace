// quorum, hysteresis and sorry_server against the real servers of their virtual_server. What can
// never be reached is brought within reach, as keepalived does.
#include <fmt/format.h>

#include <algorithm>

#include "core/config_parse_lvs.h"

namespace xlb::parse {
namespace {

uint32_t total_weight(const VirtualServerConfig& config) {
  uint64_t total = 0;
  for (const RealServerConfig& real_server : config.real_servers)
    total += static_cast<uint64_t>(real_server.weight);
  return static_cast<uint32_t>(std::min<uint64_t>(total, UINT32_MAX));
}

void finish_thresholds(Problems& problems, VirtualServerDraft& draft) {
  VirtualServerConfig& config = draft.config;
  const uint32_t total = total_weight(config);
  if (config.quorum > total && total > 0) {
    problems.warning(draft.quorum_spot,
                     fmt::format("quorum {} is more than all real servers weigh together: it is "
                                 "taken for {}",
                                 config.quorum, total),
                     fmt::format("quorum {}", total));
    config.quorum = total;
  }
  if (config.hysteresis >= config.quorum) {
    problems.warning(
        draft.hysteresis_spot,
        fmt::format("hysteresis {} is not less than the quorum, {}: it is taken for {}",
                    config.hysteresis, config.quorum, config.quorum - 1),
        "quorum counts weights, not real servers");
    config.hysteresis = config.quorum - 1;
  }
  if (total > 0 && uint64_t{config.quorum} + config.hysteresis > total) {
    problems.warning(draft.hysteresis_spot,
                     fmt::format("the quorum is never gained: that takes a weight of {} (quorum {} "
                                 "plus hysteresis {}), and all real servers together weigh {}",
                                 uint64_t{config.quorum} + config.hysteresis, config.quorum,
                                 config.hysteresis, total),
                     fmt::format("hysteresis {}", total - config.quorum));
  }
}

void finish_sorry_server(Sections& sections, VirtualServerDraft& draft) {
  if (!draft.sorry_address || !draft.valid) return;
  const uint16_t port = draft.config.key.port;
  Endpoint sorry{*draft.sorry_address, draft.sorry_port.value_or(port)};
  const MethodDraft method = method_of(draft, draft.sorry_method);
  if (!method_fits(sections, draft, method, "sorry_server", sorry, draft.sorry_address_spot,
                   draft.sorry_spot)) {
    return;
  }
  draft.config.sorry_tunnel = method.tunnel;
  draft.config.sorry_translated = method.translated;
  draft.config.sorry_server = sorry;
}

}  // namespace

void finish_quorum(Sections& sections, VirtualServerDraft& draft) {
  finish_thresholds(sections.problems, draft);
  finish_sorry_server(sections, draft);
}

}  // namespace xlb::parse
