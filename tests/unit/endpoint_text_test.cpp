#include "core/endpoint_text.h"

#include <doctest/doctest.h>

using namespace xlb;

TEST_CASE("ADDR:PORT and none are understood") {
  CHECK(parse_listen("127.0.0.1:9780").value() == Endpoint{IpAddress::v4(127, 0, 0, 1), 9780});
  CHECK(parse_listen("none").ok());
  CHECK_FALSE(parse_listen("none").value().has_value());
}

TEST_CASE("anything else is an error that says what would be right") {
  for (const char* text : {"", "9780", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536",
                           "127.0.0.1:80x", "localhost:80", ":80", "off"}) {
    INFO(text);
    const auto result = parse_listen(text);
    REQUIRE_FALSE(result.ok());
    CHECK(result.error().text.find("127.0.0.1:9780") != std::string::npos);
  }
}
