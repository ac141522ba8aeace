// The VRRP election of one virtual router: RFC 3768 section 6 (v2), RFC 9568 section 6 (v3), with
// keepalived's preempt rules. A pure state machine: an event and the time go in, actions come out,
// deadline() says when to call again. It must not know sockets, interfaces or scripts.
//
//   state   event                                     next    what happens
//   INIT    InterfaceUp, priority 255                 MASTER  takes over
//   INIT    InterfaceUp                               BACKUP  timer = 3 intervals + skew
//   BACKUP  advert, priority 0                        BACKUP  timer = skew
//   any     the same, of one who spoke on after it            ignored for ten seconds: it is forged
//   BACKUP  advert >= own priority, or no preempt     BACKUP  learns the interval, timer anew
//   BACKUP  advert < own priority                     BACKUP  ignored: the timer runs on
//   BACKUP  the same, within preempt_delay of the     BACKUP  follows it: timer anew
//           first such advert
//   BACKUP  timer                                     MASTER  takes over
//   MASTER  advert timer                              MASTER  advertises
//   MASTER  advert > own, or equal and address >      BACKUP  gives the addresses up
//   MASTER  any other advert                          MASTER  advertises at once, announces again
//           (lower_prio_no_advert: announces only)
//   MASTER  any, after being stopped so long that     BACKUP  gives the addresses up,
//           every backup has timed out                        timer = 1 interval + skew
//   BACKUP  timer, later than an interval: stopped    BACKUP  the same, once
//   BACKUP,
//   MASTER  InterfaceDown                             FAULT   gives the addresses up
//   FAULT   InterfaceUp                                       as INIT
//   any     Shutdown                                  INIT    MASTER says farewell (priority 0)
//
// A member of a sync group (Settings::grouped) does not take over by itself: where the table says
// so it asks (WantsMaster), goes on as BACKUP with its timer anew, and waits for its group.
//
//   BACKUP  TakeOver                                  MASTER  takes over
//   MASTER  StandDown                                 BACKUP  gives the addresses up, no farewell
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "core/types.h"
#include "core/vrrp_packet.h"

namespace xlb::vrrp {

enum class State : uint8_t { init, backup, master, fault };
std::string_view name_of(State state);  // "INIT", "BACKUP", "MASTER", "FAULT"

struct Settings {
  VrrpVersion version = VrrpVersion::v2;
  uint8_t priority = 100;
  bool preempt = true;
  Duration advert_interval = std::chrono::seconds(1);
  Duration garp_delay = std::chrono::seconds(5);  // 0: no second gratuitous ARP block
  Duration preempt_delay{};
  int down_timer_adverts = 3;  // a master is lost after so many missed advertisements
  bool answer_lower_priority = true;
  bool advertise_before_yielding = false;
  bool owner_ignores_adverts = false;
  bool grouped = false;  // a member of a sync group: asks before it takes over
};

// nopreempt needs `state BACKUP` and a priority below 255, as in keepalived; otherwise it is
// ignored.
Settings settings_of(const VrrpInstanceConfig& config);

// Events.

// The interface can send, and nothing the instance tracks forbids it to be master; also when only
// its address changed.
struct InterfaceUp {
  IpAddress primary_address;  // of the instance's interface: the tie rule compares it
};
struct InterfaceDown {    // the reverse
  bool can_send = false;  // it is what the instance tracks: a master says farewell
};
struct AdvertisementReceived {
  IpAddress source;
  uint8_t priority = 0;
  Duration interval{};
};
struct TimerExpired {};
struct Shutdown {};
// In INIT only, instead of InterfaceUp: a predecessor was master until so lately that no backup can
// have given it up yet.
struct ResumeMaster {
  IpAddress primary_address;
};
struct TakeOver {};   // the sync group becomes master; heeded in BACKUP only
struct StandDown {};  // the sync group becomes backup; heeded in MASTER only
using Event = std::variant<InterfaceUp, InterfaceDown, AdvertisementReceived, TimerExpired,
                           Shutdown, ResumeMaster, TakeOver, StandDown>;

// Actions, to be carried out in order.

struct SendAdvertisement {
  uint8_t priority = 0;
};
// A master heard an advertisement of lower priority (notify_master_rx_lower_pri).
struct LowerPriorityHeard {
  IpAddress source;
  uint8_t priority = 0;
};
struct AddAddresses {};       // put the virtual addresses on their interfaces
struct RemoveAddresses {};    // and take them away
struct AnnounceAddresses {};  // one block of gratuitous ARP
struct StateChanged {
  State from = State::init;
  State to = State::init;
  Duration silent{};  // that a master was stopped, if that is why it is none
};
// The master fell silent: BACKUP's timer expired without a farewell (priority 0), and not because
// we outrank a master that still speaks. `last_master` is who it was, if it was ever heard.
struct MasterLost {
  std::optional<IpAddress> last_master;
};
// A member of a sync group would be master now. wants_master() says so until it hears a master it
// accepts or leaves BACKUP. The group answers with TakeOver to all its members, or not at all.
struct WantsMaster {};
using Action = std::variant<SendAdvertisement, AddAddresses, RemoveAddresses, AnnounceAddresses,
                            StateChanged, MasterLost, WantsMaster, LowerPriorityHeard>;
using Actions = std::vector<Action>;

class VirtualRouter {
 public:
  explicit VirtualRouter(Settings settings);

  // Starts in INIT; InterfaceUp is the RFC's Startup event. After Shutdown the router is in INIT
  // again.
  Actions handle(const Event& event, TimePoint now);

  // Goes on under other settings of the same version, in the same state: a master says so at once,
  // a backup's timer is reckoned anew.
  Actions reconfigure(const Settings& settings, TimePoint now);

  // When TimerExpired is due; nullopt: nothing to wait for. TimerExpired before the deadline does
  // nothing.
  [[nodiscard]] std::optional<TimePoint> deadline() const;
  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] bool wants_master() const { return wants_master_; }
  // Who advertised as master within the time that we wait for one.
  [[nodiscard]] std::optional<IpAddress> living_master(TimePoint now) const;
  // How long an advertised interval is believed to be.
  [[nodiscard]] Duration adoptable(Duration interval) const;
  // Who advertises as master, when that is somebody else.
  [[nodiscard]] std::optional<IpAddress> master_address() const { return master_; }
  // RFC 9568 6.1: Skew_Time and Active_Down_Interval from the interval in force.
  [[nodiscard]] Duration skew_time() const;
  [[nodiscard]] Duration master_down_interval() const;

 private:
  void on(const InterfaceUp& event, TimePoint now, Actions& actions);
  void on(const InterfaceDown& event, TimePoint now, Actions& actions);
  void on(const AdvertisementReceived& event, TimePoint now, Actions& actions);
  void on(const TimerExpired& event, TimePoint now, Actions& actions);
  void on(const Shutdown& event, TimePoint now, Actions& actions);
  void on(const ResumeMaster& event, TimePoint now, Actions& actions);
  void on(const TakeOver& event, TimePoint now, Actions& actions);
  void on(const StandDown& event, TimePoint now, Actions& actions);

  void hear_as_backup(const AdvertisementReceived& advertisement, TimePoint now);
  void hear_as_master(const AdvertisementReceived& advertisement, TimePoint now, Actions& actions);
  void follow(const AdvertisementReceived& advertisement, TimePoint now);
  void down_timer_expired(TimePoint now, Actions& actions);
  void listen_again(TimePoint now);
  void master_timers_expired(TimePoint now, Actions& actions);

  void claim(TimePoint now, Actions& actions);
  void become_backup(TimePoint now, Actions& actions);
  void become_master(TimePoint now, Actions& actions);
  void leave_for(State next, Actions& actions, Duration silent = {});
  void advertise(TimePoint now, Actions& actions);
  void announce(TimePoint now, Actions& actions);

  [[nodiscard]] bool preempts(uint8_t priority, TimePoint now);
  bool doubts(const AdvertisementReceived& advertisement, TimePoint now);
  [[nodiscard]] bool overtaken(TimePoint now) const;
  [[nodiscard]] Duration silent(TimePoint now) const;
  [[nodiscard]] Duration skew_of(uint8_t priority) const;

  Settings settings_;
  State state_ = State::init;
  IpAddress primary_address_;
  Duration interval_;  // RFC 9568's Active_Adver_Interval: learned in BACKUP, else our own

  // Who said farewell last, and until when another one of them is not believed.
  std::optional<IpAddress> farewell_by_;
  TimePoint farewell_at_;
  TimePoint farewells_doubted_until_;

  // BACKUP
  TimePoint down_due_;
  std::optional<IpAddress> master_;
  TimePoint master_heard_at_;
  bool master_outranked_ = false;          // its priority is below ours: we wait to preempt it
  bool farewell_ = false;                  // the master said it leaves
  bool listened_again_ = false;            // after having been stopped
  std::optional<TimePoint> preempt_from_;  // preempt_delay runs, or ran, until then
  bool wants_master_ = false;              // and waits for its sync group

  // MASTER
  TimePoint advert_due_;
  TimePoint announced_at_;
  std::optional<TimePoint> announce_due_;
};

}  // namespace xlb::vrrp
