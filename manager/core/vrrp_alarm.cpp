#include "core/vrrp_alarm.h"

namespace xlb::vrrp {

Alarms alarms_about(const Received& received, const Listener& listener) {
  Alarms result;
  const auto raise = [&](Alarm alarm, bool holds) {
    result.set(static_cast<size_t>(alarm), holds);
  };
  const bool leaving = received.priority == kPriorityStop;
  const bool second = listener.living_master && *listener.living_master != received.source;
  const bool alike = received.priority == listener.priority;
  raise(Alarm::foreign_master, !leaving && (listener.master || second));
  raise(Alarm::equal_priority, alike && received.priority != kPriorityOwner);
  raise(Alarm::two_owners, alike && received.priority == kPriorityOwner);
  raise(Alarm::other_addresses, received.other_addresses);
  if (listener.version == VrrpVersion::v3) {
    raise(Alarm::other_interval, received.interval != listener.interval);
    raise(Alarm::long_interval, received.interval > listener.believed);
  }
  return result;
}

}  // namespace xlb::vrrp
