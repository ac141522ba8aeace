#include "io/abi_encode.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "core/config_address.h"

namespace xlb {
namespace {

bool usable(const MacAddress& mac) {
  return !mac.is_zero() && !mac.is_multicast();
}

uint8_t family_of(const IpAddress& address) {
  return address.is_v4() ? XLB_IPV4 : XLB_IPV6;
}

void encode_address(const IpAddress& address, __be32 (&words)[4]) {
  static_assert(sizeof words == sizeof address.bytes());
  std::memcpy(words, address.bytes().data(), address.is_v4() ? sizeof(__be32) : sizeof words);
}

IpAddress decode_address(const __be32 (&words)[4], uint8_t family) {
  if (family == XLB_IPV6) return IpAddress::from_v6(std::bit_cast<std::array<uint8_t, 16>>(words));
  return IpAddress::from_v4(words[0]);
}

Result<void> check_tunnel(const ForwardedRealServer& real_server) {
  const Tunnel& tunnel = *real_server.tunnel;
  constexpr unsigned kMost = 65535;
  if (tunnel.source.family() != real_server.endpoint.address.family() ||
      tunnel.source.is_unspecified()) {
    return fail("cannot forward to {}: this host has no address for the tunnel to start from",
                real_server.endpoint);
  }
  constexpr unsigned kLeast = 128;  // the outer headers, and something in them
  if (tunnel.mtu_bytes != 0 && (tunnel.mtu_bytes < kLeast || tunnel.mtu_bytes > kMost)) {
    return fail(
        "cannot forward to {}: an MTU of {} on the way there carries no tunnel; give the "
        "leaving interface one between {} and {}",
        real_server.endpoint, tunnel.mtu_bytes, kLeast, kMost);
  }
  return {};
}

Result<void> check(const ForwardedRealServer& real_server) {
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
  return real_server.tunnel ? check_tunnel(real_server) : Result<void>{};
}

void encode_tunnel(const Tunnel& tunnel, xlb_real_server& result) {
  result.flags |= XLB_RS_TUNNEL;
  result.encapsulation = tunnel.type == TunnelType::gue ? XLB_GUE : XLB_IPIP;
  result.tunnel_port = htons(tunnel.port);
  result.mtu = static_cast<uint16_t>(tunnel.mtu_bytes);
  encode_address(tunnel.source, result.tunnel_source);
}

}  // namespace

xlb_service_key encode(const ServiceKey& key) {
  xlb_service_key result = address_key(key.address);
  result.port = htons(key.port);
  result.protocol = static_cast<uint8_t>(key.protocol);
  return result;
}

xlb_service_key address_key(const IpAddress& address) {
  xlb_service_key result{};
  encode_address(address, result.address);
  result.family = family_of(address);
  return result;
}

ServiceKey decode(const xlb_service_key& key) {
  return {decode_address(key.address, key.family), ntohs(key.port),
          static_cast<Protocol>(key.protocol)};
}

xlb_scheduling scheduling_of(Scheduler scheduler) {
  switch (scheduler) {
    case Scheduler::rr:
    case Scheduler::wrr:
      break;
    case Scheduler::lc:
      return XLB_SCHEDULE_LC;
    case Scheduler::wlc:
      return XLB_SCHEDULE_WLC;
    case Scheduler::sed:
      return XLB_SCHEDULE_SED;
    case Scheduler::nq:
      return XLB_SCHEDULE_NQ;
    case Scheduler::sh:
    case Scheduler::mh:
    case Scheduler::dh:
      return XLB_SCHEDULE_HASH;
  }
  return XLB_SCHEDULE_RING;
}

uint8_t hash_input_of(const ForwardedVirtualServer& service) {
  if (service.scheduler == Scheduler::dh) return 0;
  const bool hashed = scheduling_of(service.scheduler) == XLB_SCHEDULE_HASH;
  const bool port = hashed ? service.hash_port : !service.persistence_timeout;
  return port ? XLB_HASH_SOURCE_ADDRESS | XLB_HASH_SOURCE_PORT : XLB_HASH_SOURCE_ADDRESS;
}

void encode_timeouts(const FlowTimeouts& timeouts, uint32_t (&timeout_s)[XLB_FLOW_STATES]) {
  const auto seconds = [](std::chrono::seconds value) {
    return encode_persistence(value);  // the same bounds
  };
  timeout_s[XLB_FLOW_NONE] = 0;
  timeout_s[XLB_FLOW_SYN_RECV] = XLB_SYN_RECV_TIMEOUT_S;
  timeout_s[XLB_FLOW_ESTABLISHED] = seconds(timeouts.tcp);
  timeout_s[XLB_FLOW_FIN_WAIT] = seconds(timeouts.tcp_fin);
  timeout_s[XLB_FLOW_CLOSE] = XLB_CLOSE_TIMEOUT_S;
  timeout_s[XLB_FLOW_UDP] = seconds(timeouts.udp);
  timeout_s[XLB_FLOW_UDP_ONE] = seconds(timeouts.udp);
}

Result<xlb_real_server> encode(const ForwardedRealServer& real_server, uint16_t service_id) {
  if (auto checked = check(real_server); !checked) return checked.error();
  xlb_real_server result{};
  encode_address(real_server.endpoint.address, result.address);
  result.family = family_of(real_server.endpoint.address);
  result.port = htons(real_server.endpoint.port);
  result.service_id = service_id;
  result.weight = static_cast<uint32_t>(std::max(0, real_server.weight));
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
  if (real_server.tunnel) encode_tunnel(*real_server.tunnel, result);
  return result;
}

Endpoint endpoint_of(const xlb_real_server& real_server) {
  return {decode_address(real_server.address, real_server.family), ntohs(real_server.port)};
}

xlb_peer_key encode_peer(const MacAddress& mac, uint16_t service_id) {
  xlb_peer_key key{};
  std::copy(mac.bytes.begin(), mac.bytes.end(), key.mac);
  key.service_id = service_id;
  return key;
}

xlb_interface encode_interface(unsigned ifindex, const InterfaceIdentity& identity) {
  xlb_interface value{};
  value.ifindex = ifindex;
  std::copy(identity.mac.bytes.begin(), identity.mac.bytes.end(), value.mac);
  if (identity.address) value.address = identity.address->v4_network_order();
  if (identity.address6) encode_address(*identity.address6, value.address6);
  for (const MacAddress& mac : identity.virtual_macs) {
    const unsigned version = mac.bytes[4] == 2 ? 1 : 0;
    const auto family = version == 0 ? AddressFamily::ipv4 : AddressFamily::ipv6;
    if (mac != virtual_router_mac(family, mac.bytes[5])) continue;  // one of its own choice
    value.virtual_routers[version][mac.bytes[5] / 32] |= 1U << (mac.bytes[5] % 32);
  }
  return value;
}

uint32_t encode_persistence(const std::optional<std::chrono::seconds>& timeout) {
  constexpr int64_t kLongest = 0x7fffff;  // beyond it an age reads as "in the future"
  if (!timeout) return 0;
  return static_cast<uint32_t>(std::clamp<int64_t>(timeout->count(), 0, kLongest));
}

Endpoint client_of(uint64_t key) {
  return {IpAddress::from_v4(static_cast<uint32_t>(key)), ntohs(static_cast<uint16_t>(key >> 32))};
}

Endpoint client_of(const xlb_client_address& noted, AddressFamily family) {
  // IPv4 stands in the low one of the two words that an IPv6 address fills.
  const IpAddress address = family == AddressFamily::ipv6 ? decode_address(noted.address, XLB_IPV6)
                                                          : IpAddress::from_v4(noted.address[2]);
  return {address, ntohs(noted.port)};
}

uint16_t service_of(uint64_t flow_key) {
  return static_cast<uint16_t>(flow_key >> 48);
}

std::string_view verdict_name(uint32_t verdict) {
  static constexpr std::array<std::string_view, XLB_VERDICTS> kNames = {
      "pass_not_ours",   "pass_other_mac",      "pass_local",
      "pass_peer_local", "pass_no_real_server", "tx",
      "redirect",        "tx_time_exceeded",    "tx_too_big",
      "drop_ttl",        "drop_too_big",        "drop_peer",
      "drop_malformed",  "drop_flags",          "drop_fragment",
      "drop_no_port",    "drop_no_room"};
  static_assert(XLB_DROP_NO_ROOM == 16 && XLB_VERDICTS == 17, "a name for every verdict");
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
    case XLB_FLOW_UDP_ONE:
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
