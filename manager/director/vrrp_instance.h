// One virtual router at work: feeds core/vrrp.h with adverts, timers and link changes, and carries
// out what it answers: send adverts, put virtual addresses on and take them off, announce them, run
// notify scripts.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>

#include "core/config.h"
#include "core/status.h"
#include "core/vrrp.h"
#include "core/vrrp_packet.h"
#include "io/address_announce.h"
#include "io/address_record.h"
#include "io/advert_record.h"
#include "io/event_loop.h"
#include "io/netlink.h"
#include "io/script.h"
#include "io/vrrp_socket.h"

namespace xlb {

// The kernel interfaces and hooks the instances of one director share.
struct VrrpSurroundings {
  EventLoop& loop;
  Netlink& netlink;
  Announcer& announcer;
  ScriptRunner& scripts;
  AddressRecord& addresses;
  AdvertRecord& adverts;
  const GlobalSettings& global;
  // A master fell silent; its address if it was ever heard.
  std::function<void(const std::optional<IpAddress>&)> master_lost;
  // A valid advert arrived from another director.
  std::function<void(const IpAddress&)> heard;
  std::function<void()> state_changed;
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
  // To be called when links or addresses changed.
  void refresh();
  // Puts virtual addresses that somebody else took away or added back as the role has them; the
  // netlink picture must have been read since they were last changed here.
  void repair_addresses();
  // Hands over: a farewell if master, addresses removed, notify_stop queued.
  void shutdown();

  [[nodiscard]] vrrp::State state() const { return router_.state(); }
  [[nodiscard]] const VrrpInstanceConfig& config() const { return config_; }
  // After shutdown(): another director was heard to take over.
  [[nodiscard]] bool successor_heard() const { return successor_heard_; }
  [[nodiscard]] Status::Vrrp status() const;

 private:
  struct Footing {  // what adverts need of the interface
    unsigned index = 0;
    IpAddress address;
    MacAddress mac;
  };

  [[nodiscard]] Result<Footing> find_footing() const;
  Result<void> open_socket(unsigned index);
  void feed(const vrrp::Event& event);
  void carry_out_all(const vrrp::Actions& actions);
  void carry_out(const vrrp::Action& action);
  void rearm();
  void receive();
  void packet(std::span<const uint8_t> ip_packet);
  void refuse(vrrp::Refusal refusal);
  void send(uint8_t priority);
  void add_addresses();
  void remove_addresses();
  void remove_address(const VirtualAddress& address);
  void announce();
  void restore_addresses();
  void remove_foreign_addresses();
  bool repaired(const Result<void>& result);
  void announce_new_mac();
  void transition(vrrp::State from, vrrp::State to);
  void notify(vrrp::State state);
  void run_script(const ScriptCommand& command);
  [[nodiscard]] const std::string& device_of(const VirtualAddress& address) const;
  void fault(const std::string& reason);

  VrrpSurroundings around_;
  VrrpInstanceConfig config_;
  vrrp::VirtualRouter router_;
  vrrp::Expectation expected_;
  EventLoop::Timer timer_;
  std::unique_ptr<VrrpSocket> socket_;
  EventLoop::Watch watch_;
  std::optional<Footing> footing_;
  bool stopped_ = false;
  bool successor_heard_ = false;
  std::string fault_reason_;
  std::string repair_error_;
  WallTime since_;
  uint64_t transitions_ = 0;
  uint64_t adverts_sent_ = 0;
  uint64_t adverts_received_ = 0;
  struct RefusalCount {
    uint64_t count = 0;
    TimePoint next_log{};
  };
  std::array<RefusalCount, vrrp::kRefusalCount> refused_{};
};

}  // namespace xlb
