// The rules of docs/vrrp.md about what is received, by their numbers: what is refused and what not.
#include <doctest/doctest.h>

#include <string>

#include "core/vrrp_alarm.h"
#include "core/vrrp_packet.h"
#include "vrrp_bench.h"
#include "vrrp_frames.h"

using namespace xlb;
using namespace xlb::vrrp;
using namespace xlb::vrrp::test;
using std::chrono::milliseconds;

namespace {

const IpAddress kOwn = IpAddress::v4(10, 99, 0, 2);

Expectation unicast(uint8_t min_ttl = 255, uint8_t max_ttl = 255) {
  Expectation expected = kExpectPass;
  expected.senders = {{kSource, min_ttl, max_ttl}};
  return expected;
}

std::string judged(const IpPacket& packet, const Expectation& expected) {
  const DecodeResult result = decode(packet, expected);
  if (const auto* refusal = std::get_if<Refusal>(&result)) return std::string(name_of(*refusal));
  return std::holds_alternative<OtherRouter>(result) ? "other router" : "accepted";
}

std::string judged_from(const IpAddress& source, const IpAddress& destination, uint8_t ttl,
                        const Expectation& expected) {
  const Packet message = message_of(kKeepalivedPass);
  return judged(IpPacket{source, destination, ttl, message}, expected);
}

Received received(const Packet& packet, const Expectation& expected) {
  const DecodeResult result = decode(packet, expected);
  REQUIRE(std::holds_alternative<Received>(result));
  return std::get<Received>(result);
}

bool raises(Alarm alarm, const Received& advertisement, const Listener& listener) {
  return alarms_about(advertisement, listener)[static_cast<size_t>(alarm)];
}

}  // namespace

TEST_CASE("VRRP 37: fragments and lengths that lie are malformed, IP options are skipped") {
  Packet packet = kKeepalivedPass;
  packet[6] = 0x20;
  CHECK(verdict(packet, kExpectPass) == "malformed");
  packet = kKeepalivedPass;
  packet[3] = 41;
  CHECK(verdict(packet, kExpectPass) == "malformed");
  packet = kKeepalivedPass;
  packet.insert(packet.begin() + 20, {0x94, 0x04, 0x00, 0x00});
  packet[0] = 0x46;
  packet[3] = static_cast<uint8_t>(packet.size());
  CHECK(verdict(packet, kExpectPass) == "accepted");
}

TEST_CASE("VRRP 38: TTL 255, or what a unicast peer is allowed") {
  CHECK(judged_from(kSource, kMulticastGroup, 255, kExpectPass) == "accepted");
  CHECK(judged_from(kSource, kMulticastGroup, 254, kExpectPass) == "ttl");
  CHECK(judged_from(kSource, kOwn, 254, unicast()) == "ttl");
  CHECK(judged_from(kSource, kOwn, 254, unicast(250)) == "accepted");
  CHECK(judged_from(kSource, kOwn, 249, unicast(250)) == "ttl");
  CHECK(judged_from(kSource, kOwn, 255, unicast(0, 254)) == "ttl");
}

TEST_CASE("VRRP 38: a peer is allowed what keepalived sends, unless its line says better") {
  const auto least = [](const IpAddress& peer, std::optional<uint8_t> min_ttl, uint8_t sent) {
    VrrpInstanceConfig config;
    config.protocol.peers = {{peer, min_ttl, std::nullopt}};
    config.protocol.unicast_ttl = sent;
    return expectation_of(config, kOwn).senders.front().min_ttl;
  };
  const IpAddress v6 = *IpAddress::parse("2001:db8::2");
  CHECK(least(kSource, std::nullopt, 255) == 255);
  CHECK(least(kSource, std::nullopt, 100) == 100);
  CHECK(least(v6, std::nullopt, 255) == 64);
  CHECK(least(v6, std::nullopt, 10) == 10);
  CHECK(least(v6, 255, 255) == 255);
}

TEST_CASE("VRRP 39: another version is refused, VRRP 117: in both directions") {
  Expectation v3 = kExpectV3;
  v3.virtual_router_id = 51;
  CHECK(verdict(kKeepalivedPass, v3) == "version");
  Expectation v2 = kExpectPass;
  v2.virtual_router_id = 53;
  CHECK(verdict(kKeepalivedV3, v2) == "version");
  CHECK(verdict(kKeepalivedV3, kExpectV3) == "accepted");
}

TEST_CASE("VRRP 40: only type 1 is an advertisement") {
  Packet message = message_of(kKeepalivedPass);
  message[0] = 0x22;
  CHECK(verdict(wrap(rechecksummed(message)), kExpectPass) == "type");
  CHECK(verdict(kKeepalivedPass, kExpectPass) == "accepted");
}

TEST_CASE("VRRP 41: a list longer than the packet is never read") {
  Packet message = message_of(kKeepalivedPass);
  message[3] = 255;
  message.shrink_to_fit();
  CHECK(verdict(wrap(rechecksummed(message)), kExpectPass) == "length");
}

TEST_CASE("VRRP 42: a longer message is refused, Ethernet padding is not") {
  Packet message = message_of(kKeepalivedPass);
  message.resize(message.size() + 4);
  CHECK(verdict(wrap(rechecksummed(message)), kExpectPass) == "length");
  message.resize(message.size() + 24);  // as long as a trailer, which nobody expects
  CHECK(verdict(wrap(rechecksummed(message)), kExpectPass) == "length");
  Packet padded = kKeepalivedPass;
  padded.resize(60);
  CHECK(verdict(padded, kExpectPass) == "accepted");
}

TEST_CASE("VRRP 43: a wrong checksum is refused") {
  Packet packet = kKeepalivedPass;
  packet[22] = 201;
  CHECK(verdict(packet, kExpectPass) == "checksum");
}

TEST_CASE("VRRP 44: another VRID is another router's") {
  Expectation expected = kExpectPass;
  expected.virtual_router_id = 52;
  CHECK(verdict(kKeepalivedPass, expected) == "other router");
}

TEST_CASE("VRRP 45: an owner that ignores advertisements goes on; else it heeds another owner") {
  Settings settings = with_priority(255);
  settings.owner_ignores_adverts = true;
  Bench owner = master(settings);
  CHECK(owner.hear(kHigherAddress, 255).empty());
  Bench usual = master(with_priority(255));
  CHECK(usual.hear(kHigherAddress, 255) == "remove, MASTER->BACKUP");
}

TEST_CASE("VRRP 46: the authentication type must be ours, and its password") {
  Packet message = message_of(kKeepalivedPass);
  message[4] = 0;
  CHECK(verdict(wrap(rechecksummed(message)), kExpectPass) == "authentication");
  message[4] = 2;
  CHECK(verdict(wrap(rechecksummed(message)), kExpectPass) == "authentication");
  CHECK(verdict(kKeepalivedPass, kExpectPass) == "accepted");
}

TEST_CASE("VRRP 47: another interval is refused in version 2") {
  Packet message = message_of(kKeepalivedPass);
  message[5] = 2;
  CHECK(verdict(wrap(rechecksummed(message)), kExpectPass) == "interval");
}

TEST_CASE("VRRP 48: another interval is an alarm in version 3, and kept") {
  const Received advertisement = received(kKeepalivedV3, kExpectV3);
  Listener listener;
  listener.version = VrrpVersion::v3;
  listener.interval = seconds(1);
  listener.believed = milliseconds(100);
  CHECK(raises(Alarm::other_interval, advertisement, listener));
  listener.interval = milliseconds(100);
  CHECK_FALSE(raises(Alarm::other_interval, advertisement, listener));
}

TEST_CASE("VRRP 49: an interval of 0 is refused in version 3") {
  Packet message = message_of(kKeepalivedV3);
  message[4] = message[5] = 0;
  CHECK(verdict(wrap(rechecksummed(message)), kExpectV3) == "interval");
}

TEST_CASE("VRRP 50: a count of 0 is refused") {
  Packet message = message_of(kKeepalivedV3);
  message.resize(8);
  message[3] = 0;
  CHECK(verdict(wrap(rechecksummed(message)), kExpectV3) == "address_count");
}

TEST_CASE(
    "VRRP 51: other addresses are an alarm; strict version 2 refuses them, but not an owner's") {
  Expectation expected = kExpectPass;
  expected.addresses = {IpAddress::v4(10, 99, 0, 101)};
  const Received advertisement = received(kKeepalivedPass, expected);
  CHECK(advertisement.other_addresses);
  CHECK(raises(Alarm::other_addresses, advertisement, Listener{}));
  expected.refuse_other_addresses = true;
  CHECK(verdict(kKeepalivedPass, expected) == "address_list");
  Packet message = message_of(kKeepalivedPass);
  message[2] = 255;
  CHECK(verdict(wrap(rechecksummed(message)), expected) == "accepted");
  expected.addresses = {IpAddress::v4(10, 99, 0, 100)};
  CHECK_FALSE(received(kKeepalivedPass, expected).other_addresses);
}

TEST_CASE("VRRP 55: a unicast router heeds its peers alone") {
  CHECK(judged_from(kSource, kOwn, 255, unicast()) == "accepted");
  CHECK(judged_from(IpAddress::v4(10, 99, 0, 3), kOwn, 255, unicast()) == "peer");
}

TEST_CASE("VRRP 56: multicast refuses unicast, and unicast multicast") {
  CHECK(judged_from(kSource, kOwn, 255, kExpectPass) == "destination");
  CHECK(judged_from(kSource, kMulticastGroup, 255, unicast()) == "destination");
  CHECK(judged_from(kSource, IpAddress::v4(224, 0, 0, 19), 255, kExpectPass) == "destination");
  Expectation other = kExpectPass;
  other.group = IpAddress::v4(224, 0, 0, 19);
  CHECK(judged_from(kSource, IpAddress::v4(224, 0, 0, 19), 255, other) == "accepted");
}

TEST_CASE("VRRP 58: an interval is believed up to four times our own, and the rest is an alarm") {
  Bench bench = backup(v3(100, seconds(1)));
  (void)bench.hear(kHigherAddress, 254, milliseconds(40950));
  CHECK(bench.until_deadline() <= 4 * 4 * Duration(seconds(1)));
  CHECK(bench.router.adoptable(milliseconds(40950)) == seconds(4));
  CHECK(bench.router.adoptable(seconds(2)) == seconds(2));
  const Received advertisement = received(kKeepalivedV3, kExpectV3);
  Listener listener;
  listener.version = VrrpVersion::v3;
  listener.believed = milliseconds(40);
  CHECK(raises(Alarm::long_interval, advertisement, listener));
  listener.believed = milliseconds(100);
  CHECK_FALSE(raises(Alarm::long_interval, advertisement, listener));
}

TEST_CASE("VRRP 99: two owners are an alarm, VRRP 100: so are equal priorities") {
  Packet message = message_of(kKeepalivedPass);
  Listener listener;
  listener.priority = 200;
  const Received equal = received(kKeepalivedPass, kExpectPass);
  CHECK(raises(Alarm::equal_priority, equal, listener));
  CHECK_FALSE(raises(Alarm::two_owners, equal, listener));
  listener.priority = 201;
  CHECK_FALSE(raises(Alarm::equal_priority, equal, listener));
  message[2] = 255;
  const Packet packet = wrap(rechecksummed(message));
  listener.priority = 255;
  CHECK(raises(Alarm::two_owners, received(packet, kExpectPass), listener));
}

TEST_CASE("VRRP 124: somebody who speaks as master while a master lives is a foreign master") {
  const Received advertisement = received(kKeepalivedPass, kExpectPass);
  Listener listener;
  listener.master = true;
  CHECK(raises(Alarm::foreign_master, advertisement, listener));
  listener.master = false;
  CHECK_FALSE(raises(Alarm::foreign_master, advertisement, listener));
  listener.living_master = kSource;
  CHECK_FALSE(raises(Alarm::foreign_master, advertisement, listener));
  listener.living_master = kOwn;
  CHECK(raises(Alarm::foreign_master, advertisement, listener));
  listener.master = true;
  CHECK_FALSE(raises(Alarm::foreign_master, received(kKeepalivedFarewell, kExpectPass), listener));
}

TEST_CASE("VRRP 130: a wrong password is refused, whatever its length") {
  for (const char* password : {"1112", "111", "11111", "x"}) {
    Expectation expected = kExpectPass;
    expected.password = password;
    CHECK(verdict(kKeepalivedPass, expected) == "authentication");
  }
}
