// The VRRP election of one virtual router: RFC 3768 section 6 (v2), RFC 9568 section 6 (v3), with
// keepalived's preempt rules. A pure state machine: an event and the time go in, actions come out,
// deadline() says when to call again. It must not know sockets, interfaces or scripts.
//
//   state   event                                     next    what happens
//   INIT    InterfaceUp, priority 255                 MASTER  takes over
//   INIT    InterfaceUp                               BACKUP  timer = 3 intervals + skew
//   BACKUP  advert, priority 0                        BACKUP  timer = skew
//   BACKUP  advert >= own priority, or no preempt     BACKUP  learns the interval, timer anew
//   BACKUP  advert < own priority                     BACKUP  ignored: the timer runs on
//   BACKUP  timer                                     MASTER  takes over
//   MASTER  advert timer                              MASTER  advertises
//   MASTER  advert > own, or equal and address >      BACKUP  gives the addresses up
//   MASTER  any other advert                          MASTER  advertises at once, announces again
//   MASTER  any, after being stopped so long that     BACKUP  gives the addresses up,
//           every backup has timed out                        timer = 1 interval + skew
//   BACKUP  timer, later than an interval: stopped    BACKUP  the same, once
//   BACKUP,
//   MASTER  InterfaceDown                             FAULT   gives the addresses up
//   FAULT   InterfaceUp                                       as INIT
//   any     Shutdown                                  INIT    MASTER says farewell (priority 0)
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
};

// nopreempt needs `state BACKUP` and a priority below 255, as in keepalived; otherwise it is
// ignored.
Settings settings_of(const VrrpInstanceConfig& config);

// Events.

// The interface can send; also when only its address changed.
struct InterfaceUp {
  IpAddress primary_address;  // of the instance's interface: the tie rule compares it
};
struct InterfaceDown {};
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
using Event = std::variant<InterfaceUp, InterfaceDown, AdvertisementReceived, TimerExpired,
                           Shutdown, ResumeMaster>;

// Actions, to be carried out in order.

struct SendAdvertisement {
  uint8_t priority = 0;
};
struct AddAddresses {};       // put the virtual addresses on their interfaces
struct RemoveAddresses {};    // and take them away
struct AnnounceAddresses {};  // one block of gratuitous ARP
struct StateChanged {
  State from = State::init;
  State to = State::init;
};
// The master fell silent: BACKUP's timer expired without a farewell (priority 0), and not because
// we outrank a master that still speaks. `last_master` is who it was, if it was ever heard.
struct MasterLost {
  std::optional<IpAddress> last_master;
};
using Action = std::variant<SendAdvertisement, AddAddresses, RemoveAddresses, AnnounceAddresses,
                            StateChanged, MasterLost>;
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

  void hear_as_backup(const AdvertisementReceived& advertisement, TimePoint now);
  void hear_as_master(const AdvertisementReceived& advertisement, TimePoint now, Actions& actions);
  void follow(const AdvertisementReceived& advertisement, TimePoint now);
  void down_timer_expired(TimePoint now, Actions& actions);
  void listen_again(TimePoint now);
  void master_timers_expired(TimePoint now, Actions& actions);

  void become_backup(TimePoint now, Actions& actions);
  void become_master(TimePoint now, Actions& actions);
  void leave_for(State next, Actions& actions);
  void advertise(TimePoint now, Actions& actions);
  void announce(TimePoint now, Actions& actions);

  [[nodiscard]] bool preempts(uint8_t priority) const;
  [[nodiscard]] bool overtaken(TimePoint now) const;
  [[nodiscard]] Duration skew_of(uint8_t priority) const;
  [[nodiscard]] Duration adoptable(Duration interval) const;

  Settings settings_;
  State state_ = State::init;
  IpAddress primary_address_;
  Duration interval_;  // RFC 9568's Active_Adver_Interval: learned in BACKUP, else our own

  // BACKUP
  TimePoint down_due_;
  std::optional<IpAddress> master_;
  TimePoint master_heard_at_;
  bool master_outranked_ = false;  // its priority is below ours: we wait to preempt it
  bool farewell_ = false;          // the master said it leaves
  bool listened_again_ = false;    // after having been stopped

  // MASTER
  TimePoint advert_due_;
  TimePoint announced_at_;
  std::optional<TimePoint> announce_due_;
};

}  // namespace xlb::vrrp
