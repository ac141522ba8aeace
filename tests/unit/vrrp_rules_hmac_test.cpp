// The rules of docs/vrrp.md about auth_hmac, by their numbers, with the vectors of
// draft-cassen-vrrp-auth-hmac: key 00..1f, VRID 51, priority 200, sequence 0x6800000080000000.
#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "core/vrrp_hmac.h"
#include "io/hmac_sha256.h"

using namespace xlb;
using namespace xlb::vrrp;
using std::chrono::seconds;

namespace {

using Bytes = std::vector<uint8_t>;

constexpr std::string_view kIpv4 =
    "3133c80100644402c0000264"
    "010100006800000080000000"
    "1b84bc4e8e43892dc6d98448f8ee2265";
constexpr std::string_view kIpv6 =
    "3133c8010064a2e9"
    "fe800000000000000000000000000100"
    "010100006800000080000000"
    "c8c56146ebfd66ee10ec4d8186461b78";
constexpr UnixTime kSigned = seconds(0x68000000);

Bytes from_hex(std::string_view text) {
  Bytes result;
  for (size_t i = 0; i < text.size(); i += 2)
    result.push_back(static_cast<uint8_t>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  return result;
}

IpAddress address(const char* text) {
  return *IpAddress::parse(text);
}

VrrpHmac settings() {
  VrrpHmac result;
  VrrpHmacKey key;
  for (char c = 0; c < 32; ++c)
    key.secret.push_back(c);
  result.keys = {key};
  return result;
}

HmacGuard guard(const VrrpHmac& hmac = settings()) {
  return HmacGuard(hmac, &hmac_sha256);
}

Expectation expected(AddressFamily family, Trailer trailer = Trailer::required) {
  Expectation result;
  result.version = VrrpVersion::v3;
  result.virtual_router_id = 51;
  result.family = family;
  const bool v4 = family == AddressFamily::ipv4;
  result.senders = {{address(v4 ? "198.51.100.10" : "fe80::10"), 255, 255}};
  result.trailer = trailer;
  return result;
}

struct Image {
  Bytes bytes;
  IpAddress source;
  IpAddress destination;
};
Image image_v4() {
  return {from_hex(kIpv4), address("198.51.100.10"), address("198.51.100.11")};
}
Image image_v6() {
  return {from_hex(kIpv6), address("fe80::10"), address("fe80::20")};
}

std::string judged(const Image& image, HmacGuard& by, UnixTime now = kSigned,
                   Trailer trailer = Trailer::required) {
  const DecodeResult result = decode(IpPacket{image.source, image.destination, 255, image.bytes},
                                     expected(image.source.family(), trailer));
  if (const auto* refusal = std::get_if<Refusal>(&result)) return std::string(name_of(*refusal));
  const auto& received = std::get<Received>(result);
  if (received.trailer.empty()) return "no trailer";
  const auto refusal = by.check(received, VrrpVersion::v3, now);
  return refusal ? std::string(name_of(*refusal)) : "accepted";
}

// Past the checksum, which would notice it first.
std::string judged_spoiled(size_t offset) {
  Bytes bytes = from_hex(kIpv6);
  bytes[offset] = static_cast<uint8_t>(bytes[offset] ^ 1);
  Received received;
  received.source = address("fe80::10");
  received.message = std::span<const uint8_t>(bytes).first(24);
  received.trailer = std::span<const uint8_t>(bytes).subspan(24);
  auto by = guard();
  const auto refusal = by.check(received, VrrpVersion::v3, kSigned);
  return refusal ? std::string(name_of(*refusal)) : "accepted";
}

Image sent(HmacGuard& by, UnixTime now) {
  const Advertisement advertisement{
      VrrpVersion::v3, 51, 200, std::chrono::milliseconds(1000), {address("fe80::100")}, ""};
  Image result{compose(advertisement), address("fe80::10"), address("fe80::20")};
  const size_t trailer = by.sign(result.bytes, result.source, now);
  seal(result.bytes, advertisement, result.source, result.destination, trailer);
  return result;
}

}  // namespace

TEST_CASE("VRRP 118: the vectors of the draft are accepted, for both IP versions") {
  auto by = guard();
  CHECK(judged(image_v4(), by) == "accepted");
  CHECK(judged(image_v6(), by) == "accepted");
}

TEST_CASE("VRRP 118: what is sent at the vector's time is the vector, to the last bit") {
  auto by = guard();
  CHECK(sent(by, kSigned + std::chrono::milliseconds(500)).bytes == from_hex(kIpv6));
}

TEST_CASE(
    "VRRP 118: a changed octet of message or trailer is noticed, the checksum's is not signed") {
  CHECK(judged_spoiled(2) == "hmac");             // priority
  CHECK(judged_spoiled(5) == "hmac");             // interval
  CHECK(judged_spoiled(7) == "accepted");         // checksum
  CHECK(judged_spoiled(23) == "hmac");            // address
  CHECK(judged_spoiled(24) == "hmac_malformed");  // type
  CHECK(judged_spoiled(25) == "hmac_key");
  CHECK(judged_spoiled(26) == "hmac_malformed");  // reserved
  CHECK(judged_spoiled(31) == "hmac");            // seconds
  CHECK(judged_spoiled(35) == "hmac");            // counter
  CHECK(judged_spoiled(36) == "hmac");
}

TEST_CASE("VRRP 119: missing, stale, replayed: each is told apart") {
  auto by = guard();
  Image bare = image_v4();
  bare.bytes.resize(12);
  CHECK(judged(bare, by) == "hmac_missing");
  CHECK(judged(bare, by, kSigned, Trailer::allowed) == "no trailer");
  CHECK(judged(image_v4(), by, kSigned + seconds(6)) == "hmac_stale");
  CHECK(judged(image_v4(), by, kSigned - seconds(6)) == "hmac_stale");
  CHECK(judged(image_v4(), by, kSigned + seconds(5)) == "accepted");
  CHECK(judged(image_v4(), by, kSigned + seconds(5)) == "hmac_replay");
}

TEST_CASE(
    "VRRP 119: a clock that is set back or forth leaves nobody unheard for longer than the "
    "window") {
  auto sender = guard();
  auto receiver = guard();
  CHECK(judged(sent(sender, kSigned), receiver) == "accepted");
  // Both clocks are set an hour forth, then back again.
  const UnixTime later = kSigned + seconds(3600);
  CHECK(judged(sent(sender, later), receiver, later) == "accepted");
  CHECK(judged(sent(sender, kSigned + seconds(1)), receiver, kSigned + seconds(1)) == "accepted");
}

TEST_CASE("VRRP 119: without time only growth counts") {
  VrrpHmac monotonic = settings();
  monotonic.by_time = false;
  auto sender = guard(monotonic);
  auto receiver = guard(monotonic);
  CHECK(judged(sent(sender, kSigned), receiver, kSigned + seconds(9999)) == "accepted");
  const Image first = sent(sender, kSigned - seconds(10));  // its clock was set back
  CHECK(judged(first, receiver) == "accepted");
  CHECK(judged(first, receiver) == "hmac_replay");
}

TEST_CASE(
    "VRRP 127: a captured advertisement is refused again, after a restart and after a rotation") {
  auto by = guard();
  CHECK(judged(image_v6(), by) == "accepted");
  CHECK(judged(image_v6(), by, kSigned + seconds(1)) == "hmac_replay");
  auto restarted = guard();
  CHECK(judged(image_v6(), restarted, kSigned + seconds(60)) == "hmac_stale");
  VrrpHmac rotated = settings();
  rotated.keys[0].id = rotated.active_key = 2;
  auto other = guard(rotated);
  CHECK(judged(image_v6(), other) == "hmac_key");
  other.configure(settings());
  CHECK(judged(image_v6(), other) == "accepted");
}

TEST_CASE("VRRP 128: the HMAC binds the source, the virtual router, the IP version and ours") {
  const Bytes bytes = from_hex(kIpv6);
  const auto judge = [&](const char* source, uint8_t vrid, uint8_t version) {
    Bytes other = bytes;
    other[0] = static_cast<uint8_t>(version << 4 | 1);
    other[1] = vrid;
    Received received;
    received.source = address(source);
    received.message = std::span<const uint8_t>(other).first(24);
    received.trailer = std::span<const uint8_t>(other).subspan(24);
    auto by = guard();
    const auto refusal = by.check(received, static_cast<VrrpVersion>(version), kSigned);
    return refusal ? std::string(name_of(*refusal)) : std::string("accepted");
  };
  CHECK(judge("fe80::10", 51, 3) == "accepted");
  CHECK(judge("fe80::20", 51, 3) == "hmac");
  CHECK(judge("fe80::10", 52, 3) == "hmac");
  CHECK(judge("fe80::10", 51, 2) == "hmac");
  CHECK(judge("10.0.0.1", 51, 3) == "hmac");
}

TEST_CASE(
    "VRRP 57: in receive-only mode nothing is signed, and what is signed wrongly is refused") {
  VrrpHmac listening = settings();
  listening.mode = VrrpHmac::Mode::receive_only;
  auto by = guard(listening);
  Bytes message(24);
  CHECK(by.sign(message, address("fe80::10"), kSigned) == 0);
  CHECK(message.size() == 24);
  Image spoiled = image_v4();
  spoiled.bytes.back() = static_cast<uint8_t>(spoiled.bytes.back() ^ 1);
  CHECK(judged(spoiled, by, kSigned, Trailer::allowed) == "hmac");
}

TEST_CASE("HMAC-SHA-256 is RFC 4231's") {
  const std::string key = "Jefe";
  const std::string text = "what do ya want for nothing?";
  const auto bytes = [](const std::string& from) {
    return std::span<const uint8_t>(reinterpret_cast<const uint8_t*>(from.data()), from.size());
  };
  const auto digest = hmac_sha256(bytes(key), bytes(text));
  CHECK(Bytes(digest.begin(), digest.end()) ==
        from_hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
}
