#include "core/types.h"

#include <doctest/doctest.h>

using namespace xlb;

TEST_CASE("a masked address keeps its first bits") {
  const auto masked = [](const char* text, unsigned length) {
    return IpAddress::parse(text)->masked(length).to_string();
  };
  CHECK(masked("10.20.30.40", 32) == "10.20.30.40");
  CHECK(masked("10.20.30.40", 24) == "10.20.30.0");
  CHECK(masked("10.20.255.40", 18) == "10.20.192.0");
  CHECK(masked("10.20.30.40", 0) == "0.0.0.0");
  CHECK(masked("2001:db8:ffff::1", 128) == "2001:db8:ffff::1");
  CHECK(masked("2001:db8:ffff::1", 33) == "2001:db8:8000::");
  CHECK(masked("2001:db8::1", 0) == "::");
}

TEST_CASE("an IPv6 address comes back from its bytes") {
  const IpAddress address = *IpAddress::parse("2001:db8::17");
  CHECK(IpAddress::from_v6(address.bytes()) == address);
  CHECK(address.size() == 16);
}
