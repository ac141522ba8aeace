// libFuzzer target: no bytes from the link make decode() read past their end, and what it accepts
// can be encoded and is accepted again.
//   clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -Imanager \
//     tests/fuzz/vrrp_packet_fuzz.cpp manager/core/vrrp_packet.cpp manager/core/types.cpp \
//     manager/core/vrrp_refusal.cpp -lfmt
#include <algorithm>
#include <cstdlib>

#include "core/vrrp_packet.h"

using namespace xlb;
using namespace xlb::vrrp;

namespace {

constexpr size_t kIpHeader = 20;

void check(std::span<const uint8_t> packet, const Expectation& expected) {
  const DecodeResult first = decode(packet, expected);
  const auto* received = std::get_if<Received>(&first);
  if (received == nullptr) return;
  const Advertisement advertisement = advertisement_in(*received, expected);
  const auto message = encode(advertisement, received->source, kMulticastGroup);
  std::vector<uint8_t> again(kIpHeader + message.size());
  std::copy_n(packet.begin(), kIpHeader, again.begin());
  std::copy(message.begin(), message.end(), again.begin() + kIpHeader);
  again[0] = 0x45;  // without the options it may have had
  again[2] = static_cast<uint8_t>(again.size() >> 8);
  again[3] = static_cast<uint8_t>(again.size() & 0xff);
  const DecodeResult second = decode(again, expected);
  if (!std::holds_alternative<Received>(second)) std::abort();
  if (advertisement_in(std::get<Received>(second), expected) != advertisement) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size == 0) return 0;
  const std::span<const uint8_t> packet(bytes + 1, size - 1);
  const uint8_t router = size > kIpHeader + 2 ? bytes[kIpHeader + 2] : 1;
  const bool password = (bytes[0] & 1) != 0;
  check(packet, {VrrpVersion::v2, router, std::chrono::seconds(1), password ? "1111" : "", {}});
  check(packet, {VrrpVersion::v3, router, std::chrono::seconds(1), "", {}});
  Expectation v6{VrrpVersion::v3, router, std::chrono::seconds(1), "", {}};
  v6.family = AddressFamily::ipv6;
  v6.group = kMulticastGroup6;
  v6.trailer = Trailer::allowed;
  const IpAddress source = *IpAddress::parse("fe80::1");
  if (const auto arrived = ipv6_packet(source, kMulticastGroup6, 255, packet)) {
    (void)decode(*arrived, v6);
  }
  return 0;
}
