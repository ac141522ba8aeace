#include "core/vrrp_sync.h"

#include <fmt/format.h>

#include <algorithm>

namespace xlb::vrrp {
namespace {

using Kind = GroupOrder::Kind;

size_t count(std::span<const GroupMember> members, State state) {
  return static_cast<size_t>(std::count_if(
      members.begin(), members.end(), [&](const auto& member) { return member.state == state; }));
}

std::vector<GroupOrder> tell(std::span<const GroupMember> members, State state, Kind kind) {
  std::vector<GroupOrder> result;
  for (size_t i = 0; i < members.size(); ++i) {
    if (members[i].state == state) result.push_back({kind, i, ""});
  }
  return result;
}

}  // namespace

std::vector<GroupOrder> SyncGroup::orders(std::span<const GroupMember> members) {
  const auto culprit = std::find_if(members.begin(), members.end(),
                                    [](const GroupMember& one) { return one.cannot_be_master; });
  if (culprit != members.end()) {
    return follow_fault(members, static_cast<size_t>(culprit - members.begin()));
  }
  std::vector<GroupOrder> result;
  for (size_t i = 0; i < members.size(); ++i) {
    if (told_.erase(members[i].name) > 0) result.push_back({Kind::clear, i, ""});
  }
  return result.empty() ? follow_roles(members) : result;
}

std::vector<GroupOrder> SyncGroup::follow_fault(std::span<const GroupMember> members,
                                                size_t culprit) {
  const std::string reason =
      fmt::format("vrrp_sync_group {}: {} is in FAULT", name_, members[culprit].name);
  std::vector<GroupOrder> result;
  bool all_stopped = true;
  for (size_t i = 0; i < members.size(); ++i) {
    const State state = members[i].state;
    all_stopped = all_stopped && (state == State::fault || state == State::init);
    if (i == culprit) {
      if (told_.erase(members[i].name) > 0) result.push_back({Kind::clear, i, ""});
    } else if (std::string& told = told_[members[i].name]; told != reason) {
      told = reason;
      result.push_back({Kind::fault, i, reason});
    }
  }
  if (result.empty() && all_stopped) state_ = State::fault;
  return result;
}

std::vector<GroupOrder> SyncGroup::follow_roles(std::span<const GroupMember> members) {
  const size_t masters = count(members, State::master);
  const size_t backups = count(members, State::backup);
  if (masters + backups < members.size()) return {};
  if (masters == members.size()) {
    state_ = State::master;
    return {};
  }
  const bool was_master = state_ == State::master;
  const bool all_want =
      masters == 0 &&
      std::all_of(members.begin(), members.end(), [](const auto& one) { return one.wants_master; });
  state_ = State::backup;
  if (was_master) return tell(members, State::master, Kind::stand_down);
  if (masters > 0 || all_want) return tell(members, State::backup, Kind::take_over);
  return {};
}

}  // namespace xlb::vrrp
