// Which packets a virtual router refuses, and why.
#include <doctest/doctest.h>

#include <algorithm>
#include <initializer_list>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/vrrp_packet.h"
#include "vrrp_frames.h"

using namespace xlb;
using namespace xlb::vrrp;
using namespace xlb::vrrp::test;

TEST_CASE("version 2 is never accepted with a pseudo header in its checksum") {
  Packet message = message_of(kKeepalivedPass);
  const uint32_t with_pseudo = 0xa8a0U + 0x10000 - 0x0a63 - 0x0001 - 0xe000 - 0x0012 - 112 - 20;
  message[6] = static_cast<uint8_t>(with_pseudo >> 8 & 0xff);
  message[7] = static_cast<uint8_t>(with_pseudo & 0xff);
  CHECK(verdict(wrap(message), kExpectPass) == "checksum");
}

TEST_CASE("bytes beyond the IP total length, such as Ethernet padding, do not count") {
  Packet padded = kKeepalivedPass;
  padded.resize(60, 0xaa);
  CHECK(verdict(padded, kExpectPass) == "accepted");
}

TEST_CASE("IP options are skipped") {
  Packet packet = kKeepalivedPass;
  packet.insert(packet.begin() + 20, {0x94, 0x04, 0x00, 0x00});
  packet[0] = 0x46;
  packet[3] = static_cast<uint8_t>(packet.size());
  CHECK(verdict(packet, kExpectPass) == "accepted");
}

TEST_CASE("what is not a whole IPv4 packet of VRRP is malformed") {
  for (size_t size = 0; size < kKeepalivedPass.size(); ++size) {
    CHECK(verdict(Packet(kKeepalivedPass.begin(),
                         kKeepalivedPass.begin() + static_cast<ptrdiff_t>(size)),
                  kExpectPass) == "malformed");
  }
  const auto spoiled = [](size_t offset, uint8_t value) {
    Packet packet = kKeepalivedPass;
    packet[offset] = value;
    return verdict(packet, kExpectPass);
  };
  CHECK(spoiled(0, 0x65) == "malformed");  // IPv6
  CHECK(spoiled(0, 0x44) == "malformed");  // header shorter than a header
  CHECK(spoiled(0, 0x4f) == "malformed");  // header longer than the packet
  CHECK(spoiled(2, 0x01) == "malformed");  // longer than received
  CHECK(spoiled(3, 20) == "malformed");    // no message
  CHECK(spoiled(3, 27) == "malformed");    // no whole VRRP header
  CHECK(spoiled(6, 0x20) == "malformed");  // more fragments
  CHECK(spoiled(7, 0x01) == "malformed");  // not the first fragment
  CHECK(spoiled(9, 17) == "malformed");    // UDP
  CHECK(spoiled(6, 0x40) == "accepted");   // don't fragment
}

TEST_CASE("a TTL below 255 was routed and is refused") {
  Packet packet = kKeepalivedPass;
  packet[8] = 254;
  CHECK(verdict(packet, kExpectPass) == "ttl");
}

TEST_CASE("an advertisement sent to us alone is refused by a multicast router") {
  Packet packet = kKeepalivedPass;
  packet[16] = 10, packet[17] = 99, packet[18] = 0, packet[19] = 2;
  CHECK(verdict(packet, kExpectPass) == "destination");
}

TEST_CASE("every version but the configured one is refused") {
  for (uint8_t version = 0; version < 16; ++version) {
    Packet message = message_of(kKeepalivedPass);
    message[0] = static_cast<uint8_t>(version << 4 | 1);
    const std::string expected = version == 2 ? "accepted" : "version";
    CHECK(verdict(wrap(rechecksummed(message)), kExpectPass) == expected);
  }
  Expectation v3 = kExpectV3;
  v3.virtual_router_id = 51;
  CHECK(verdict(kKeepalivedPass, v3) == "version");
}

TEST_CASE("every type but ADVERTISEMENT is refused") {
  for (uint8_t type = 0; type < 16; ++type) {
    Packet message = message_of(kKeepalivedPass);
    message[0] = static_cast<uint8_t>(0x20 | type);
    CHECK(verdict(wrap(rechecksummed(message)), kExpectPass) == (type == 1 ? "accepted" : "type"));
  }
}

TEST_CASE("a message must be exactly as long as its address count says") {
  for (const uint8_t count : std::initializer_list<uint8_t>{0, 2, 3, 255}) {
    Packet message = message_of(kKeepalivedPass);
    message[3] = count;
    CHECK(verdict(wrap(rechecksummed(message)), kExpectPass) == "length");
    message = message_of(kKeepalivedV3);
    message[3] = count;
    CHECK(verdict(wrap(rechecksummed(message)), kExpectV3) == "length");
  }
  Packet longer = message_of(kKeepalivedPass);
  longer.push_back(0);
  CHECK(verdict(wrap(longer), kExpectPass) == "length");
  Packet no_authentication = message_of(kKeepalivedPass);
  no_authentication.resize(12);
  CHECK(verdict(wrap(rechecksummed(no_authentication)), kExpectPass) == "length");
}

TEST_CASE("any flipped bit of a message is noticed by the checksum or an earlier check") {
  for (const auto& [packet, expected] :
       {std::pair{kKeepalivedPass, kExpectPass}, {kKeepalivedV3, kExpectV3}}) {
    for (size_t bit = kIpHeader * 8; bit < packet.size() * 8; ++bit) {
      Packet flipped = packet;
      flipped[bit / 8] = static_cast<uint8_t>(flipped[bit / 8] ^ (1 << bit % 8));
      CHECK(verdict(flipped, expected) != "accepted");
    }
  }
}

TEST_CASE("a checksum of zero may be written as 0x0000 or 0xffff") {
  Packet message = message_of(kKeepalivedPass);
  message[6] = message[7] = 0;
  message[34 - 20] = message[35 - 20] = 0;
  Expectation expected = kExpectPass;
  // Two password bytes chosen so that the sum over the message is 0xffff.
  const uint16_t missing = reference_checksum(message);
  message[14] = static_cast<uint8_t>(missing >> 8);
  message[15] = static_cast<uint8_t>(missing & 0xff);
  expected.password.assign(message.begin() + 12, message.begin() + 20);
  CHECK(verdict(wrap(message), expected) == "accepted");
  message[6] = message[7] = 0xff;
  CHECK(verdict(wrap(message), expected) == "accepted");
}

TEST_CASE("a wrong, missing or unexpected password is refused as authentication") {
  Expectation expected = kExpectPass;
  for (const std::string password : {"", "1112", "111", "11111", "2111"}) {
    expected.password = password;
    CHECK(verdict(kKeepalivedPass, expected) == "authentication");
  }
  expected = kExpectTwo;
  expected.password = "1111";
  CHECK(verdict(kKeepalivedTwoAddresses, expected) == "authentication");
  Packet ipsec = message_of(kKeepalivedPass);
  ipsec[4] = 2;
  CHECK(verdict(wrap(rechecksummed(ipsec)), kExpectPass) == "authentication");
}

TEST_CASE("only the first 8 bytes of a password count") {
  Advertisement advertisement = pass_advertisement();
  advertisement.password = "12345678tail";
  const Packet packet = wrap(encode(advertisement, kSource, kMulticastGroup));
  Expectation expected = kExpectPass;
  expected.password = "12345678other";
  CHECK(verdict(packet, expected) == "accepted");
  expected.password = "1234567";
  CHECK(verdict(packet, expected) == "authentication");
}

TEST_CASE("authentication data means nothing when the type is none") {
  Packet message = message_of(kKeepalivedTwoAddresses);
  message[16] = 0x77;
  CHECK(verdict(wrap(rechecksummed(message)), kExpectTwo) == "accepted");
}

TEST_CASE("version 2 refuses another interval, version 3 only zero") {
  Packet message = message_of(kKeepalivedPass);
  for (const uint8_t seconds : std::initializer_list<uint8_t>{0, 2, 255}) {
    message[5] = seconds;
    CHECK(verdict(wrap(rechecksummed(message)), kExpectPass) == "interval");
  }
  message = message_of(kKeepalivedV3);
  message[4] = message[5] = 0;
  CHECK(verdict(wrap(rechecksummed(message)), kExpectV3) == "interval");
  message[4] = 0xf0;  // reserved bits are not part of the interval
  CHECK(verdict(wrap(rechecksummed(message)), kExpectV3) == "interval");
  message[4] = 0xff, message[5] = 0xff;
  CHECK(verdict(wrap(rechecksummed(message)), kExpectV3) == "accepted");
}

TEST_CASE("an advertisement without addresses is refused") {
  Packet message = message_of(kKeepalivedV3);
  message.resize(8);
  message[3] = 0;
  CHECK(verdict(wrap(rechecksummed(message)), kExpectV3) == "address_count");
}

TEST_CASE("an advertisement from our own address is refused as own") {
  Expectation expected = kExpectPass;
  expected.own_address = kSource;
  CHECK(verdict(kKeepalivedPass, expected) == "own");
  expected.own_address = IpAddress::v4(10, 99, 0, 2);
  CHECK(verdict(kKeepalivedPass, expected) == "accepted");
}

TEST_CASE("a packet for another virtual router is told by its VRID and never refused") {
  Packet other = kKeepalivedTwoAddresses;
  other[8] = 1;    // not even its TTL
  other[26] ^= 1;  // or checksum are ours to judge
  const DecodeResult result = decode(other, kExpectPass);
  REQUIRE(std::holds_alternative<OtherRouter>(result));
  CHECK(std::get<OtherRouter>(result).virtual_router_id == 52);
}

TEST_CASE("the first failing check names the refusal") {
  Packet packet = kKeepalivedPass;
  Expectation expected = kExpectPass;
  expected.own_address = kSource;
  expected.interval = milliseconds(2000);
  CHECK(verdict(packet, expected) == "interval");
  expected.password = "wrong";
  CHECK(verdict(packet, expected) == "authentication");
  packet[26] ^= 1;
  CHECK(verdict(packet, expected) == "checksum");
  packet[23] = 9;
  CHECK(verdict(packet, expected) == "length");
  packet[20] = 0x22;
  CHECK(verdict(packet, expected) == "type");
  packet[20] = 0x42;
  CHECK(verdict(packet, expected) == "version");
  packet[19] = 13;
  CHECK(verdict(packet, expected) == "destination");
  packet[8] = 64;
  CHECK(verdict(packet, expected) == "ttl");
  packet[9] = 6;
  CHECK(verdict(packet, expected) == "malformed");
}

TEST_CASE("every refusal has a name of its own") {
  std::vector<std::string_view> names;
  for (size_t i = 0; i < kRefusalCount; ++i)
    names.push_back(name_of(static_cast<Refusal>(i)));
  for (const auto& name : names) {
    CHECK_FALSE(name.empty());
    CHECK(std::count(names.begin(), names.end(), name) == 1);
  }
}

TEST_CASE("random bytes are judged without reading past their end") {
  std::mt19937 random(112);  // NOLINT: the same numbers every run
  for (int i = 0; i < 50000; ++i) {
    Packet packet = random() % 2 == 0 ? kKeepalivedPass : kKeepalivedV3;
    for (unsigned spoil = random() % 4; spoil > 0; --spoil) {
      packet[random() % packet.size()] = static_cast<uint8_t>(random());
    }
    packet.resize(random() % (packet.size() + 8));
    packet.shrink_to_fit();  // so that a sanitizer sees the end
    (void)decode(packet, random() % 2 == 0 ? kExpectPass : kExpectV3);
  }
}
