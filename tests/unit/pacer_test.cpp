#include "core/pacer.h"

#include <doctest/doctest.h>

using namespace xlb;
using namespace std::chrono_literals;

namespace {
constexpr TimePoint kStart{1h};
}

TEST_CASE("a burst is spread, each caller a spacing after the one before") {
  Pacer pacer(250us);
  CHECK(pacer.reserve(kStart) == kStart);
  CHECK(pacer.reserve(kStart) == kStart + 250us);
  CHECK(pacer.reserve(kStart + 100us) == kStart + 500us);
}

TEST_CASE("who comes alone does not wait") {
  Pacer pacer(250us);
  CHECK(pacer.reserve(kStart) == kStart);
  CHECK(pacer.reserve(kStart + 1s) == kStart + 1s);
}

TEST_CASE("time that nobody used is not saved up") {
  Pacer pacer(250us);
  CHECK(pacer.reserve(kStart) == kStart);
  CHECK(pacer.reserve(kStart + 1s) == kStart + 1s);
  CHECK(pacer.reserve(kStart + 1s) == kStart + 1s + 250us);
}
