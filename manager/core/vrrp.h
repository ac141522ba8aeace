// The VRRP election of one virtual router: RFC 3768 section 6 (v2), RFC 9568 section 6 (v3), with keepalived's preempt
// rules. A pure state machine: an event and the time go in, actions come out, deadline() says when to call again. It must
// not know sockets, interfaces or scripts.
//
//            Startup                    master down timer / higher priority rules
//   INIT ------------> BACKUP <------------------------------------------> MASTER
//                        |  interface down                                    |
//                        +----------------------> FAULT <---------------------+
//                                interface up -> BACKUP
#pragma once

#include <cstdint>
#include <optional>
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

// --- events -------------------------------------------------------------------------------------------------------
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
using Event = std::variant<InterfaceUp, InterfaceDown, AdvertisementReceived, TimerExpired, Shutdown>;

// --- actions, to be carried out in order ---------------------------------------------------------------------------
struct SendAdvertisement {
  uint8_t priority = 0;
};
struct AddAddresses {};      // put the virtual addresses on their interfaces
struct RemoveAddresses {};   // and take them away
struct AnnounceAddresses {};  // one block of gratuitous ARP
struct StateChanged {
  State from = State::init;
  State to = State::init;
};
// The master fell silent: BACKUP's timer expired without a farewell (priority 0). `last_master` is who it was, if it was ever heard.
struct MasterLost {
  std::optional<IpAddress> last_master;
};
using Action = std::variant<SendAdvertisement, AddAddresses, RemoveAddresses, AnnounceAddresses,
                            StateChanged, MasterLost>;
using Actions = std::vector<Action>;

class VirtualRouter {
 public:
  explicit VirtualRouter(Settings settings);

  // Starts in INIT; InterfaceUp is the RFC's Startup event. After Shutdown the router is in INIT again.
  Actions handle(const Event& event, TimePoint now);

  // When TimerExpired is due; nullopt: nothing to wait for. TimerExpired before the deadline does nothing.
  [[nodiscard]] std::optional<TimePoint> deadline() const;
  [[nodiscard]] State state() const;
  // Who advertises as master, when that is somebody else.
  [[nodiscard]] std::optional<IpAddress> master_address() const;
  // RFC 9568 6.1: Skew_Time and Active_Down_Interval from the interval in force.
  [[nodiscard]] Duration skew_time() const;
  [[nodiscard]] Duration master_down_interval() const;

 private:
  // H: fill in
};

}  // namespace xlb::vrrp
