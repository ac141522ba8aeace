// Domain values <-> the ABI structs of include/xlb/abi.h: byte order, flag bits, names of the
// numbers. Pure; the only file beside the map code that knows the structs' fields.
#pragma once

#include <xlb/abi.h>

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "core/forwarding.h"
#include "core/types.h"

namespace xlb {

// Only IPv4 keys can be encoded: callers check key.address.is_v4() first.
xlb_service_key encode(const ServiceKey& key);
ServiceKey decode(const xlb_service_key& key);

// Refuses what would send frames to nowhere or to everybody: no next hop, MAC addresses that are
// zero or multicast.
Result<xlb_real_server> encode(const ForwardedRealServer& real_server, uint16_t service_id);
// The identity of an entry, also of one with flags 0.
Endpoint endpoint_of(const xlb_real_server& real_server);

xlb_peer_key encode_peer(const MacAddress& mac, uint16_t service_id);
xlb_interface encode_interface(const MacAddress& mac);

// 0 for nullopt; at most the age that 24 bits of seconds can tell.
uint32_t encode_persistence(const std::optional<std::chrono::seconds>& timeout);

// The client's address and port (0 in a persistence key).
Endpoint client_of(uint64_t flow_key);
uint16_t service_of(uint64_t flow_key);

// "pass_other_mac", "drop_ttl": stable names, also used as metric labels. `verdict` is an enum
// xlb_verdict.
std::string_view verdict_name(uint32_t verdict);
// IPVS's words; "NONE" for a state that has none.
std::string_view flow_state_name(uint32_t state);

// The low 24 bits of the monotonic clock's seconds: the xlb clock.
uint32_t xlb_clock(TimePoint now);

}  // namespace xlb
