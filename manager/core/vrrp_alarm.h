// What is wrong with an advertisement that is valid and so reaches the election all the same.
#pragma once

#include <bitset>
#include <optional>

#include "core/vrrp_packet.h"
#include "core/vrrp_refusal.h"

namespace xlb::vrrp {

// The router that hears it.
struct Listener {
  VrrpVersion version = VrrpVersion::v2;
  bool master = false;
  uint8_t priority = 0;
  Duration interval{};                     // our own
  Duration believed{};                     // how long the advertised one is taken to be
  std::optional<IpAddress> living_master;  // who spoke as master within the time we wait for one
};

using Alarms = std::bitset<kAlarmCount>;
Alarms alarms_about(const Received& received, const Listener& listener);

}  // namespace xlb::vrrp
