// Why an advertisement was refused, or accepted though it should not exist. Each has its own
// counter; the names are what users see.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace xlb::vrrp {

// In the order of the checks.
enum class Refusal : uint8_t {
  malformed,       // shorter than its headers say, fragment, another IP version, not VRRP
  destination,     // unicast to a multicast router, multicast to a unicast one, another group
  peer,            // a unicast router's: from none of its peers
  ttl,             // not 255: it did not start on this link; or outside a peer's bounds
  version,         // another version than configured
  type,            // not an ADVERTISEMENT
  length,          // longer or shorter than its address count says
  checksum,        // no form matches
  authentication,  // v2: type or password differ
  interval,        // v2: advertisement interval differs; v3: 0
  address_count,   // 0
  address_list,    // strict_mode, v2: not our addresses, and not from their owner
  own,             // our own address: a reflected advertisement, or a duplicate of us
  hmac_missing,    // auth_hmac: no trailer
  hmac_malformed,  // of another kind
  hmac_key,        // by a key we do not have
  hmac,            // signed wrongly
  hmac_stale,      // outside the time window
  hmac_replay,     // no younger than what its sender said last
};
inline constexpr size_t kRefusalCount = 19;
std::string_view name_of(Refusal refusal);  // the enumerator: "checksum"

// What is wrong with an advertisement that was accepted all the same.
enum class Alarm : uint8_t {
  foreign_master,   // somebody speaks as master while a master lives
  duplicate,        // our own address, which we did not send: another host has it
  equal_priority,   // our own priority: which one wins depends on addresses
  two_owners,       // priority 255, and so have we
  other_addresses,  // not the virtual addresses we have
  other_interval,   // version 3: not our advertisement interval
  long_interval,    // so long that it was not believed
};
inline constexpr size_t kAlarmCount = 7;
std::string_view name_of(Alarm alarm);

}  // namespace xlb::vrrp
