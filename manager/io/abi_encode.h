// Domain values <-> the ABI structs of include/xlb/abi.h: byte order, flag bits, names of the
// numbers. Pure; the only file beside the map code that knows the structs' fields.
#pragma once

#include <xlb/abi.h>

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "core/forwarding.h"
#include "core/types.h"
#include "io/interface_table.h"

namespace xlb {

xlb_service_key encode(const ServiceKey& key);
// The key of the entry that makes the address one of a virtual server's.
xlb_service_key address_key(const IpAddress& address);
ServiceKey decode(const xlb_service_key& key);

xlb_scheduling scheduling_of(Scheduler scheduler);
// enum xlb_hash_input: what decides for packets that open nothing, and under hash schedulers for
// all. A persistent client's packets go alike.
uint8_t hash_input_of(const ForwardedVirtualServer& service);
void encode_timeouts(const FlowTimeouts& timeouts, uint32_t (&timeout_s)[XLB_FLOW_STATES]);

// Refuses what would send frames to nowhere or to everybody: no next hop, MAC addresses that are
// zero or multicast.
Result<xlb_real_server> encode(const ForwardedRealServer& real_server, uint16_t service_id);
// The identity of an entry, also of one with flags 0.
Endpoint endpoint_of(const xlb_real_server& real_server);

xlb_peer_key encode_peer(const MacAddress& mac, uint16_t service_id);
xlb_interface encode_interface(unsigned ifindex, const InterfaceIdentity& identity);

// 0 for nullopt; at most the age that 24 bits of seconds can tell.
uint32_t encode_persistence(const std::optional<std::chrono::seconds>& timeout);

// The client's address and port (0 in a persistence key), from a key that is no hash.
Endpoint client_of(uint64_t key);
// From what is noted beside a key that is one.
Endpoint client_of(const xlb_client_address& noted, AddressFamily family);
uint16_t service_of(uint64_t flow_key);

// "pass_other_mac", "drop_ttl": stable names, also used as metric labels. `verdict` is an enum
// xlb_verdict.
std::string_view verdict_name(uint32_t verdict);
// IPVS's words; "NONE" for a state that has none.
std::string_view flow_state_name(uint32_t state);

// The low 24 bits of the monotonic clock's seconds: the xlb clock.
uint32_t xlb_clock(TimePoint now);

}  // namespace xlb
