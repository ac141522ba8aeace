// A vrrp_sync_group: virtual routers that are master together or not at all (keepalived's
// vrrp_sync.c). Decides what its members are told; must not know how they are told. Each time
// something happened to a member, orders() is asked; when its orders are carried out, again, until
// there are none.
//
//   group    its members                                   next     they are told
//   any      one cannot be master                          FAULT    fault: the others
//   FAULT    all can again                                 BACKUP   clear: those told before
//   BACKUP   all are BACKUP and want to be master          MASTER   take_over: all
//   BACKUP   some are MASTER, the rest BACKUP              MASTER   take_over: the rest
//   MASTER   some are BACKUP                               BACKUP   stand_down: the masters
//
// A member that has not started (INIT) keeps the group from becoming master.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/vrrp.h"

namespace xlb::vrrp {

struct GroupMember {
  std::string name;
  State state = State::init;
  bool wants_master = false;
  bool cannot_be_master = false;  // of itself
};

struct GroupOrder {
  enum class Kind : uint8_t { take_over, stand_down, fault, clear };
  Kind kind = Kind::clear;
  size_t member = 0;
  std::string reason;  // of fault

  bool operator==(const GroupOrder&) const = default;
};

class SyncGroup {
 public:
  explicit SyncGroup(std::string name) : name_(std::move(name)) {}

  std::vector<GroupOrder> orders(std::span<const GroupMember> members);
  // The state all its members are in, as far as they are in one; INIT until they first are.
  [[nodiscard]] State state() const { return state_; }
  void stop() { state_ = State::init; }
  // This member is another one now, or none: what it was told is gone with it.
  void forget(const std::string& member) { told_.erase(member); }

 private:
  std::vector<GroupOrder> follow_fault(std::span<const GroupMember> members, size_t culprit);
  std::vector<GroupOrder> follow_roles(std::span<const GroupMember> members);

  std::string name_;
  State state_ = State::init;
  std::map<std::string, std::string> told_;  // members with a fault of the group's: why
};

}  // namespace xlb::vrrp
