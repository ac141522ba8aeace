#include "core/icmp_echo.h"

#include <doctest/doctest.h>

using namespace xlb;

namespace {

using Bytes = std::vector<uint8_t>;

EchoRequest request() {
  EchoRequest result{0x1234, 7, {}};
  for (size_t i = 0; i < result.token.size(); ++i)
    result.token[i] = static_cast<uint8_t>(i * 17);
  return result;
}

Bytes reply_to(const EchoRequest& asked, AddressFamily family) {
  Bytes bytes = encode_echo(asked, family);
  bytes[0] = family == AddressFamily::ipv4 ? 0 : 129;
  return bytes;
}

}  // namespace

TEST_CASE("an echo request has its type, its numbers and, of IPv4, its checksum") {
  const Bytes v4 = encode_echo(request(), AddressFamily::ipv4);
  CHECK(v4.size() == 24);
  CHECK(v4[0] == 8);
  CHECK(v4[4] == 0x12);
  CHECK(v4[7] == 7);
  uint32_t sum = 0;
  for (size_t i = 0; i < v4.size(); i += 2)
    sum += static_cast<uint32_t>(v4[i] << 8 | v4[i + 1]);
  CHECK(((sum & 0xffff) + (sum >> 16)) == 0xffff);
  const Bytes v6 = encode_echo(request(), AddressFamily::ipv6);
  CHECK(v6[0] == 128);
  CHECK(v6[2] == 0);
  CHECK(v6[3] == 0);
}

TEST_CASE("only the reply with the request's own numbers and token counts") {
  for (const AddressFamily family : {AddressFamily::ipv4, AddressFamily::ipv6}) {
    const EchoRequest asked = request();
    CHECK(answers_echo(reply_to(asked, family), asked, family));
    CHECK_FALSE(answers_echo(encode_echo(asked, family), asked, family));  // the request itself
    for (size_t at = 4; at < 24; ++at) {
      Bytes forged = reply_to(asked, family);
      forged[at] ^= 1;
      CAPTURE(at);
      CHECK_FALSE(answers_echo(forged, asked, family));
    }
    Bytes longer = reply_to(asked, family);
    longer.push_back(0);
    CHECK_FALSE(answers_echo(longer, asked, family));
    CHECK_FALSE(answers_echo({}, asked, family));
    Bytes renumbered = reply_to(asked, family);
    renumbered[4] ^= 1;
    CHECK(answers_echo(renumbered, asked, family, false));
  }
}

TEST_CASE("a raw socket's IPv4 header is taken off, a malformed one leaves nothing") {
  Bytes datagram(20, 0);
  datagram[0] = 0x45;
  datagram[9] = 1;
  datagram.push_back(42);
  const auto message = icmp_of_raw(datagram, AddressFamily::ipv4);
  CHECK(message.size() == 1);
  CHECK(message[0] == 42);
  datagram[0] = 0x4f;  // a header longer than all there is
  CHECK(icmp_of_raw(datagram, AddressFamily::ipv4).empty());
  datagram[0] = 0x41;
  CHECK(icmp_of_raw(datagram, AddressFamily::ipv4).empty());
  CHECK(icmp_of_raw(Bytes(10, 0x45), AddressFamily::ipv4).empty());
  CHECK(icmp_of_raw(Bytes(3, 1), AddressFamily::ipv6).size() == 3);
}
