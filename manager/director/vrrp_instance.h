// One virtual router at work: feeds core/vrrp.h with adverts, timers and link changes, and carries
// out what it answers: send adverts (vrrp_channel.h), have its addresses (vrrp_addresses.h) put on,
// announced and taken off, run notify scripts.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>

#include "core/config.h"
#include "core/notify_line.h"
#include "core/status.h"
#include "core/vrrp.h"
#include "core/vrrp_packet.h"
#include "director/link_delays.h"
#include "director/recorded_network.h"
#include "director/router_interfaces.h"
#include "director/vrrp_addresses.h"
#include "director/vrrp_channel.h"
#include "io/address_record.h"
#include "io/advert_record.h"
#include "io/announce_queue.h"
#include "io/event_loop.h"
#include "io/netlink.h"
#include "io/script.h"

namespace xlb {

// The kernel interfaces and hooks the instances of one director share.
struct VrrpSurroundings {
  EventLoop& loop;
  Netlink& netlink;
  AnnounceQueue& announcements;
  ScriptRunner& scripts;
  AddressRecord& addresses;
  RecordedNetwork& network;
  RouterInterfaces& interfaces;
  const LinkDelays& links;
  AdvertRecord& adverts;
  const GlobalSettings& global;
  // A master fell silent; its address if it was ever heard.
  std::function<void(const std::optional<IpAddress>&)> master_lost;
  // A valid advert arrived from another director.
  std::function<void(const IpAddress&)> heard;
  std::function<void()> state_changed;
  std::function<void(const VrrpNotice&)> notice;
};

// What a sync group hears of its member. Both are called while the member acts: the group may feed
// any member from within.
struct VrrpGroupHooks {
  std::function<void()> wants_master;  // the member would take over; see take_over()
  std::function<void(vrrp::State from, vrrp::State to)> changed;
};

class VrrpInstance {
 public:
  VrrpInstance(const VrrpSurroundings& surroundings, const VrrpInstanceConfig& config);
  VrrpInstance(const VrrpInstance&) = delete;
  VrrpInstance& operator=(const VrrpInstance&) = delete;

  // Takes virtual addresses away that a crashed predecessor left, then begins as BACKUP or FAULT.
  void start();
  // Whether start() would go on as the master that a predecessor was: it spoke so lately that no
  // backup can have given it up, and its addresses are where it left them.
  [[nodiscard]] bool may_resume() const;
  // Its virtual addresses as they are recorded.
  [[nodiscard]] std::set<AddressRecord::Entry> address_entries() const;
  // Takes away what `config` no longer names, so that another instance may claim it.
  void give_up_addresses(const VrrpInstanceConfig& config);
  // The same virtual router (core/config_diff.h) under other words: state and role are kept.
  void reconfigure(const VrrpInstanceConfig& config);

  // What the instance tracks: the priority it speaks with (1..254; a base priority of 255 stays as
  // it is) and why it cannot be master; no reason: it can. Both together with the interface's own
  // state. A changed priority is advertised at once by a master; a backup's timer is reckoned anew.
  // Before start() it is remembered only. After reconfigure() the difference to the base priority
  // is kept until the next call.
  void set_tracking(uint8_t effective_priority, std::string fault_reason);

  // As a member of a sync group (keepalived's vrrp_sync.c): the instance never takes over by
  // itself. It calls wants_master(), and the group calls take_over() on every member when all of
  // them want it (wants_master() below) or one of them is MASTER already. When changed() tells that
  // a member went MASTER -> BACKUP, the group calls stand_down() on the others. When a member
  // cannot_be_master(), the group calls set_group_fault() on the others with the reason, and with
  // none when all members can again. nullopt: leaves its group.
  void set_group(std::optional<VrrpGroupHooks> hooks);
  void take_over();   // heeded by a BACKUP
  void stand_down();  // heeded by a MASTER; no farewell is sent
  void set_group_fault(std::string reason);
  [[nodiscard]] bool wants_master() const { return router_.wants_master(); }
  // Of itself, its group's fault apart: its interface, or what it tracks.
  [[nodiscard]] bool cannot_be_master() const;
  [[nodiscard]] uint8_t effective_priority() const;
  // How long it may hear nobody without taking over yet, an advertisement being due at any time.
  [[nodiscard]] Duration patience() const;

  // To be called when links or addresses changed.
  void refresh();
  // Puts virtual addresses that somebody else took away or added back as the role has them; the
  // netlink picture must have been read since they were last changed here.
  void repair_addresses();
  // Hands over: a farewell if master, addresses removed, notify_stop queued; when a reload removes
  // it, notify_fault or notify_deleted instead.
  enum class Ending : uint8_t { stop, deleted };
  void shutdown(Ending ending = Ending::stop);
  [[nodiscard]] bool started() const { return started_; }
  // Its state is told once more, to the FIFOs only.
  void tell_state() const;

  [[nodiscard]] vrrp::State state() const { return router_.state(); }
  [[nodiscard]] const VrrpInstanceConfig& config() const { return config_; }
  // After shutdown(): another director was heard to take over.
  [[nodiscard]] bool successor_heard() const { return successor_heard_; }
  [[nodiscard]] Status::Vrrp status() const;

 private:
  void feed(const vrrp::Event& event);
  void carry_out_all(const vrrp::Actions& actions);
  void carry_out(const vrrp::Action& action);
  void rearm();
  void timer_expired();
  void hear(const vrrp::Received& advertisement);
  void send(uint8_t priority);
  void announce_new_mac();
  void transition(const vrrp::StateChanged& change);
  void notify(vrrp::State state);
  void notify_lower_priority();
  void notify_priority();
  void run_script(const ScriptCommand& command);
  [[nodiscard]] vrrp::Settings settings() const;
  [[nodiscard]] std::string take_footing();
  void settle();

  VrrpSurroundings around_;
  VrrpInstanceConfig config_;
  vrrp::VirtualRouter router_;
  VrrpAddresses addresses_;
  VrrpChannel channel_;
  EventLoop::Timer timer_;
  bool stopped_ = false;
  bool successor_heard_ = false;
  Ending ending_ = Ending::stop;
  bool started_ = false;
  int priority_change_ = 0;     // of the base priority, by what is tracked
  std::string footing_fault_;   // empty: the interface can send
  std::string tracking_fault_;  // empty: what is tracked allows MASTER
  std::string group_fault_;     // empty: no other member of the sync group is in FAULT
  std::string fault_reason_;    // the first of them
  std::optional<VrrpGroupHooks> group_;
  WallTime since_;
  uint64_t transitions_ = 0;
  uint64_t adverts_received_ = 0;
  uint64_t adverts_late_ = 0;
};

}  // namespace xlb
