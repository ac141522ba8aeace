#include "core/types.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

namespace xlb {

IpAddress IpAddress::from_v4(uint32_t network_order) {
  IpAddress result;
  std::memcpy(result.bytes_.data(), &network_order, sizeof network_order);
  return result;
}

IpAddress IpAddress::from_v6(const std::array<uint8_t, 16>& bytes) {
  IpAddress result;
  result.family_ = AddressFamily::ipv6;
  result.bytes_ = bytes;
  return result;
}

IpAddress IpAddress::masked(unsigned length) const {
  IpAddress result = *this;
  for (size_t i = 0; i < size(); ++i) {
    const unsigned before = static_cast<unsigned>(i) * 8;
    if (length >= before + 8) continue;
    const unsigned kept = length > before ? length - before : 0;
    result.bytes_[i] = static_cast<uint8_t>(result.bytes_[i] & (0xff00U >> kept));
  }
  return result;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string terminated(text);
  if (terminated.size() != std::strlen(terminated.c_str())) return std::nullopt;  // embedded NUL
  IpAddress result;
  if (::inet_pton(AF_INET, terminated.c_str(), result.bytes_.data()) == 1) return result;
  if (::inet_pton(AF_INET6, terminated.c_str(), result.bytes_.data()) == 1) {
    result.family_ = AddressFamily::ipv6;
    return result;
  }
  return std::nullopt;
}

uint32_t IpAddress::v4_network_order() const {
  uint32_t value = 0;
  std::memcpy(&value, bytes_.data(), sizeof value);
  return value;
}

bool IpAddress::is_unspecified() const {
  return std::all_of(bytes_.begin(), bytes_.end(), [](uint8_t byte) { return byte == 0; });
}

std::string IpAddress::to_string() const {
  char text[INET6_ADDRSTRLEN] = {};
  ::inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes_.data(), text, sizeof text);
  return text;
}

std::optional<MacAddress> MacAddress::parse(std::string_view text) {
  if (text.size() != 17) return std::nullopt;
  const auto digit = [](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  MacAddress result;
  for (size_t i = 0; i < 6; ++i) {
    const int high = digit(text[3 * i]);
    const int low = digit(text[3 * i + 1]);
    if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':')) return std::nullopt;
    result.bytes[i] = static_cast<uint8_t>(high * 16 + low);
  }
  return result;
}

std::string MacAddress::to_string() const {
  return fmt::format("{:02x}", fmt::join(bytes, ":"));
}

std::string_view name_of(Protocol protocol) {
  return protocol == Protocol::tcp ? "TCP" : "UDP";
}

std::string_view name_of(Scheduler scheduler) {
  switch (scheduler) {
    case Scheduler::rr:
      return "rr";
    case Scheduler::wrr:
      return "wrr";
    case Scheduler::lc:
      return "lc";
    case Scheduler::wlc:
      return "wlc";
    case Scheduler::sh:
      return "sh";
    case Scheduler::mh:
      return "mh";
    case Scheduler::dh:
      return "dh";
    case Scheduler::sed:
      return "sed";
    case Scheduler::nq:
      return "nq";
  }
  return "";
}

std::string_view name_of(ForwardingMethod method) {
  switch (method) {
    case ForwardingMethod::direct_routing:
      return "DR";
    case ForwardingMethod::tunnel:
      return "TUN";
    case ForwardingMethod::translation:
      return "NAT";
  }
  return "";
}

std::string_view name_of(TunnelType type) {
  return type == TunnelType::ipip ? "ipip" : "gue";
}

std::string Endpoint::to_string() const {
  return address.is_v4() ? fmt::format("{}:{}", address, port)
                         : fmt::format("[{}]:{}", address, port);
}

std::string ServiceKey::to_string() const {
  if (mark != 0) return fmt::format("FWM {}{}", mark, address.is_v4() ? "" : " IPv6");
  return fmt::format("{} {}", name_of(protocol), Endpoint{address, port});
}

std::string PrefixedAddress::to_string() const {
  return fmt::format("{}/{}", address, prefix_length);
}

}  // namespace xlb
