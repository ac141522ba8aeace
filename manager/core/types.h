// Value types of the domain: addresses, ports, protocols, times. Ports are host order everywhere in
// C++; only include/xlb/abi.h and wire codecs know network order.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace xlb {

// A point on the monotonic clock. Core never reads the clock: time is passed in.
using TimePoint = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

enum class AddressFamily : uint8_t { ipv4, ipv6 };

// An IPv4 or IPv6 address. Bytes are in network order; IPv4 uses the first four.
class IpAddress {
 public:
  constexpr IpAddress() = default;  // 0.0.0.0
  static constexpr IpAddress v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
    IpAddress result;
    result.bytes_[0] = a;
    result.bytes_[1] = b;
    result.bytes_[2] = c;
    result.bytes_[3] = d;
    return result;
  }
  // `network_order` is what a struct in_addr or an IPv4 header holds.
  static IpAddress from_v4(uint32_t network_order);
  static IpAddress from_v6(const std::array<uint8_t, 16>& bytes);
  // "10.0.0.3" or "2001:db8::3"; nothing else (no prefix, no leading or trailing text).
  static std::optional<IpAddress> parse(std::string_view text);

  [[nodiscard]] AddressFamily family() const { return family_; }
  [[nodiscard]] bool is_v4() const { return family_ == AddressFamily::ipv4; }
  [[nodiscard]] uint32_t v4_network_order() const;  // requires is_v4()
  [[nodiscard]] const std::array<uint8_t, 16>& bytes() const { return bytes_; }
  [[nodiscard]] bool is_unspecified() const;
  [[nodiscard]] size_t size() const { return is_v4() ? 4 : 16; }  // in bytes
  // With all bits after the first `length` zero.
  [[nodiscard]] IpAddress masked(unsigned length) const;
  [[nodiscard]] std::string to_string() const;

  // Family first, then unsigned network-order comparison: what VRRP's tie rule needs.
  auto operator<=>(const IpAddress&) const = default;

 private:
  AddressFamily family_ = AddressFamily::ipv4;
  std::array<uint8_t, 16> bytes_{};
};

// 48-bit Ethernet address.
struct MacAddress {
  std::array<uint8_t, 6> bytes{};

  static std::optional<MacAddress> parse(std::string_view text);  // "02:00:00:00:00:01"
  [[nodiscard]] std::string to_string() const;
  [[nodiscard]] bool is_zero() const { return bytes == std::array<uint8_t, 6>{}; }
  [[nodiscard]] bool is_multicast() const { return (bytes[0] & 1) != 0; }
  auto operator<=>(const MacAddress&) const = default;
};

enum class Protocol : uint8_t { tcp = 6, udp = 17 };  // IANA numbers
std::string_view name_of(Protocol protocol);          // "TCP", "UDP"

// An address and a port (host order).
struct Endpoint {
  IpAddress address;
  uint16_t port = 0;

  [[nodiscard]] std::string to_string() const;  // "10.0.0.3:80", "[2001:db8::3]:80"
  auto operator<=>(const Endpoint&) const = default;
};

// What identifies a virtual server.
struct ServiceKey {
  IpAddress address;
  uint16_t port = 0;  // host order; 0: any port that has no virtual server of its own
  Protocol protocol = Protocol::tcp;
  // Not 0: all that carries this firewall mark. The address is unspecified then and tells the
  // family, port and protocol tell nothing.
  uint32_t mark = 0;

  // "TCP 10.0.0.3:80", "FWM 7", "FWM 7 IPv6"
  [[nodiscard]] std::string to_string() const;
  auto operator<=>(const ServiceKey&) const = default;
};

// An address with the length of its network prefix: "10.10.0.3/24".
struct PrefixedAddress {
  IpAddress address;
  uint8_t prefix_length = 32;

  [[nodiscard]] std::string to_string() const;
  auto operator<=>(const PrefixedAddress&) const = default;
};

// IPVS's scheduler names (lvs_sched).
enum class Scheduler : uint8_t { rr, wrr, lc, wlc, sh, mh, dh, sed, nq };
std::string_view name_of(Scheduler scheduler);

// How a packet reaches the real server; "Local" and "Route" in ipvsadm's listing are both
// direct_routing, told apart by whether the address is this host's own.
enum class ForwardingMethod : uint8_t { direct_routing, tunnel, translation };
std::string_view name_of(ForwardingMethod method);  // "DR", "TUN", "NAT"

// What a tunnel wraps packets in: IP in IP (RFC 2003, RFC 2473) or generic UDP encapsulation.
enum class TunnelType : uint8_t { ipip, gue };
std::string_view name_of(TunnelType type);  // "ipip", "gue"

}  // namespace xlb

template <>
struct fmt::formatter<xlb::IpAddress> : fmt::formatter<std::string> {
  template <typename Context>
  auto format(const xlb::IpAddress& value, Context& context) const {
    return fmt::formatter<std::string>::format(value.to_string(), context);
  }
};
template <>
struct fmt::formatter<xlb::MacAddress> : fmt::formatter<std::string> {
  template <typename Context>
  auto format(const xlb::MacAddress& value, Context& context) const {
    return fmt::formatter<std::string>::format(value.to_string(), context);
  }
};
template <>
struct fmt::formatter<xlb::Endpoint> : fmt::formatter<std::string> {
  template <typename Context>
  auto format(const xlb::Endpoint& value, Context& context) const {
    return fmt::formatter<std::string>::format(value.to_string(), context);
  }
};
template <>
struct fmt::formatter<xlb::ServiceKey> : fmt::formatter<std::string> {
  template <typename Context>
  auto format(const xlb::ServiceKey& value, Context& context) const {
    return fmt::formatter<std::string>::format(value.to_string(), context);
  }
};
template <>
struct fmt::formatter<xlb::PrefixedAddress> : fmt::formatter<std::string> {
  template <typename Context>
  auto format(const xlb::PrefixedAddress& value, Context& context) const {
    return fmt::formatter<std::string>::format(value.to_string(), context);
  }
};

template <>
struct std::hash<xlb::IpAddress> {
  size_t operator()(const xlb::IpAddress& value) const noexcept {
    const auto& bytes = value.bytes();
    return std::hash<std::string_view>{}(
        std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  }
};
template <>
struct std::hash<xlb::ServiceKey> {
  size_t operator()(const xlb::ServiceKey& value) const noexcept {
    return std::hash<xlb::IpAddress>{}(value.address) * 31 + size_t{2} * value.port +
           (value.protocol == xlb::Protocol::tcp ? 1 : 0) + size_t{262147} * value.mark;
  }
};
