#include "io/index_pool.h"

#include <doctest/doctest.h>

namespace xlb {

TEST_CASE("an index is never 0 and never taken twice") {
  IndexPool pool(4);
  CHECK(pool.available() == 3);
  CHECK(pool.take() == 1U);
  CHECK(pool.take(2));
  CHECK_FALSE(pool.take(2));
  CHECK_FALSE(pool.take(0));
  CHECK_FALSE(pool.take(4));
  CHECK(pool.take() == 3U);
  CHECK_FALSE(pool.take().has_value());
}

TEST_CASE("an index given back is the last to be used again") {
  IndexPool pool(5);
  CHECK(pool.take() == 1U);
  pool.give_back(1);
  pool.give_back(1);
  CHECK(pool.available() == 4);
  CHECK(pool.take() == 2U);
  CHECK(pool.take() == 3U);
  CHECK(pool.take() == 4U);
  CHECK(pool.take() == 1U);
}

TEST_CASE("regions do not overlap and merge when given back") {
  RegionPool pool(100);
  CHECK(pool.take(40) == 0U);
  CHECK(pool.take(40) == 40U);
  CHECK_FALSE(pool.take(40).has_value());
  CHECK(pool.take(20) == 80U);
  pool.give_back(0, 40);
  pool.give_back(80, 20);
  pool.give_back(40, 40);
  CHECK(pool.take(100) == 0U);
}

TEST_CASE("a region found in use can be claimed once") {
  RegionPool pool(100);
  CHECK(pool.take(10, 20));
  CHECK_FALSE(pool.take(25, 10));
  CHECK_FALSE(pool.take(95, 10));
  CHECK(pool.take(30, 70));
  CHECK(pool.take(0, 0));
  CHECK(pool.take(10) == 0U);
  CHECK_FALSE(pool.take(1).has_value());
}

}  // namespace xlb
