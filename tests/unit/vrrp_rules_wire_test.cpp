// The rules of docs/vrrp.md about what is sent: the message and its checksum, by their numbers.
#include <doctest/doctest.h>

#include <random>
#include <string>

#include "core/vrrp_packet.h"
#include "vrrp_frames.h"

using namespace xlb;
using namespace xlb::vrrp;
using namespace xlb::vrrp::test;

namespace {

IpAddress v6(const char* text) {
  const auto address = IpAddress::parse(text);
  REQUIRE(address);
  return *address;
}

const char* const kSource6 = "fe80::10";

VrrpInstanceConfig instance(VrrpVersion version, std::initializer_list<const char*> addresses) {
  VrrpInstanceConfig config;
  config.version = version;
  config.virtual_router_id = 51;
  for (const char* text : addresses) {
    VirtualAddress address;
    address.address.address = v6(text);
    config.virtual_addresses.push_back(address);
    config.family = address.address.address.family();
  }
  if (config.family == AddressFamily::ipv6) config.protocol.group = kMulticastGroup6;
  return config;
}

std::string verdict_v6(const std::vector<uint8_t>& message, const Expectation& expected,
                       const IpAddress& destination = kMulticastGroup6, uint8_t hops = 255) {
  const auto packet = ipv6_packet(v6(kSource6), destination, hops, message);
  if (!packet) return "malformed";
  const DecodeResult result = decode(*packet, expected);
  if (const auto* refusal = std::get_if<Refusal>(&result)) return std::string(name_of(*refusal));
  return std::holds_alternative<OtherRouter>(result) ? "other router" : "accepted";
}

}  // namespace

TEST_CASE("VRRP 2: the multicast groups are 224.0.0.18 and ff02::12") {
  CHECK(kMulticastGroup.to_string() == "224.0.0.18");
  CHECK(kMulticastGroup6.to_string() == "ff02::12");
}

TEST_CASE(
    "VRRP 11: a version 2 message has 8 octets, 4 for each address, and 8 of authentication") {
  CHECK(encode(pass_advertisement(), kSource, kMulticastGroup).size() == 20);
  Advertisement none = pass_advertisement();
  none.password.clear();
  none.addresses.resize(7);
  CHECK(encode(none, kSource, kMulticastGroup).size() == 8 + 4 * 7 + 8);
}

TEST_CASE(
    "VRRP 12: a version 3 message has 8 octets and 4 or 16 for each address, and no trailer") {
  CHECK(encode(v3_advertisement(), kSource, kMulticastGroup).size() == 12);
  const auto config = instance(VrrpVersion::v3, {"fe80::100", "2001:db8::100"});
  CHECK(encode(advertisement_of(config, 100), v6(kSource6), kMulticastGroup6).size() == 8 + 16 * 2);
}

TEST_CASE("VRRP 13: version and type are the first octet's nibbles") {
  CHECK(encode(pass_advertisement(), kSource, kMulticastGroup)[0] == 0x21);
  CHECK(encode(v3_advertisement(), kSource, kMulticastGroup)[0] == 0x31);
}

TEST_CASE("VRRP 15: priority 255 is sent by an owner, VRRP 16: others send theirs") {
  const auto config = instance(VrrpVersion::v2, {"10.99.0.100"});
  for (const int priority : {0, 1, 100, 254, 255}) {
    const auto advertisement = advertisement_of(config, static_cast<uint8_t>(priority));
    CHECK(encode(advertisement, kSource, kMulticastGroup)[2] == priority);
  }
}

TEST_CASE("VRRP 18: the count and list are the virtual addresses of the packet's IP version") {
  const auto config = instance(VrrpVersion::v2, {"10.99.0.100", "10.99.0.101"});
  const auto message = encode(advertisement_of(config, 100), kSource, kMulticastGroup);
  CHECK(message[3] == 2);
  CHECK(message[11] == 100);
  CHECK(message[15] == 101);
}

TEST_CASE("VRRP 19: an IPv6 list begins with the link-local address wherever it is configured") {
  const auto config = instance(VrrpVersion::v3, {"2001:db8::100", "fe80::100", "2001:db8::101"});
  const auto addresses = advertisement_of(config, 100).addresses;
  REQUIRE(addresses.size() == 3);
  CHECK(addresses[0].to_string() == "fe80::100");
  CHECK(addresses[1].to_string() == "2001:db8::100");
}

TEST_CASE("VRRP 20: one message never holds addresses of both IP versions") {
  auto config = instance(VrrpVersion::v3, {"2001:db8::100", "10.99.0.100"});
  CHECK(config.family == AddressFamily::ipv4);
  CHECK(advertisement_of(config, 100).addresses.size() == 1);
  config.family = AddressFamily::ipv6;
  REQUIRE(advertisement_of(config, 100).addresses.size() == 1);
  CHECK_FALSE(advertisement_of(config, 100).addresses[0].is_v4());
}

TEST_CASE("VRRP 21: the reserved nibble of version 3 is sent as 0 and ignored when received") {
  const auto sent = encode(v3_advertisement(), kSource, kMulticastGroup);
  CHECK((sent[4] & 0xf0) == 0);
  Packet message = message_of(kKeepalivedV3);
  message[4] = static_cast<uint8_t>(message[4] | 0xf0);
  const Packet packet = wrap(rechecksummed(message));
  const DecodeResult result = decode(packet, kExpectV3);
  REQUIRE(std::holds_alternative<Received>(result));
  CHECK(std::get<Received>(result).interval == milliseconds(100));
}

TEST_CASE("VRRP 22: version 3 sends its interval in centiseconds, 12 bits") {
  Advertisement advertisement = v3_advertisement();
  advertisement.interval = milliseconds(40950);
  const auto message = encode(advertisement, kSource, kMulticastGroup);
  CHECK((message[4] << 8 | message[5]) == 4095);
}

TEST_CASE("VRRP 23: version 2 sends its interval in whole seconds") {
  Advertisement advertisement = pass_advertisement();
  advertisement.interval = milliseconds(255000);
  CHECK(encode(advertisement, kSource, kMulticastGroup)[5] == 255);
}

TEST_CASE("VRRP 24: authentication type 0, or 1 with a password") {
  Advertisement advertisement = pass_advertisement();
  CHECK(encode(advertisement, kSource, kMulticastGroup)[4] == 1);
  advertisement.password.clear();
  CHECK(encode(advertisement, kSource, kMulticastGroup)[4] == 0);
}

TEST_CASE("VRRP 25: authentication type 0 sends zeros and ignores what it receives") {
  Advertisement advertisement = pass_advertisement();
  advertisement.password.clear();
  Packet message = encode(advertisement, kSource, kMulticastGroup);
  for (size_t i = 12; i < 20; ++i)
    CHECK(message[i] == 0);
  message[13] = 0x55;
  Expectation expected = kExpectPass;
  expected.password.clear();
  CHECK(verdict(wrap(rechecksummed(message)), expected) == "accepted");
}

TEST_CASE("VRRP 26: a password is 8 octets, padded with zeros or cut") {
  Advertisement advertisement = pass_advertisement();
  advertisement.password = "123456789";
  const auto message = encode(advertisement, kSource, kMulticastGroup);
  CHECK(std::string(message.begin() + 12, message.end()) == "12345678");
  CHECK(message_of(kKeepalivedPass) == encode(pass_advertisement(), kSource, kMulticastGroup));
}

TEST_CASE("VRRP 27: the checksum is computed last, over what is sent") {
  auto message = compose(pass_advertisement());
  CHECK(message[kChecksumOffset] == 0);
  CHECK(message[kChecksumOffset + 1] == 0);
  seal(message, pass_advertisement(), kSource, kMulticastGroup);
  CHECK(rechecksummed(message) == message);
}

TEST_CASE("VRRP 28: version 2 sums the whole message without a pseudo header") {
  const auto message = encode(pass_advertisement(), kSource, kMulticastGroup);
  CHECK(message == encode(pass_advertisement(), IpAddress::v4(1, 2, 3, 4), kMulticastGroup));
  CHECK(verdict(wrap(message), kExpectPass) == "accepted");
}

TEST_CASE("VRRP 29: version 3 over IPv6 sums the pseudo header of RFC 8200") {
  const auto config = instance(VrrpVersion::v3, {"fe80::100"});
  const Expectation expected = expectation_of(config, v6("fe80::20"));
  const auto advertisement = advertisement_of(config, 100);
  const auto message = encode(advertisement, v6(kSource6), kMulticastGroup6);
  CHECK(verdict_v6(message, expected) == "accepted");
  CHECK(verdict_v6(encode(advertisement, v6("fe80::11"), kMulticastGroup6), expected) ==
        "checksum");
  CHECK(verdict_v6(rechecksummed(message), expected) == "checksum");  // no pseudo header
}

TEST_CASE(
    "VRRP 30: version 3 over IPv4 is accepted without a pseudo header, as RFC 9568 sends it") {
  const Packet packet = wrap(rechecksummed(message_of(kKeepalivedV3)));
  const DecodeResult result = decode(packet, kExpectV3);
  REQUIRE(std::holds_alternative<Received>(result));
  CHECK(std::get<Received>(result).plain_checksum);
}

TEST_CASE("VRRP 31: version 3 over IPv4 is accepted with it, as keepalived and FRR send it") {
  const DecodeResult result = decode(kKeepalivedV3, kExpectV3);
  REQUIRE(std::holds_alternative<Received>(result));
  CHECK_FALSE(std::get<Received>(result).plain_checksum);
}

TEST_CASE("VRRP 32: v3_checksum_as_v2 decides which form is sent; anything else is refused") {
  auto config = instance(VrrpVersion::v3, {"10.99.0.103"});
  CHECK_FALSE(advertisement_of(config, 100).plain_checksum);
  config.protocol.plain_checksum = true;
  const auto message = encode(advertisement_of(config, 100), kSource, kMulticastGroup);
  CHECK(rechecksummed(message) == message);
  Packet wrong = message_of(kKeepalivedV3);
  wrong[7] = static_cast<uint8_t>(wrong[7] ^ 1);
  CHECK(verdict(wrap(wrong), kExpectV3) == "checksum");
}

TEST_CASE("VRRP 33: a million random messages, summed as the reference does") {
  std::mt19937 random(9568);  // NOLINT: the same numbers every run
  const Advertisement advertisement = pass_advertisement();
  Packet message = compose(advertisement);
  int wrong = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    const auto bits = random();
    message[1] = static_cast<uint8_t>(bits);
    message[2] = static_cast<uint8_t>(bits >> 8);
    message[10] = static_cast<uint8_t>(bits >> 16);
    message[11] = static_cast<uint8_t>(bits >> 24);
    seal(message, advertisement, kSource, kMulticastGroup);
    const int sum = message[6] << 8 | message[7];
    message[6] = message[7] = 0;
    if (reference_checksum(message) != sum) ++wrong;
  }
  CHECK(wrong == 0);
}

TEST_CASE("VRRP 34: a unicast checksum is made for the peer's address") {
  auto config = instance(VrrpVersion::v3, {"10.99.0.103"});
  config.virtual_router_id = 53;
  config.advert_interval = milliseconds(100);
  config.protocol.peers = {{kSource, {}, {}}};
  const IpAddress own = IpAddress::v4(10, 99, 0, 2);
  const Expectation expected = expectation_of(config, own);
  const auto advertisement = advertisement_of(config, 150);
  const auto check = [&](const IpAddress& made_for) {
    const auto message = encode(advertisement, kSource, made_for);
    const DecodeResult result = decode(IpPacket{kSource, own, 255, message}, expected);
    if (const auto* refusal = std::get_if<Refusal>(&result)) return std::string(name_of(*refusal));
    return std::string("accepted");
  };
  CHECK(check(own) == "accepted");
  CHECK(check(kMulticastGroup) == "checksum");
}

TEST_CASE("VRRP 35: octets after the IP total length are not summed") {
  Packet padded = kKeepalivedV3;
  padded.resize(60, 0xff);
  CHECK(verdict(padded, kExpectV3) == "accepted");
}
