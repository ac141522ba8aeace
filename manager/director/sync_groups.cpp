#include "director/sync_groups.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace xlb {
namespace {

// More changes at once than a group's rules can lead to.
constexpr int kMostRounds = 32;

}  // namespace

void SyncGroups::configure(const std::vector<SyncGroupConfig>& configs,
                           const std::vector<std::unique_ptr<VrrpInstance>>& instances) {
  std::map<std::string, std::unique_ptr<Group>> before = std::exchange(groups_, {});
  const std::map<const VrrpInstance*, std::string> members_before = std::exchange(membership_, {});
  busy_ = true;  // until all are members, nothing follows from anything
  for (const SyncGroupConfig& config : configs) {
    auto& known = before[config.name];
    auto group = known ? std::move(known) : std::make_unique<Group>(config);
    group->config = config;
    join(*group, instances);
    for (VrrpInstance* member : group->members) {
      const auto was = members_before.find(member);
      if (was != members_before.end() && was->second == config.name) continue;
      group->logic.forget(member->config().name);
      member->set_group(
          VrrpGroupHooks{[this] { evaluate(); }, [this](vrrp::State, vrrp::State) { evaluate(); }});
    }
    groups_[config.name] = std::move(group);
  }
  for (const auto& instance : instances) {
    const bool left =
        members_before.contains(instance.get()) && !membership_.contains(instance.get());
    if (left) instance->set_group(std::nullopt);
  }
  busy_ = false;
  evaluate();
}

void SyncGroups::leave(const VrrpInstance& member) {
  membership_.erase(&member);
  for (const auto& [name, group] : groups_) {
    if (std::erase(group->members, &member) > 0) group->logic.forget(member.config().name);
  }
}

void SyncGroups::join(Group& group, const std::vector<std::unique_ptr<VrrpInstance>>& instances) {
  group.members.clear();
  for (const auto& instance : instances) {
    const auto& names = group.config.members;
    if (std::find(names.begin(), names.end(), instance->config().name) == names.end()) continue;
    group.members.push_back(instance.get());
    membership_[instance.get()] = group.config.name;
  }
}

void SyncGroups::evaluate() {
  again_ = true;
  if (busy_ || stopped_) return;
  busy_ = true;
  for (int round = 0; again_ && round < kMostRounds; ++round) {
    again_ = false;
    for (const auto& [name, group] : groups_)
      again_ = act(*group) || again_;
  }
  busy_ = false;
  for (const auto& [name, group] : groups_)
    tell(*group);
}

// Whether anything was done.
bool SyncGroups::act(Group& group) {
  std::vector<vrrp::GroupMember> members;
  members.reserve(group.members.size());
  for (const VrrpInstance* member : group.members) {
    members.push_back({member->config().name, member->state(), member->wants_master(),
                       member->cannot_be_master()});
  }
  const auto orders = group.logic.orders(members);
  for (const vrrp::GroupOrder& order : orders) {
    VrrpInstance& member = *group.members[order.member];
    switch (order.kind) {
      case vrrp::GroupOrder::Kind::take_over:
        member.take_over();
        break;
      case vrrp::GroupOrder::Kind::stand_down:
        member.stand_down();
        break;
      case vrrp::GroupOrder::Kind::fault:
      case vrrp::GroupOrder::Kind::clear:
        member.set_group_fault(order.reason);
        break;
    }
  }
  return !orders.empty();
}

void SyncGroups::tell(Group& group) {
  const vrrp::State state = group.logic.state();
  if (state == group.told || state == vrrp::State::init) return;
  log::notice("vrrp_sync_group {}: {} -> {}", group.config.name, vrrp::name_of(group.told),
              vrrp::name_of(state));
  group.told = state;
  told_(group.config, state);
}

void SyncGroups::visit(const Told& visitor) const {
  for (const auto& [name, group] : groups_) {
    if (group->told != vrrp::State::init) visitor(group->config, group->told);
  }
}

void SyncGroups::stop() {
  if (std::exchange(stopped_, true)) return;
  for (const auto& [name, group] : groups_)
    told_(group->config, vrrp::State::init);
}

std::string SyncGroups::group_of(const std::string& instance) const {
  for (const auto& [member, group] : membership_) {
    if (member->config().name == instance) return group;
  }
  return "";
}

}  // namespace xlb
