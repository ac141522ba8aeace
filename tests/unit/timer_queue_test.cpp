#include "core/timer_queue.h"

#include <doctest/doctest.h>

namespace xlb {
namespace {

using namespace std::chrono_literals;

const TimePoint kStart{1000s};

TEST_CASE("deadlines are due in their order, and only those that have come") {
  TimerQueue queue;
  queue.arm(1, kStart + 3s);
  queue.arm(2, kStart + 1s);
  queue.arm(3, kStart + 5s);
  CHECK(queue.first() == kStart + 1s);
  const std::vector<TimerQueue::Deadline> due = queue.due(kStart + 3s, 10);
  REQUIRE(due.size() == 2);
  CHECK(due[0].second == 2);
  CHECK(due[1].second == 1);
  CHECK(queue.due(kStart + 9s, 1).size() == 1);
  CHECK(queue.due(kStart, 10).empty());
}

TEST_CASE("arming again moves a deadline, and what was told of the old one is void") {
  TimerQueue queue;
  queue.arm(1, kStart);
  const std::vector<TimerQueue::Deadline> due = queue.due(kStart, 10);
  REQUIRE(due.size() == 1);
  queue.arm(1, kStart + 1s);
  CHECK_FALSE(queue.take(due[0]));
  CHECK(queue.armed(1));
  CHECK(queue.first() == kStart + 1s);
  CHECK(queue.take({kStart + 1s, 1}));
  CHECK_FALSE(queue.armed(1));
  CHECK_FALSE(queue.first());
}

TEST_CASE("a disarmed deadline never comes") {
  TimerQueue queue;
  queue.arm(1, kStart);
  const std::vector<TimerQueue::Deadline> due = queue.due(kStart, 10);
  queue.disarm(1);
  queue.disarm(2);  // never armed
  CHECK_FALSE(queue.take(due.at(0)));
  CHECK(queue.due(kStart + 1s, 10).empty());
}

TEST_CASE("deadlines are rounded up to the grain") {
  CHECK(rounded_up(TimePoint(5ms), 1ms) == TimePoint(5ms));
  CHECK(rounded_up(TimePoint(5ms + 1ns), 1ms) == TimePoint(6ms));
  CHECK(rounded_up(TimePoint{}, 1ms) == TimePoint{});
}

}  // namespace
}  // namespace xlb
