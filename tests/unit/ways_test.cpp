#include "director/ways.h"

#include <doctest/doctest.h>

using namespace xlb;

namespace {

const Via kGateway{2, IpAddress::v4(10, 0, 0, 1)};
const TimePoint kNow{std::chrono::hours(1)};

Target behind(int number) {
  return {
      IpAddress::v4(192, 0, static_cast<uint8_t>(number / 256), static_cast<uint8_t>(number % 256)),
      Reach::route};
}

}  // namespace

TEST_CASE("ten thousand real servers behind one gateway: the gateway is asked for once") {
  Ways ways;
  for (int i = 0; i < 10'000; ++i)
    (void)ways.join(kGateway, behind(i));
  CHECK(ways.find(kGateway)->targets.size() == 10'000);
  CHECK(ways.due(kNow) == kGateway);
  ways.schedule(kGateway, kNow + std::chrono::seconds(10));
  CHECK_FALSE(ways.due(kNow));
  CHECK(ways.due(kNow + std::chrono::seconds(10)) == kGateway);
}

TEST_CASE("who comes later to a way finds what is known of it, and asks for nothing") {
  Ways ways;
  ways.join(kGateway, behind(1)).mac = MacAddress();
  ways.schedule(kGateway, kNow + std::chrono::seconds(10));
  CHECK(ways.join(kGateway, behind(2)).mac == MacAddress());
  CHECK_FALSE(ways.due(kNow));
}

TEST_CASE("a way is forgotten with its last target, and what was known of it") {
  Ways ways;
  ways.join(kGateway, behind(1)).failed = true;
  (void)ways.join(kGateway, behind(2));
  ways.leave(kGateway, behind(1));
  CHECK(ways.find(kGateway)->failed);
  ways.leave(kGateway, behind(2));
  CHECK(ways.find(kGateway) == nullptr);
  CHECK_FALSE(ways.due(kNow));
  ways.schedule(kGateway, kNow);  // an answer that comes too late
  CHECK_FALSE(ways.due(kNow));
  CHECK_FALSE(ways.join(kGateway, behind(1)).failed);
}

TEST_CASE("neighbours are asked for in the order in which they are due") {
  Ways ways;
  const Via other{3, IpAddress::v4(10, 0, 1, 1)};
  (void)ways.join(kGateway, behind(1));
  (void)ways.join(other, behind(2));
  ways.schedule(kGateway, kNow + std::chrono::seconds(2));
  ways.schedule(other, kNow + std::chrono::seconds(1));
  CHECK(ways.due(kNow + std::chrono::seconds(3)) == other);
  ways.schedule(other, kNow + std::chrono::seconds(9));
  CHECK(ways.due(kNow + std::chrono::seconds(3)) == kGateway);
}

TEST_CASE("what changes again and again before its turn is worked out once") {
  Backlog backlog;
  for (int i = 0; i < 5; ++i) {
    backlog.add(behind(1));
    backlog.add(behind(2));
  }
  CHECK(backlog.take() == behind(1));
  backlog.add(behind(1));
  CHECK(backlog.take() == behind(2));
  CHECK(backlog.take() == behind(1));
  CHECK(backlog.empty());
  CHECK_FALSE(backlog.take());
}
