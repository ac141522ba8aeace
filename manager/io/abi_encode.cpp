#include "io/abi_encode.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace xlb {
namespace {

bool usable(const MacAddress& mac) {
  return !mac.is_zero() && !mac.is_multicast();
}

Result<void> check(const ForwardedRealServer& real_server) {
  if (!real_server.endpoint.address.is_v4()) {
    return fail("cannot forward to {}: only IPv4 is supported", real_server.endpoint);
  }
  if (real_server.local || real_server.forwardable == Forwardable::no) return {};
  const auto& hop = real_server.next_hop;
  if (!hop || hop->interface_index == 0) {
    return fail("cannot forward to {}: no interface leads there", real_server.endpoint);
  }
  if (!usable(hop->destination)) {
    return fail("cannot forward to {}: its MAC address {} is not a unicast address",
                real_server.endpoint, hop->destination.to_string());
  }
  if (!usable(hop->source)) {
    return fail(
        "cannot forward to {}: the leaving interface's MAC address {} is not a unicast "
        "address",
        real_server.endpoint, hop->source.to_string());
  }
  return {};
}

}  // namespace

xlb_service_key encode(const ServiceKey& key) {
  return {.address = key.address.v4_network_order(),
          .port = htons(key.port),
          .protocol = static_cast<uint8_t>(key.protocol),
          .zero = 0};
}

ServiceKey decode(const xlb_service_key& key) {
  return {IpAddress::from_v4(key.address), ntohs(key.port), static_cast<Protocol>(key.protocol)};
}

Result<xlb_real_server> encode(const ForwardedRealServer& real_server, uint16_t service_id) {
  if (auto checked = check(real_server); !checked) return checked.error();
  xlb_real_server result{};
  result.address = real_server.endpoint.address.v4_network_order();
  result.port = htons(real_server.endpoint.port);
  result.service_id = service_id;
  if (real_server.forwardable == Forwardable::no) return result;
  result.flags = XLB_RS_FORWARD;
  if (real_server.forwardable == Forwardable::yes) result.flags |= XLB_RS_ACCEPT;
  if (real_server.local) {
    result.flags |= XLB_RS_LOCAL;
    return result;
  }
  const auto& hop = *real_server.next_hop;
  std::copy(hop.destination.bytes.begin(), hop.destination.bytes.end(), result.destination_mac);
  std::copy(hop.source.bytes.begin(), hop.source.bytes.end(), result.source_mac);
  result.ifindex = hop.interface_index;
  return result;
}

Endpoint endpoint_of(const xlb_real_server& real_server) {
  return {IpAddress::from_v4(real_server.address), ntohs(real_server.port)};
}

xlb_peer_key encode_peer(const MacAddress& mac, uint16_t service_id) {
  xlb_peer_key key{};
  std::copy(mac.bytes.begin(), mac.bytes.end(), key.mac);
  key.service_id = service_id;
  return key;
}

xlb_interface encode_interface(const MacAddress& mac) {
  xlb_interface value{};
  std::copy(mac.bytes.begin(), mac.bytes.end(), value.mac);
  return value;
}

uint32_t encode_persistence(const std::optional<std::chrono::seconds>& timeout) {
  constexpr int64_t kLongest = 0x7fffff;  // beyond it an age reads as "in the future"
  if (!timeout) return 0;
  return static_cast<uint32_t>(std::clamp<int64_t>(timeout->count(), 0, kLongest));
}

Endpoint client_of(uint64_t flow_key) {
  return {IpAddress::from_v4(static_cast<uint32_t>(flow_key)),
          ntohs(static_cast<uint16_t>(flow_key >> 32))};
}

uint16_t service_of(uint64_t flow_key) {
  return static_cast<uint16_t>(flow_key >> 48);
}

std::string_view verdict_name(uint32_t verdict) {
  static constexpr std::array<std::string_view, XLB_VERDICTS> kNames = {"pass_not_ours",
                                                                        "pass_other_mac",
                                                                        "pass_local",
                                                                        "pass_peer_local",
                                                                        "pass_no_real_server",
                                                                        "pass_fragment",
                                                                        "tx",
                                                                        "redirect",
                                                                        "drop_ttl",
                                                                        "drop_peer",
                                                                        "drop_malformed",
                                                                        "drop_no_port"};
  static_assert(XLB_DROP_NO_PORT == 11 && XLB_VERDICTS == 12, "a name for every verdict");
  return verdict < kNames.size() ? kNames[verdict] : "unknown";
}

std::string_view flow_state_name(uint32_t state) {
  switch (state) {
    case XLB_FLOW_SYN_RECV:
      return "SYN_RECV";
    case XLB_FLOW_ESTABLISHED:
      return "ESTABLISHED";
    case XLB_FLOW_FIN_WAIT:
      return "FIN_WAIT";
    case XLB_FLOW_CLOSE:
      return "CLOSE";
    case XLB_FLOW_UDP:
      return "UDP";
    default:
      return "NONE";
  }
}

uint32_t xlb_clock(TimePoint now) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch());
  return static_cast<uint32_t>(seconds.count()) & 0xffffff;
}

}  // namespace xlb
