// The vrrp_sync_groups at work: asks core/vrrp_sync.h what follows from what its members do, and
// tells them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/vrrp_sync.h"
#include "director/vrrp_instance.h"

namespace xlb {

class SyncGroups {
 public:
  // A group's state changed; INIT: it stops.
  using Told = std::function<void(const SyncGroupConfig&, vrrp::State)>;
  explicit SyncGroups(Told told) : told_(std::move(told)) {}
  SyncGroups(const SyncGroups&) = delete;
  SyncGroups& operator=(const SyncGroups&) = delete;

  // The configured groups of these instances, which must live until leave().
  // Groups and members that stay keep their state.
  void configure(const std::vector<SyncGroupConfig>& configs,
                 const std::vector<std::unique_ptr<VrrpInstance>>& instances);
  // Until configure(): this member is gone, and nothing follows from anything.
  void suspend() { busy_ = true; }
  void leave(const VrrpInstance& member);
  // Something may have happened to a member that it does not tell by itself.
  void evaluate();
  void stop();
  [[nodiscard]] std::string group_of(const std::string& instance) const;
  void visit(const Told& visitor) const;

 private:
  struct Group {
    explicit Group(const SyncGroupConfig& settings) : config(settings), logic(settings.name) {}
    SyncGroupConfig config;
    vrrp::SyncGroup logic;
    std::vector<VrrpInstance*> members;
    vrrp::State told = vrrp::State::init;
  };

  void join(Group& group, const std::vector<std::unique_ptr<VrrpInstance>>& instances);
  bool act(Group& group);
  void tell(Group& group);

  Told told_;
  std::map<std::string, std::unique_ptr<Group>> groups_;  // by name
  std::map<const VrrpInstance*, std::string> membership_;
  bool busy_ = false;
  bool again_ = false;
  bool stopped_ = false;
};

}  // namespace xlb
