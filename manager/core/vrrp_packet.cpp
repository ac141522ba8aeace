#include "core/vrrp_packet.h"

#include <algorithm>
#include <array>
#include <optional>

namespace xlb::vrrp {
namespace {

using Bytes = std::span<const uint8_t>;

constexpr size_t kMinIpHeader = 20;
constexpr size_t kHeaderSize = 8;  // version .. checksum
constexpr size_t kAddressSize = 4;
constexpr size_t kAuthenticationSize = 8;
constexpr size_t kChecksumOffset = 6;
constexpr size_t kMaxAddresses = 255;
constexpr uint8_t kTypeAdvertisement = 1;
constexpr uint8_t kRequiredTtl = 255;
constexpr uint8_t kAuthNone = 0;
constexpr uint8_t kAuthPassword = 1;
constexpr uint16_t kMaxCentiseconds = 4095;
constexpr std::chrono::milliseconds kCentisecond{10};

using Authentication = std::array<uint8_t, kAuthenticationSize>;

uint16_t read_u16(Bytes bytes, size_t offset) {
  return static_cast<uint16_t>(bytes[offset] << 8 | bytes[offset + 1]);
}

void write_u16(std::vector<uint8_t>& bytes, size_t offset, uint16_t value) {
  bytes[offset] = static_cast<uint8_t>(value >> 8);
  bytes[offset + 1] = static_cast<uint8_t>(value & 0xff);
}

IpAddress read_address(Bytes bytes, size_t offset) {
  return IpAddress::v4(bytes[offset], bytes[offset + 1], bytes[offset + 2], bytes[offset + 3]);
}

// One's complement arithmetic (RFC 1071): add up, fold() at the end.
uint32_t add_up(Bytes bytes, uint32_t sum) {
  for (size_t i = 0; i + 1 < bytes.size(); i += 2)
    sum += read_u16(bytes, i);
  if (bytes.size() % 2 != 0) sum += static_cast<uint32_t>(bytes.back()) << 8;
  return sum;
}

uint16_t fold(uint32_t sum) {
  while (sum > 0xffff)
    sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

uint32_t pseudo_header_sum(const IpAddress& source, const IpAddress& destination, size_t length) {
  const uint32_t sum = add_up(Bytes(source.bytes()).first(kAddressSize), 0);
  return add_up(Bytes(destination.bytes()).first(kAddressSize), sum) + kIpProtocol +
         static_cast<uint32_t>(length);
}

// The password as it is on the wire: cut or padded with zeros to 8 bytes.
Authentication authentication_of(std::string_view password) {
  Authentication result{};
  std::copy_n(password.begin(), std::min(password.size(), result.size()), result.begin());
  return result;
}

// Takes the same time wherever the bytes differ.
bool equal_in_constant_time(Bytes left, Bytes right) {
  uint8_t difference = 0;
  for (size_t i = 0; i < kAuthenticationSize; ++i) {
    difference = static_cast<uint8_t>(difference | (left[i] ^ right[i]));
  }
  return difference == 0;
}

struct Ipv4Packet {
  uint8_t ttl = 0;
  IpAddress source;
  IpAddress destination;
  Bytes message;  // at least kHeaderSize bytes
};

std::optional<Ipv4Packet> parse_ip(Bytes packet) {
  if (packet.size() < kMinIpHeader || packet[0] >> 4 != 4) return std::nullopt;
  const size_t header_length = static_cast<size_t>(packet[0] & 0x0f) * 4;
  const size_t total_length = read_u16(packet, 2);
  if (header_length < kMinIpHeader || total_length > packet.size() ||
      total_length < header_length + kHeaderSize) {
    return std::nullopt;
  }
  constexpr uint16_t kMoreFragmentsOrOffset = 0x3fff;
  if ((read_u16(packet, 6) & kMoreFragmentsOrOffset) != 0) return std::nullopt;
  if (packet[9] != kIpProtocol) return std::nullopt;
  return Ipv4Packet{packet[8], read_address(packet, 12), read_address(packet, 16),
                    packet.subspan(header_length, total_length - header_length)};
}

bool checksum_matches(const Ipv4Packet& packet, VrrpVersion version) {
  const uint32_t sum = add_up(packet.message, 0);
  if (fold(sum) == 0xffff) return true;
  return version == VrrpVersion::v3 &&
         fold(sum + pseudo_header_sum(packet.source, packet.destination, packet.message.size())) ==
             0xffff;
}

// Requires the exact v2 length. The 8 bytes of authentication type 0 mean nothing (RFC
// 3768 5.3.10).
bool authentic(Bytes message, const std::string& password) {
  const uint8_t type = message[4];
  if (password.empty()) return type == kAuthNone;
  return type == kAuthPassword &&
         equal_in_constant_time(message.last(kAuthenticationSize), authentication_of(password));
}

// What the wire can hold; the configuration is checked against the same limits.
uint8_t whole_seconds(std::chrono::milliseconds interval) {
  const auto seconds = std::chrono::round<std::chrono::seconds>(interval).count();
  return static_cast<uint8_t>(std::clamp<int64_t>(seconds, 1, 255));
}

uint16_t centiseconds(std::chrono::milliseconds interval) {
  return static_cast<uint16_t>(std::clamp<int64_t>(interval / kCentisecond, 1, kMaxCentiseconds));
}

std::chrono::milliseconds interval_in(Bytes message, VrrpVersion version) {
  if (version == VrrpVersion::v2) return std::chrono::seconds(message[5]);
  return (read_u16(message, 4) & kMaxCentiseconds) * kCentisecond;
}

bool interval_acceptable(std::chrono::milliseconds interval, const Expectation& expected) {
  if (expected.version == VrrpVersion::v3) return interval.count() > 0;
  return interval == std::chrono::seconds(whole_seconds(expected.interval));
}

// The checks on the message itself, once it is known to be for this router.
std::optional<Refusal> refuse(const Ipv4Packet& packet, const Expectation& expected) {
  const Bytes message = packet.message;
  const size_t count = message[3];
  const bool v2 = expected.version == VrrpVersion::v2;
  if (packet.ttl != kRequiredTtl) return Refusal::ttl;
  if (packet.destination != kMulticastGroup) return Refusal::destination;
  if (message[0] >> 4 != static_cast<uint8_t>(expected.version)) return Refusal::version;
  if ((message[0] & 0x0f) != kTypeAdvertisement) return Refusal::type;
  if (message.size() != kHeaderSize + count * kAddressSize + (v2 ? kAuthenticationSize : 0)) {
    return Refusal::length;
  }
  if (!checksum_matches(packet, expected.version)) return Refusal::checksum;
  if (v2 && !authentic(message, expected.password)) return Refusal::authentication;
  if (!interval_acceptable(interval_in(message, expected.version), expected)) {
    return Refusal::interval;
  }
  if (count == 0) return Refusal::address_count;
  if (!expected.own_address.is_unspecified() && packet.source == expected.own_address) {
    return Refusal::own;
  }
  return std::nullopt;
}

}  // namespace

std::string_view name_of(Refusal refusal) {
  switch (refusal) {
    case Refusal::malformed:
      return "malformed";
    case Refusal::ttl:
      return "ttl";
    case Refusal::destination:
      return "destination";
    case Refusal::version:
      return "version";
    case Refusal::type:
      return "type";
    case Refusal::length:
      return "length";
    case Refusal::checksum:
      return "checksum";
    case Refusal::authentication:
      return "authentication";
    case Refusal::interval:
      return "interval";
    case Refusal::address_count:
      return "address_count";
    case Refusal::own:
      return "own";
  }
  return "";
}

std::vector<uint8_t> encode(const Advertisement& advertisement, const IpAddress& source,
                            const IpAddress& destination) {
  const bool v2 = advertisement.version == VrrpVersion::v2;
  const size_t count = std::min(advertisement.addresses.size(), kMaxAddresses);
  std::vector<uint8_t> message(kHeaderSize);
  message.reserve(kHeaderSize + count * kAddressSize + kAuthenticationSize);
  message[0] =
      static_cast<uint8_t>(static_cast<uint8_t>(advertisement.version) << 4 | kTypeAdvertisement);
  message[1] = advertisement.virtual_router_id;
  message[2] = advertisement.priority;
  message[3] = static_cast<uint8_t>(count);
  for (size_t i = 0; i < count; ++i) {
    const auto& bytes = advertisement.addresses[i].bytes();
    message.insert(message.end(), bytes.begin(), bytes.begin() + kAddressSize);
  }
  uint32_t sum = 0;
  if (v2) {
    message[4] = advertisement.password.empty() ? kAuthNone : kAuthPassword;
    message[5] = whole_seconds(advertisement.interval);
    const Authentication authentication = authentication_of(advertisement.password);
    message.insert(message.end(), authentication.begin(), authentication.end());
  } else {
    write_u16(message, 4, centiseconds(advertisement.interval));
    sum = pseudo_header_sum(source, destination, message.size());
  }
  write_u16(message, kChecksumOffset, static_cast<uint16_t>(~fold(add_up(message, sum))));
  return message;
}

DecodeResult decode(std::span<const uint8_t> ip_packet, const Expectation& expected) {
  const std::optional<Ipv4Packet> packet = parse_ip(ip_packet);
  if (!packet) return Refusal::malformed;
  const Bytes message = packet->message;
  if (message[1] != expected.virtual_router_id) return OtherRouter{message[1]};
  if (const auto refusal = refuse(*packet, expected)) return *refusal;

  Received received;
  received.source = packet->source;
  Advertisement& advertisement = received.advertisement;
  advertisement.version = expected.version;
  advertisement.virtual_router_id = message[1];
  advertisement.priority = message[2];
  advertisement.interval = interval_in(message, expected.version);
  if (expected.version == VrrpVersion::v2) advertisement.password = expected.password;  // equal
  const size_t count = message[3];
  advertisement.addresses.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    advertisement.addresses.push_back(read_address(message, kHeaderSize + i * kAddressSize));
  }
  return received;
}

Expectation expectation_of(const VrrpInstanceConfig& config, const IpAddress& own_address) {
  return Expectation{config.version, config.virtual_router_id, config.advert_interval,
                     config.auth_password, own_address};
}

Advertisement advertisement_of(const VrrpInstanceConfig& config, uint8_t priority) {
  Advertisement advertisement{
      config.version,      config.virtual_router_id, priority, config.advert_interval, {},
      config.auth_password};
  advertisement.addresses.reserve(config.virtual_addresses.size());
  for (const VirtualAddress& virtual_address : config.virtual_addresses) {
    if (virtual_address.address.address.is_v4()) {
      advertisement.addresses.push_back(virtual_address.address.address);
    }
  }
  return advertisement;
}

}  // namespace xlb::vrrp
