// Words of global_defs and of vrrp_instance that say who is told, and how scripts are run.
#include <fmt/format.h>

#include <utility>

#include "core/config_parse_sections.h"

namespace xlb::parse {
namespace {

template <std::optional<ScriptCommand> ScriptPolicy::*kMember>
void read_hook(Sections& sections, GlobalSettings& global, const Line& line) {
  Arguments arguments(line, sections.problems);
  if (auto script = sections.values.script(arguments)) global.scripts.*kMember = std::move(*script);
}

template <std::chrono::seconds ScriptPolicy::*kMember>
void read_timeout(Sections& sections, GlobalSettings& global, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a number of seconds");
  if (word == nullptr) return;
  const auto seconds = sections.values.number(*word, arguments.keyword().text, {1, 1000});
  if (seconds) global.scripts.*kMember = std::chrono::seconds(*seconds);
}

template <bool ScriptPolicy::*kMember>
void read_switch(Sections& sections, GlobalSettings& global, const Line& line) {
  Arguments arguments(line, sections.problems);
  global.scripts.*kMember = sections.values.flag_or_true(arguments);
}

template <NotifyFifoConfig ScriptPolicy::*kMember>
void read_fifo(Sections& sections, GlobalSettings& global, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* path = arguments.take("a path");
  if (path == nullptr) return;
  NotifyFifoConfig& fifo = global.scripts.*kMember;
  fifo.path.clear();
  const ScriptPolicy& policy = global.scripts;
  for (const NotifyFifoConfig* other : {&policy.all_fifo, &policy.vrrp_fifo, &policy.lvs_fifo}) {
    if (other->path != path->text) continue;
    sections.problems.error(path->spot,
                            fmt::format("{} is another FIFO's path too", quoted(path->text)),
                            "give notify_fifo, vrrp_notify_fifo and lvs_notify_fifo each its own");
    return arguments.ignore_rest();
  }
  if (path->text.empty()) {
    sections.problems.error(path->spot, "the path is empty");
    return arguments.ignore_rest();
  }
  fifo.path = path->text.starts_with('/') ? path->text : "/" + path->text;
  if (fifo.path != path->text) {
    sections.problems.warning(
        path->spot, fmt::format("{} is not an absolute path: {} is used, for a daemon is in /",
                                quoted(path->text), quoted(fifo.path)));
  }
  fifo.place = sections.problems.place_of(path->spot);
  if (const Word* user = arguments.take_if_any()) {
    read_user(*user, arguments, fifo.user, fifo.group);
  }
}

template <NotifyFifoConfig ScriptPolicy::*kMember>
void read_fifo_script(Sections& sections, GlobalSettings& global, const Line& line) {
  Arguments arguments(line, sections.problems);
  if (auto script = sections.values.script(arguments)) {
    (global.scripts.*kMember).script = std::move(*script);
  }
}

void read_global_priority_changes(Sections& sections, GlobalSettings&, const Line& line) {
  Arguments arguments(line, sections.problems);
  if (const auto on = sections.values.flag(arguments)) {
    sections.track.notify_priority_changes = *on;
  }
}

constexpr WordReader<GlobalSettings> kWords[] = {
    {"enable_script_security", read_switch<&ScriptPolicy::security>},
    {"use_symlink_paths", read_switch<&ScriptPolicy::symlink_paths>},
    {"set_supplementary_groups", read_switch<&ScriptPolicy::supplementary_groups>},
    {"startup_script", read_hook<&ScriptPolicy::startup>},
    {"startup_script_timeout", read_timeout<&ScriptPolicy::startup_timeout>},
    {"shutdown_script", read_hook<&ScriptPolicy::shutdown>},
    {"shutdown_script_timeout", read_timeout<&ScriptPolicy::shutdown_timeout>},
    {"notify_fifo", read_fifo<&ScriptPolicy::all_fifo>},
    {"notify_fifo_script", read_fifo_script<&ScriptPolicy::all_fifo>},
    {"vrrp_notify_fifo", read_fifo<&ScriptPolicy::vrrp_fifo>},
    {"vrrp_notify_fifo_script", read_fifo_script<&ScriptPolicy::vrrp_fifo>},
    {"lvs_notify_fifo", read_fifo<&ScriptPolicy::lvs_fifo>},
    {"lvs_notify_fifo_script", read_fifo_script<&ScriptPolicy::lvs_fifo>},
    {"fifo_write_vrrp_states_on_reload", read_switch<&ScriptPolicy::fifo_states_on_reload>},
    {"vrrp_notify_priority_changes", read_global_priority_changes},
};

template <TrackKind kKind>
void read_uses(Sections& sections, VrrpDraft& draft, const Line& line) {
  read_track_uses(sections, draft.tracking.uses, kKind, line);
}

void read_dont_track_primary(Sections& sections, VrrpDraft& draft, const Line& line) {
  const Arguments none(line, sections.problems);
  draft.config.tracking.dont_track_primary = true;
}

void read_notify_deleted(Sections& sections, VrrpDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  draft.config.tracking.deleted_is_told = true;
  if (arguments.at_end()) return;
  if (auto script = sections.values.script(arguments)) {
    draft.config.tracking.notify_deleted = std::move(*script);
  }
}

void read_notify_lower(Sections& sections, VrrpDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  if (auto script = sections.values.script(arguments)) {
    draft.config.tracking.notify_master_rx_lower_pri = std::move(*script);
  }
}

void read_priority_changes(Sections& sections, VrrpDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  draft.tracking.notify_priority_changes = sections.values.flag(arguments);
}

constexpr WordReader<VrrpDraft> kInstanceWords[] = {
    {"smtp_alert", read_smtp_alert<VrrpDraft>},
    {"track_interface", read_uses<TrackKind::interface>},
    {"track_script", read_uses<TrackKind::script>},
    {"track_process", read_uses<TrackKind::process>},
    {"track_file", read_uses<TrackKind::file>},
    {"dont_track_primary", read_dont_track_primary},
    {"notify_deleted", read_notify_deleted},
    {"notify_master_rx_lower_pri", read_notify_lower},
    {"notify_priority_changes", read_priority_changes},
};

}  // namespace

std::span<const WordReader<GlobalSettings>> notify_words_of_global_defs() {
  return kWords;
}

std::span<const WordReader<VrrpDraft>> tracking_words_of_vrrp_instance() {
  return kInstanceWords;
}

}  // namespace xlb::parse
