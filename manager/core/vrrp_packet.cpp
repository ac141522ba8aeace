#include "core/vrrp_packet.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace xlb::vrrp {

const IpAddress kMulticastGroup6 =
    IpAddress::from_v6({0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12});

namespace {

using Bytes = std::span<const uint8_t>;

constexpr size_t kMinIpHeader = 20;
constexpr size_t kHeaderSize = 8;  // version .. checksum
constexpr size_t kAuthenticationSize = 8;
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

size_t address_size(AddressFamily family) {
  return family == AddressFamily::ipv4 ? 4 : 16;
}

IpAddress read_address(Bytes bytes, size_t offset, AddressFamily family) {
  if (family == AddressFamily::ipv4) {
    return IpAddress::v4(bytes[offset], bytes[offset + 1], bytes[offset + 2], bytes[offset + 3]);
  }
  std::array<uint8_t, 16> address{};
  std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(offset), address.size(), address.begin());
  return IpAddress::from_v6(address);
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
  const uint32_t sum = add_up(Bytes(source.bytes()).first(source.size()), 0);
  return add_up(Bytes(destination.bytes()).first(destination.size()), sum) + kIpProtocol +
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

// Where it came from and went to, and over how many routers.
std::optional<Refusal> refuse_envelope(const IpPacket& packet, const Expectation& expected) {
  if (packet.source.family() != expected.family) return Refusal::malformed;
  if (expected.senders.empty()) {
    if (packet.ttl != kRequiredTtl) return Refusal::ttl;
    if (packet.destination != expected.group) return Refusal::destination;
    return std::nullopt;
  }
  const uint8_t first = packet.destination.bytes()[0];
  const bool multicast = packet.destination.is_v4() ? first >> 4 == 0x0e : first == 0xff;
  if (multicast) return Refusal::destination;
  const auto sender =
      std::find_if(expected.senders.begin(), expected.senders.end(),
                   [&](const Sender& known) { return known.address == packet.source; });
  if (sender == expected.senders.end()) return Refusal::peer;
  if (packet.ttl < sender->min_ttl || packet.ttl > sender->max_ttl) return Refusal::ttl;
  return std::nullopt;
}

enum class Checksum : uint8_t { wrong, plain, with_pseudo_header };

Checksum checksum_of(const IpPacket& packet, Bytes message, VrrpVersion version) {
  const bool v6 = !packet.source.is_v4();
  const Bytes summed = v6 ? packet.message : message;
  const uint32_t sum = add_up(summed, 0);
  if (!v6 && fold(sum) == 0xffff) return Checksum::plain;
  if (version == VrrpVersion::v2) return Checksum::wrong;
  const uint32_t whole = sum + pseudo_header_sum(packet.source, packet.destination, summed.size());
  return fold(whole) == 0xffff ? Checksum::with_pseudo_header : Checksum::wrong;
}

bool other_addresses(Bytes message, const Expectation& expected) {
  const size_t count = message[3];
  if (expected.addresses.empty()) return false;
  if (count != expected.addresses.size()) return true;
  const size_t size = address_size(expected.family);
  for (size_t i = 0; i < count; ++i) {
    const IpAddress address = read_address(message, kHeaderSize + i * size, expected.family);
    if (!std::binary_search(expected.addresses.begin(), expected.addresses.end(), address)) {
      return true;
    }
  }
  return false;
}

// The checks on the message's fields, once its length and checksum are known to be right.
std::optional<Refusal> refuse_fields(const Received& received, const Expectation& expected) {
  const bool v2 = expected.version == VrrpVersion::v2;
  if (v2 && !authentic(received.message, expected.password)) return Refusal::authentication;
  if (!interval_acceptable(received.interval, expected)) return Refusal::interval;
  if (received.message[3] == 0) return Refusal::address_count;
  if (v2 && expected.refuse_other_addresses && received.other_addresses &&
      received.priority != kPriorityOwner) {
    return Refusal::address_list;
  }
  if (!expected.own_address.is_unspecified() && received.source == expected.own_address) {
    return Refusal::own;
  }
  if (received.trailer.empty() && expected.trailer == Trailer::required) {
    return Refusal::hmac_missing;
  }
  return std::nullopt;
}

DecodeResult decode_message(const IpPacket& packet, const Expectation& expected) {
  const Bytes whole = packet.message;
  if (whole[0] >> 4 != static_cast<uint8_t>(expected.version)) return Refusal::version;
  if ((whole[0] & 0x0f) != kTypeAdvertisement) return Refusal::type;
  const size_t size = kHeaderSize + whole[3] * address_size(expected.family) +
                      (expected.version == VrrpVersion::v2 ? kAuthenticationSize : 0);
  const bool has_trailer = expected.trailer != Trailer::none && whole.size() == size + kTrailerSize;
  if (whole.size() != size && !has_trailer) return Refusal::length;

  Received received;
  received.source = packet.source;
  received.message = whole.first(size);
  received.trailer = whole.subspan(size);
  const Checksum checksum = checksum_of(packet, received.message, expected.version);
  if (checksum == Checksum::wrong) return Refusal::checksum;
  received.plain_checksum = checksum == Checksum::plain && expected.version == VrrpVersion::v3;
  received.priority = whole[2];
  received.interval = interval_in(whole, expected.version);
  received.other_addresses = other_addresses(received.message, expected);
  if (const auto refusal = refuse_fields(received, expected)) return *refusal;
  return received;
}

}  // namespace

std::optional<IpPacket> parse_ipv4(Bytes packet) {
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
  return IpPacket{read_address(packet, 12, AddressFamily::ipv4),
                  read_address(packet, 16, AddressFamily::ipv4), packet[8],
                  packet.subspan(header_length, total_length - header_length)};
}

std::optional<IpPacket> ipv6_packet(const IpAddress& source, const IpAddress& destination,
                                    uint8_t hop_limit, Bytes message) {
  if (message.size() < kHeaderSize) return std::nullopt;
  return IpPacket{source, destination, hop_limit, message};
}

std::vector<uint8_t> compose(const Advertisement& advertisement) {
  const bool v2 = advertisement.version == VrrpVersion::v2;
  const size_t count = std::min(advertisement.addresses.size(), kMostAddresses);
  const size_t size = count == 0 ? 0 : advertisement.addresses.front().size();
  std::vector<uint8_t> message(kHeaderSize);
  message.reserve(kHeaderSize + count * size + kAuthenticationSize + kTrailerSize);
  message[0] =
      static_cast<uint8_t>(static_cast<uint8_t>(advertisement.version) << 4 | kTypeAdvertisement);
  message[1] = advertisement.virtual_router_id;
  message[2] = advertisement.priority;
  message[3] = static_cast<uint8_t>(count);
  for (size_t i = 0; i < count; ++i) {
    const auto& bytes = advertisement.addresses[i].bytes();
    message.insert(message.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
  }
  if (v2) {
    message[4] = advertisement.password.empty() ? kAuthNone : kAuthPassword;
    message[5] = whole_seconds(advertisement.interval);
    const Authentication authentication = authentication_of(advertisement.password);
    message.insert(message.end(), authentication.begin(), authentication.end());
  } else {
    write_u16(message, 4, centiseconds(advertisement.interval));
  }
  return message;
}

void seal(std::vector<uint8_t>& message, const Advertisement& advertisement,
          const IpAddress& source, const IpAddress& destination, size_t trailer_size) {
  write_u16(message, kChecksumOffset, 0);
  const bool v6 = !source.is_v4();
  const Bytes summed = Bytes(message).first(message.size() - (v6 ? 0 : trailer_size));
  const bool pseudo =
      v6 || (advertisement.version == VrrpVersion::v3 && !advertisement.plain_checksum);
  const uint32_t sum = pseudo ? pseudo_header_sum(source, destination, summed.size()) : 0;
  write_u16(message, kChecksumOffset, static_cast<uint16_t>(~fold(add_up(summed, sum))));
}

std::vector<uint8_t> encode(const Advertisement& advertisement, const IpAddress& source,
                            const IpAddress& destination) {
  std::vector<uint8_t> message = compose(advertisement);
  seal(message, advertisement, source, destination);
  return message;
}

DecodeResult decode(const IpPacket& packet, const Expectation& expected) {
  if (packet.message[1] != expected.virtual_router_id) return OtherRouter{packet.message[1]};
  if (const auto refusal = refuse_envelope(packet, expected)) return *refusal;
  return decode_message(packet, expected);
}

DecodeResult decode(Bytes ip_packet, const Expectation& expected) {
  const std::optional<IpPacket> packet = parse_ipv4(ip_packet);
  if (!packet) return Refusal::malformed;
  return decode(*packet, expected);
}

Advertisement advertisement_in(const Received& received, const Expectation& expected) {
  Advertisement advertisement;
  advertisement.version = expected.version;
  advertisement.virtual_router_id = received.message[1];
  advertisement.priority = received.priority;
  advertisement.interval = received.interval;
  if (expected.version == VrrpVersion::v2) advertisement.password = expected.password;  // equal
  const size_t count = received.message[3];
  const size_t size = address_size(expected.family);
  advertisement.addresses.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    advertisement.addresses.push_back(
        read_address(received.message, kHeaderSize + i * size, expected.family));
  }
  return advertisement;
}

}  // namespace xlb::vrrp
