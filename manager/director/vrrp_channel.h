// What a virtual router says and hears on its link: its source address, its socket, whom it speaks
// to, which advertisements it refuses and how often. It must not know the election.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/config_vrrp.h"
#include "core/status.h"
#include "core/vrrp_alarm.h"
#include "core/vrrp_hmac.h"
#include "core/vrrp_packet.h"
#include "director/vrrp_addresses.h"
#include "io/event_loop.h"
#include "io/netlink.h"
#include "io/vrrp_socket.h"

namespace xlb {

struct VrrpSurroundings;

// What advertisements need of the interface.
struct VrrpFooting {
  std::string interface;  // it speaks by: the instance's own, or its macvlan
  unsigned index = 0;
  IpAddress address;
  MacAddress mac;
};

class VrrpChannel {
 public:
  using Hear = std::function<void(const vrrp::Received& advertisement)>;

  // The first two belong to the owner and may change between calls; see configure().
  VrrpChannel(const VrrpSurroundings& around, const VrrpInstanceConfig& config, Hear hear);
  VrrpChannel(const VrrpChannel&) = delete;
  VrrpChannel& operator=(const VrrpChannel&) = delete;

  // To be called when the configuration changed: key files are read, counters stay.
  void configure();
  // The address that advertisements would come from, or why there is none.
  [[nodiscard]] Result<VrrpFooting> find_footing(const VrrpAddresses& addresses) const;
  // Opens what is not open yet.
  Result<void> stand_on(const VrrpFooting& footing);
  void close();
  [[nodiscard]] const std::optional<VrrpFooting>& footing() const { return footing_; }

  // Whether it went out to everybody.
  bool send(uint8_t priority);
  void raise(const vrrp::Alarms& alarms, const vrrp::Received& advertisement);
  // Its part of the status.
  void describe(Status::Vrrp& status) const;

 private:
  struct Count {
    uint64_t count = 0;
    TimePoint next_log{};
  };

  [[nodiscard]] bool is_source(const InterfaceAddress& own, unsigned index,
                               const VrrpAddresses& addresses) const;
  [[nodiscard]] bool speaks_link_local() const;
  [[nodiscard]] bool on_link(const IpAddress& peer) const;
  [[nodiscard]] VrrpSocketOptions socket_options(const VrrpFooting& footing) const;
  void expect();
  void receive();
  void packet(const std::optional<vrrp::IpPacket>& packet);
  void remember_form(const vrrp::Received& advertisement);
  void refuse(vrrp::Refusal refusal, const std::string& sender);
  void count_alarm(vrrp::Alarm alarm, const std::string& about);
  bool due(Count& counted);
  void log_failure(const std::string& text);

  const VrrpSurroundings& around_;
  const VrrpInstanceConfig& config_;
  Hear hear_;
  std::optional<vrrp::HmacGuard> guard_;
  std::string key_fault_;  // empty: all keys are there
  vrrp::Expectation expected_;
  std::optional<VrrpFooting> footing_;
  std::unique_ptr<VrrpSocket> socket_;
  EventLoop::Watch watch_;
  std::map<IpAddress, bool> plain_checksum_;  // by sender, of few
  uint64_t sent_ = 0;
  std::array<Count, vrrp::kRefusalCount> refused_{};
  std::array<Count, vrrp::kAlarmCount> alarms_{};
  Count failures_;
};

}  // namespace xlb
