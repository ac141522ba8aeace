// What is read of trackers, sync groups and notifications before the whole file is known: a use
// names its tracker before or after it is defined.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/config_track.h"
#include "core/lexer.h"

namespace xlb::parse {

struct TrackUseDraft {
  TrackKind kind = TrackKind::script;
  Word name;
  std::optional<TrackWeight> weight;
  std::optional<bool> reverse;
  bool defined_before = true;
};

// Of a vrrp_instance.
struct TrackingDraft {
  std::vector<TrackUseDraft> uses;
  std::optional<bool> notify_priority_changes;
};

struct SyncGroupDraft {
  SyncGroupConfig config;
  Spot head;
  std::vector<Word> members;
  std::vector<TrackUseDraft> uses;
  std::optional<bool> notify_priority_changes;
};

struct TrackSections {
  TrackConfig config;  // groups are filled in by finish_tracking
  std::vector<SyncGroupDraft> groups;
  bool notify_priority_changes = false;  // vrrp_notify_priority_changes
};

}  // namespace xlb::parse
