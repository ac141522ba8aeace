// What keepalived 2.2 would not do with a line of track_script, track_interface and their like.
#include <fmt/format.h>

#include <algorithm>

#include "core/config_parse_sections.h"

namespace xlb::parse {

bool is_defined(const Sections& sections, const TrackUseDraft& use) {
  const auto among = [&](const auto& list) {
    return std::any_of(list.begin(), list.end(),
                       [&](const auto& item) { return item.name == use.name.text; });
  };
  const TrackConfig& config = sections.track.config;
  if (use.kind == TrackKind::script) return among(config.scripts);
  if (use.kind == TrackKind::process) return among(config.processes);
  return use.kind != TrackKind::file || among(config.files);
}

void check_track_uses(Sections& sections, const std::vector<TrackUseDraft>& uses,
                      const VrrpInstanceConfig& instance) {
  for (const TrackUseDraft& use : uses) {
    if (!use.defined_before && is_defined(sections, use)) {
      sections.problems.warning(
          use.name.spot,
          fmt::format("{} {} is defined below: keepalived 2.2 does not find it here",
                      name_of(use.kind), quoted(use.name.text)),
          "put its block before the first one that uses it");
    }
    if (use.kind == TrackKind::interface && use.name.text == instance.interface) {
      sections.problems.warning(
          use.name.spot,
          fmt::format("{} is the instance's own interface: {}", quoted(use.name.text),
                      instance.tracking.dont_track_primary ? "keepalived would not watch it"
                                                           : "it is watched anyway"));
    }
  }
}

}  // namespace xlb::parse
