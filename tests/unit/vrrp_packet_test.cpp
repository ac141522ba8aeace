// The VRRP wire format, against frames captured from keepalived 2.2.7.
#include <doctest/doctest.h>

#include <random>
#include <string>
#include <utility>

#include "core/vrrp_packet.h"
#include "vrrp_frames.h"

using namespace xlb;
using namespace xlb::vrrp;
using namespace xlb::vrrp::test;

TEST_CASE("an advertisement of keepalived with a password is understood and sent alike") {
  const DecodeResult result = decode(kKeepalivedPass, kExpectPass);
  REQUIRE(std::holds_alternative<Received>(result));
  CHECK(advertisement_in(std::get<Received>(result), kExpectPass) == pass_advertisement());
  CHECK(std::get<Received>(result).source == kSource);
  CHECK(encode(pass_advertisement(), kSource, kMulticastGroup) == message_of(kKeepalivedPass));
}

TEST_CASE("a farewell is priority 0 and otherwise the same message") {
  Advertisement farewell = pass_advertisement();
  farewell.priority = kPriorityStop;
  const DecodeResult result = decode(kKeepalivedFarewell, kExpectPass);
  REQUIRE(std::holds_alternative<Received>(result));
  CHECK(advertisement_in(std::get<Received>(result), kExpectPass) == farewell);
  CHECK(encode(farewell, kSource, kMulticastGroup) == message_of(kKeepalivedFarewell));
}

TEST_CASE("several addresses keep their order, and no authentication sends 8 zero bytes") {
  const Advertisement two{VrrpVersion::v2,
                          52,
                          100,
                          milliseconds(2000),
                          {IpAddress::v4(10, 99, 0, 101), IpAddress::v4(10, 99, 0, 102)},
                          ""};
  const DecodeResult result = decode(kKeepalivedTwoAddresses, kExpectTwo);
  REQUIRE(std::holds_alternative<Received>(result));
  CHECK(advertisement_in(std::get<Received>(result), kExpectTwo) == two);
  CHECK(encode(two, kSource, kMulticastGroup) == message_of(kKeepalivedTwoAddresses));
}

TEST_CASE("version 3 is sent with the pseudo header in its checksum, as keepalived does") {
  const DecodeResult result = decode(kKeepalivedV3, kExpectV3);
  REQUIRE(std::holds_alternative<Received>(result));
  CHECK(advertisement_in(std::get<Received>(result), kExpectV3) == v3_advertisement());
  CHECK(encode(v3_advertisement(), kSource, kMulticastGroup) == message_of(kKeepalivedV3));
}

TEST_CASE("version 3 is accepted without the pseudo header too, as RFC 9568 sends it") {
  CHECK(verdict(wrap(rechecksummed(message_of(kKeepalivedV3))), kExpectV3) == "accepted");
}

TEST_CASE("the longest and shortest intervals fit the wire and nothing beyond them is sent") {
  Advertisement advertisement = v3_advertisement();
  for (const auto& [said, sent] : {std::pair{40950, 40950}, {10, 10}, {1, 10}, {99999, 40950}}) {
    advertisement.interval = milliseconds(said);
    const auto packet = wrap(encode(advertisement, kSource, kMulticastGroup));
    const DecodeResult result = decode(packet, kExpectV3);
    REQUIRE(std::holds_alternative<Received>(result));
    CHECK(std::get<Received>(result).interval == milliseconds(sent));
  }
  advertisement = pass_advertisement();
  for (const auto& [said, sent] : {std::pair{1000, 1}, {255000, 255}, {300, 1}, {999000, 255}}) {
    advertisement.interval = milliseconds(said);
    CHECK(encode(advertisement, kSource, kMulticastGroup)[5] == sent);
  }
}

TEST_CASE("random advertisements survive encoding, and their checksums agree with a reference") {
  std::mt19937 random(20220711);  // NOLINT: the same numbers every run
  const auto byte = [&] { return static_cast<uint8_t>(random()); };
  for (int i = 0; i < 20000; ++i) {
    Advertisement sent;
    sent.version = random() % 2 == 0 ? VrrpVersion::v2 : VrrpVersion::v3;
    const bool v2 = sent.version == VrrpVersion::v2;
    sent.virtual_router_id = static_cast<uint8_t>(1 + random() % 255);
    sent.priority = byte();
    sent.interval =
        v2 ? milliseconds(1000 * (1 + random() % 255)) : milliseconds(10 * (1 + random() % 4095));
    sent.addresses.resize(1 + random() % 255);
    for (auto& address : sent.addresses)
      address = IpAddress::v4(byte(), byte(), byte(), byte());
    if (v2 && random() % 2 == 0) sent.password = std::string(1 + random() % 8, 'p');

    const Packet message = encode(sent, kSource, kMulticastGroup);
    if (v2) REQUIRE(rechecksummed(message) == message);
    const Expectation expected{sent.version, sent.virtual_router_id, sent.interval, sent.password,
                               IpAddress()};
    const Packet packet = wrap(message);
    const DecodeResult result = decode(packet, expected);
    REQUIRE(std::holds_alternative<Received>(result));
    REQUIRE(advertisement_in(std::get<Received>(result), expected) == sent);
  }
}

TEST_CASE("an instance's configuration says what it sends and what it expects") {
  VrrpInstanceConfig config;
  config.virtual_router_id = 51;
  config.priority = 200;
  config.auth_password = "1111";
  config.virtual_addresses = {{{IpAddress::v4(10, 99, 0, 100), 24}, ""}};
  CHECK(advertisement_of(config, 200) == pass_advertisement());
  CHECK(verdict(kKeepalivedPass, expectation_of(config, IpAddress::v4(10, 99, 0, 2))) ==
        "accepted");
  CHECK(verdict(kKeepalivedPass, expectation_of(config, kSource)) == "own");
}
