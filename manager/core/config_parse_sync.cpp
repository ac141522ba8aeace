// vrrp_sync_group, and what the uses of trackers mean once the whole file is read.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "core/config_parse_sections.h"

namespace xlb::parse {
namespace {

template <TrackKind kKind>
void read_uses(Sections& sections, SyncGroupDraft& draft, const Line& line) {
  read_track_uses(sections, draft.uses, kKind, line);
}

template <std::optional<ScriptCommand> SyncGroupConfig::*kMember>
void read_notify(Sections& sections, SyncGroupDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  if (auto script = sections.values.script(arguments)) draft.config.*kMember = std::move(*script);
}

void read_group(Sections& sections, SyncGroupDraft& draft, const Line& line) {
  { const Arguments none(line, sections.problems); }
  sections.blocks.read_lines(BlockKind::lines, line, [&](const Line& names) {
    draft.members.insert(draft.members.end(), names.words.begin(), names.words.end());
  });
}

void read_member_weights(Sections& sections, SyncGroupDraft& draft, const Line& line) {
  const Arguments none(line, sections.problems);
  draft.config.member_weights = true;
}

void read_global_tracking(Sections& sections, SyncGroupDraft& draft, const Line& line) {
  read_member_weights(sections, draft, line);
  sections.blocks.warn_once(line.spot,
                            "`global_tracking` is an old way to say it: its members' "
                            "weights count, as with sync_group_tracking_weight");
}

void read_priority_changes(Sections& sections, SyncGroupDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  draft.notify_priority_changes = sections.values.flag(arguments);
}

constexpr WordReader<SyncGroupDraft> kGroupWords[] = {
    {"group", read_group},
    {"track_interface", read_uses<TrackKind::interface>},
    {"track_script", read_uses<TrackKind::script>},
    {"track_process", read_uses<TrackKind::process>},
    {"track_file", read_uses<TrackKind::file>},
    {"notify_master", read_notify<&SyncGroupConfig::notify_master>},
    {"notify_backup", read_notify<&SyncGroupConfig::notify_backup>},
    {"notify_fault", read_notify<&SyncGroupConfig::notify_fault>},
    {"notify_stop", read_notify<&SyncGroupConfig::notify_stop>},
    {"notify", read_notify<&SyncGroupConfig::notify>},
    {"smtp_alert", read_smtp_alert<SyncGroupDraft>},
    {"global_tracking", read_global_tracking},
    {"sync_group_tracking_weight", read_member_weights},
    {"notify_priority_changes", read_priority_changes},
};

template <typename Config>
const Config* find(const std::vector<Config>& list, const std::string& name) {
  const auto found =
      std::find_if(list.begin(), list.end(), [&](const Config& item) { return item.name == name; });
  return found == list.end() ? nullptr : &*found;
}

template <typename Config>
std::optional<TrackWeight> weight_of(Sections& sections, const std::vector<Config>& list,
                                     const TrackUseDraft& use, std::string_view block) {
  if (const Config* config = find(list, use.name.text)) return config->weight;
  std::vector<std::string_view> names;
  names.reserve(list.size());
  for (const Config& item : list)
    names.push_back(item.name);
  const std::string_view near = nearest(use.name.text, names);
  sections.blocks.unknown(use.name.spot,
                          fmt::format("there is no {} {}", block, quoted(use.name.text)),
                          near.empty() ? "" : fmt::format("did you mean `{}`?", near));
  return std::nullopt;
}

std::optional<TrackWeight> own_weight(Sections& sections, const TrackUseDraft& use) {
  const TrackConfig& track = sections.track.config;
  switch (use.kind) {
    case TrackKind::script:
      return weight_of(sections, track.scripts, use, "vrrp_script");
    case TrackKind::process:
      return weight_of(sections, track.processes, use, "vrrp_track_process");
    case TrackKind::file:
      return weight_of(sections, track.files, use, "track_file");
    case TrackKind::interface:
      if (!sections.values.interface_name(use.name, "track_interface")) return std::nullopt;
      return TrackWeight{};
  }
  return std::nullopt;
}

std::vector<TrackUse> resolve(Sections& sections, const std::vector<TrackUseDraft>& drafts) {
  std::vector<TrackUse> result;
  for (const TrackUseDraft& draft : drafts) {
    auto weight = own_weight(sections, draft);
    if (!weight) continue;
    if (draft.weight) weight->value = draft.weight->value;
    if (draft.reverse) weight->reverse = *draft.reverse;
    TrackUse use{draft.kind, draft.name.text, *weight, {}};
    use.place = sections.problems.place_of(draft.name.spot);
    result.push_back(std::move(use));
  }
  return result;
}

// A weight where priorities must not move: of a script it is as if the line were not there, of the
// others failure means FAULT; as keepalived has it.
void forbid_weights(Sections& sections, std::vector<TrackUse>& uses,
                    const std::vector<TrackUseDraft>& drafts, std::string_view because) {
  for (TrackUse& use : uses) {
    const bool process_in_group =
        use.kind == TrackKind::process && because != "its priority is 255";
    if (use.weight.value == 0 || process_in_group) continue;
    const auto draft = std::find_if(drafts.begin(), drafts.end(), [&](const TrackUseDraft& item) {
      return item.kind == use.kind && item.name.text == use.name;
    });
    const bool dropped = use.kind == TrackKind::script;
    sections.problems.warning(
        draft->name.spot,
        fmt::format("{} {} has a weight of {}, but {}: {}", name_of(use.kind), quoted(use.name),
                    use.weight.value, because,
                    dropped ? "it is not tracked here" : "the weight is 0, so failure means FAULT"),
        fmt::format("{} weight 0", use.name));
    use.weight.value = 0;
    if (dropped) use.name.clear();
  }
  std::erase_if(uses, [](const TrackUse& use) { return use.name.empty(); });
}

// Of the group's own uses, when a member's priority may not move.
void forbid_group_weights(Sections& sections, SyncGroupDraft& draft) {
  for (TrackUse& use : draft.config.uses) {
    if (use.weight.value == 0) continue;
    sections.problems.warning(
        draft.head, fmt::format("vrrp_sync_group `{}` has a member of priority 255: the weight of "
                                "{} is 0, so failure means FAULT",
                                draft.config.name, quoted(use.name)));
    use.weight.value = 0;
  }
}

void claim_members(Sections& sections, SyncGroupDraft& draft,
                   std::map<std::string, std::string>& group_of) {
  for (const Word& word : draft.members) {
    if (find(sections.config.vrrp_instances, word.text) == nullptr) {
      std::vector<std::string_view> names;
      names.reserve(sections.config.vrrp_instances.size());
      for (const VrrpInstanceConfig& instance : sections.config.vrrp_instances)
        names.push_back(instance.name);
      const std::string_view near = nearest(word.text, names);
      sections.blocks.unknown(word.spot,
                              fmt::format("there is no vrrp_instance {}", quoted(word.text)),
                              near.empty() ? "" : fmt::format("did you mean `{}`?", near));
      continue;
    }
    const auto [other, is_new] = group_of.try_emplace(word.text, draft.config.name);
    if (is_new) {
      draft.config.members.push_back(word.text);
    } else {
      sections.problems.warning(
          word.spot, fmt::format("{} is in vrrp_sync_group `{}` already: not in this one",
                                 quoted(word.text), other->second));
    }
  }
}

void finish_group(Sections& sections, SyncGroupDraft& draft,
                  std::map<std::string, std::string>& group_of) {
  claim_members(sections, draft, group_of);
  draft.config.uses = resolve(sections, draft.uses);
  const auto& members = draft.config.members;
  if (members.size() < 2 && sections.blocks.braces_are_balanced()) {
    sections.problems.warning(
        draft.head, fmt::format("vrrp_sync_group `{}` has {}", draft.config.name,
                                members.empty() ? "no member: it is nothing" : "only one member"));
  }
  const bool has_owner = std::any_of(members.begin(), members.end(), [&](const std::string& name) {
    return find(sections.config.vrrp_instances, name)->priority == 255;
  });
  if (has_owner) forbid_group_weights(sections, draft);
}

const SyncGroupDraft* group_called(const Sections& sections, const std::string& name) {
  for (const SyncGroupDraft& draft : sections.track.groups) {
    if (draft.config.name == name) return &draft;
  }
  return nullptr;
}

}  // namespace

void read_sync_group(Sections& sections, const Line& head) {
  SyncGroupDraft draft;
  draft.head = head.spot;
  draft.config.place = sections.problems.place_of(head.spot);
  {
    Arguments arguments(head, sections.problems);
    if (const Word* name = arguments.take("a name")) {
      draft.config.name = name->text;
      draft.head = name->spot;
    }
  }
  read_section<SyncGroupDraft>(sections, BlockKind::vrrp_sync_group, head, draft, kGroupWords);
  if (const SyncGroupDraft* other = group_called(sections, draft.config.name)) {
    sections.problems.error(
        draft.head, fmt::format("vrrp_sync_group `{}` stands already at {}", draft.config.name,
                                to_string(other->config.place)));
    return;
  }
  sections.track.groups.push_back(std::move(draft));
}

void finish_tracking(Sections& sections) {
  std::map<std::string, std::string> group_of;
  for (SyncGroupDraft& draft : sections.track.groups)
    finish_group(sections, draft, group_of);
  for (size_t i = 0; i < sections.config.vrrp_instances.size(); ++i) {
    VrrpInstanceConfig& config = sections.config.vrrp_instances[i];
    const TrackingDraft& draft = sections.vrrp_instances[i].tracking;
    config.tracking.uses = resolve(sections, draft.uses);
    const auto found = group_of.find(config.name);
    const SyncGroupDraft* group =
        found == group_of.end() ? nullptr : group_called(sections, found->second);
    config.tracking.notify_priority_changes =
        draft.notify_priority_changes.value_or(group != nullptr && group->notify_priority_changes
                                                   ? *group->notify_priority_changes
                                                   : sections.track.notify_priority_changes);
    if (config.priority == 255) {
      forbid_weights(sections, config.tracking.uses, draft.uses, "its priority is 255");
    } else if (group != nullptr && !group->config.member_weights) {
      forbid_weights(
          sections, config.tracking.uses, draft.uses,
          fmt::format("the priorities of vrrp_sync_group `{}` move together", group->config.name));
    }
  }
  for (SyncGroupDraft& draft : sections.track.groups) {
    if (!draft.config.members.empty()) {
      sections.track.config.groups.push_back(std::move(draft.config));
    }
  }
  sections.config.track = std::move(sections.track.config);
}

}  // namespace xlb::parse
