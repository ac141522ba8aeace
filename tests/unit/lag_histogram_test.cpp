#include "core/lag_histogram.h"

#include <doctest/doctest.h>

namespace xlb {
namespace {

using namespace std::chrono_literals;

TEST_CASE("the lateness most timers did not exceed, in steps of 0.1 ms") {
  LagHistogram lag;
  CHECK(lag.of(0.99) == 0ms);
  for (int i = 0; i < 99; ++i)
    lag.note(50us);
  lag.note(7ms);
  CHECK(lag.of(0.5) == 100us);
  CHECK(lag.of(0.99) == 100us);
  CHECK(lag.of(1) == 7ms);
  CHECK(lag.max() == 7ms);
}

TEST_CASE("what is later than the histogram reaches counts as its end") {
  LagHistogram lag;
  lag.note(3s);
  CHECK(lag.max() == 3s);
  CHECK(lag.of(0.5) == 100ms);
}

}  // namespace
}  // namespace xlb
