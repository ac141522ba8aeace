#include "io/event_loop.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"

namespace xlb {
namespace {

using namespace std::chrono_literals;
using Urgency = EventLoop::Urgency;

struct Pair {
  UniqueFd ours;
  UniqueFd theirs;
  Pair() {
    std::array<int, 2> fds{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds.data()) == 0);
    ours.reset(fds[0]);
    theirs.reset(fds[1]);
  }
  void make_readable() const { REQUIRE(::write(theirs.get(), "x", 1) == 1); }
};

std::unique_ptr<EventLoop> make_loop() {
  auto loop = EventLoop::create();
  REQUIRE(loop.ok());
  return std::move(loop).value();
}

TEST_CASE("event loop: timers fire in the order of their deadlines, not of arming") {
  const auto loop = make_loop();
  std::string order;
  auto late = loop->timer(Urgency::normal, [&] {
    order += 'c';
    loop->stop();
  });
  auto early = loop->timer(Urgency::normal, [&] { order += 'a'; });
  auto middle = loop->timer(Urgency::normal, [&] { order += 'b'; });
  const TimePoint start = loop->now();
  late.arm(start + 3ms);
  early.arm(start + 1ms);
  middle.arm(start + 2ms);
  CHECK(late.armed());
  REQUIRE(loop->run().ok());
  CHECK(order == "abc");
  CHECK_FALSE(late.armed());
  CHECK(loop->now() >= start + 3ms);
}

TEST_CASE("event loop: urgent timers come before descriptors, descriptors before other timers") {
  const auto loop = make_loop();
  const Pair pair;
  std::string order;
  auto normal = loop->timer(Urgency::normal, [&] {
    order += 'n';
    loop->stop();
  });
  auto urgent = loop->timer(Urgency::urgent, [&] { order += 'u'; });
  auto watch = loop->watch(pair.ours.get(), EPOLLIN, [&](uint32_t) {
    char byte = 0;
    CHECK(::read(pair.ours.get(), &byte, 1) == 1);
    order += 'd';
  });
  REQUIRE(watch.ok());
  pair.make_readable();
  normal.arm(loop->now() - 2s);
  urgent.arm(loop->now() - 1s);
  REQUIRE(loop->run().ok());
  CHECK(order == "udn");
}

TEST_CASE(
    "event loop: an urgent deadline that passes during a handler is served before the next one") {
  const auto loop = make_loop();
  const Pair first;
  const Pair second;
  std::string order;
  auto urgent = loop->timer(Urgency::urgent, [&] { order += 'u'; });
  const auto on_readable = [&](uint32_t) {
    order += 'd';
    if (order.size() == 1) urgent.arm(loop->now());
    if (order.size() == 3) loop->stop();
  };
  auto one = loop->watch(first.ours.get(), EPOLLIN, on_readable);
  auto two = loop->watch(second.ours.get(), EPOLLIN, on_readable);
  REQUIRE((one.ok() && two.ok()));
  first.make_readable();
  second.make_readable();
  REQUIRE(loop->run().ok());
  CHECK(order == "dud");
}

TEST_CASE("event loop: re-arming moves a timer, disarming and destroying cancel it") {
  const auto loop = make_loop();
  int moved_fired = 0;
  bool wrong = false;
  auto moved = loop->timer(Urgency::normal, [&] { ++moved_fired; });
  auto disarmed = loop->timer(Urgency::normal, [&] { wrong = true; });
  std::optional<EventLoop::Timer> destroyed = loop->timer(Urgency::urgent, [&] { wrong = true; });
  auto end = loop->timer(Urgency::normal, [&] { loop->stop(); });
  const TimePoint start = loop->now();
  moved.arm(start + 1h);
  moved.arm(start + 1ms);
  disarmed.arm(start + 1ms);
  disarmed.disarm();
  destroyed->arm(start + 1ms);
  destroyed.reset();
  end.arm(start + 2ms);
  REQUIRE(loop->run().ok());
  CHECK(moved_fired == 1);
  CHECK_FALSE(wrong);
}

TEST_CASE("event loop: a timer that always re-arms in the past does not keep descriptors waiting") {
  const auto loop = make_loop();
  const Pair pair;
  std::optional<EventLoop::Timer> greedy;
  greedy = loop->timer(Urgency::urgent, [&] { greedy->arm(loop->now() - 1s); });
  greedy->arm(loop->now());
  auto watch = loop->watch(pair.ours.get(), EPOLLIN, [&](uint32_t) { loop->stop(); });
  REQUIRE(watch.ok());
  pair.make_readable();
  CHECK(loop->run().ok());
}

TEST_CASE("event loop: a handler may destroy its own timer and its own watch") {
  const auto loop = make_loop();
  const Pair pair;
  std::optional<EventLoop::Timer> timer;
  std::optional<EventLoop::Watch> watch;
  const auto held = std::make_shared<int>(7);
  int seen = 0;
  timer = loop->timer(Urgency::normal, [&, held] {
    timer.reset();
    seen += *held;  // the handler's own captures are still alive
    pair.make_readable();
  });
  timer->arm(loop->now());
  auto created = loop->watch(pair.ours.get(), EPOLLIN, [&, held](uint32_t) {
    watch.reset();
    seen += *held;
    loop->stop();
  });
  REQUIRE(created.ok());
  watch = std::move(created).value();
  REQUIRE(loop->run().ok());
  CHECK(seen == 14);
  CHECK(held.use_count() == 1);
}

TEST_CASE("event loop: a handler may destroy a watch whose event is already waiting") {
  const auto loop = make_loop();
  const Pair first;
  const Pair second;
  std::array<EventLoop::Watch, 2> watches;
  int calls = 0;
  auto end = loop->timer(Urgency::normal, [&] { loop->stop(); });
  const auto destroy_both = [&](uint32_t) {
    ++calls;
    for (auto& watch : watches)
      watch.reset();
    end.arm(loop->now());
  };
  auto one = loop->watch(first.ours.get(), EPOLLIN, destroy_both);
  auto two = loop->watch(second.ours.get(), EPOLLIN, destroy_both);
  REQUIRE((one.ok() && two.ok()));
  watches = {std::move(one).value(), std::move(two).value()};
  first.make_readable();
  second.make_readable();
  REQUIRE(loop->run().ok());
  CHECK(calls == 1);
}

TEST_CASE(
    "event loop: a watch that outlives its descriptor does not unwatch the number's next owner") {
  const auto loop = make_loop();
  auto old_pair = std::make_unique<Pair>();
  auto old_watch = loop->watch(old_pair->ours.get(), EPOLLIN, [](uint32_t) {});
  REQUIRE(old_watch.ok());
  const int number = old_pair->ours.get();
  old_pair->ours.reset();
  const Pair pair;
  REQUIRE(pair.ours.get() == number);
  auto watch = loop->watch(number, EPOLLIN, [&](uint32_t) { loop->stop(); });
  REQUIRE(watch.ok());
  old_watch.value().reset();
  pair.make_readable();
  CHECK(loop->run().ok());
}

TEST_CASE("event loop: set_events decides what is reported") {
  const auto loop = make_loop();
  const Pair pair;
  std::vector<uint32_t> seen;
  auto watch = loop->watch(pair.ours.get(), 0, [&](uint32_t events) {
    seen.push_back(events);
    loop->stop();
  });
  REQUIRE(watch.ok());
  pair.make_readable();
  watch->set_events(EPOLLOUT);
  REQUIRE(loop->run().ok());
  watch->set_events(EPOLLIN);
  REQUIRE(loop->run().ok());
  CHECK(seen == std::vector<uint32_t>{EPOLLOUT, EPOLLIN});
}

TEST_CASE("event loop: work posted by another thread runs in the loop, in order") {
  const auto loop = make_loop();
  std::string order;
  std::thread other([&] {
    for (const char c : {'a', 'b', 'c'})
      loop->post([&order, c] { order += c; });
    loop->post([&] { loop->stop(); });
  });
  REQUIRE(loop->run().ok());
  other.join();
  CHECK(order == "abc");
}

TEST_CASE("event loop: a stop leaves later posted work for the next run") {
  const auto loop = make_loop();
  std::string order;
  loop->post([&] { loop->stop(); });
  loop->post([&] {
    order += 'x';
    loop->stop();
  });
  REQUIRE(loop->run().ok());
  CHECK(order.empty());
  REQUIRE(loop->run().ok());
  CHECK(order == "x");
}

TEST_CASE("event loop: blocked signals arrive as calls") {
  sigset_t before;
  REQUIRE(::pthread_sigmask(SIG_BLOCK, nullptr, &before) == 0);
  {
    const auto loop = make_loop();
    std::vector<int> received;
    REQUIRE(loop->on_signals({SIGUSR1, SIGUSR2},
                             [&](int signal) {
                               received.push_back(signal);
                               if (received.size() == 2) loop->stop();
                             })
                .ok());
    // To this thread: the process may have others that do not block it.
    REQUIRE(::pthread_kill(::pthread_self(), SIGUSR1) == 0);
    REQUIRE(::pthread_kill(::pthread_self(), SIGUSR2) == 0);
    REQUIRE(loop->run().ok());
    CHECK(received == std::vector<int>{SIGUSR1, SIGUSR2});
  }
  REQUIRE(::pthread_sigmask(SIG_SETMASK, &before, nullptr) == 0);
}

TEST_CASE("event loop: an urgent timer does not wait for all the normal ones that are due") {
  const auto loop = make_loop();
  std::vector<std::string> order;
  auto urgent = loop->timer(Urgency::urgent, [&] { order.emplace_back("urgent"); });
  auto first = loop->timer(Urgency::normal, [&] {
    order.emplace_back("first");
    urgent.arm(loop->now());
  });
  auto second = loop->timer(Urgency::normal, [&] {
    order.emplace_back("second");
    loop->stop();
  });
  const TimePoint now = loop->now();
  first.arm(now - 2ms);
  second.arm(now - 1ms);
  REQUIRE(loop->run().ok());
  CHECK(order == std::vector<std::string>{"first", "urgent", "second"});
}

TEST_CASE("event loop: who is timed out has been listened to first") {
  const auto loop = make_loop();
  const Pair pair;
  std::string order;
  auto timer = loop->timer(Urgency::urgent, [&] {
    order += 't';
    loop->stop();
  });
  auto watch = loop->watch(
      pair.ours.get(), EPOLLIN,
      [&](uint32_t) {
        order += 'r';
        char byte = 0;
        CHECK(::read(pair.ours.get(), &byte, 1) == 1);
      },
      Urgency::urgent);
  REQUIRE(watch.ok());
  pair.make_readable();
  timer.arm(loop->now() - 1s);
  REQUIRE(loop->run().ok());
  CHECK(order == "rt");
}

TEST_CASE("event loop: a handler with much to do serves what is urgent, and nothing else") {
  const auto loop = make_loop();
  const Pair pair;
  std::string order;
  auto urgent = loop->timer(Urgency::urgent, [&] {
    CHECK(loop->serving_urgent());
    order += 'u';
    loop->serve_urgent();  // nothing
  });
  auto other = loop->timer(Urgency::normal, [&] {
    order += 'n';
    loop->stop();
  });
  auto watch = loop->watch(pair.ours.get(), EPOLLIN, [&](uint32_t) {
    const TimePoint began = loop->now();
    order += '(';
    urgent.arm(loop->now());
    other.arm(loop->now());
    loop->serve_urgent();
    CHECK_FALSE(loop->serving_urgent());
    CHECK(loop->now() == began);
    order += ')';
    char byte = 0;
    CHECK(::read(pair.ours.get(), &byte, 1) == 1);
  });
  REQUIRE(watch.ok());
  pair.make_readable();
  REQUIRE(loop->run().ok());
  CHECK(order == "(u)n");
}

TEST_CASE("event loop: an urgent watch's events change and end as any other's") {
  const auto loop = make_loop();
  const Pair pair;
  int reads = 0;
  auto watch = loop->watch(
      pair.ours.get(), EPOLLIN, [&](uint32_t) { ++reads; }, Urgency::urgent);
  REQUIRE(watch.ok());
  pair.make_readable();
  auto timer = loop->timer(Urgency::urgent, [&] { loop->stop(); });
  timer.arm(loop->now() - 1s);
  REQUIRE(loop->run().ok());
  CHECK(reads == 1);
  watch->set_events(0);
  timer.arm(loop->now() - 1s);
  REQUIRE(loop->run().ok());
  CHECK(reads == 1);
  watch->set_events(EPOLLIN);
  watch->reset();
  timer.arm(loop->now() - 1s);
  REQUIRE(loop->run().ok());
  CHECK(reads == 1);
}

TEST_CASE("event loop: lag is how late a timer was served, and can be measured anew") {
  const auto loop = make_loop();
  auto timer = loop->timer(Urgency::normal, [&] { loop->stop(); });
  timer.arm(loop->now() - 250ms);
  REQUIRE(loop->run().ok());
  CHECK(loop->lag().max() >= 250ms);
  CHECK(loop->lag().of(0.5) == 100ms);  // and more
  loop->restart_lag();
  CHECK(loop->lag().max() == Duration{});
  CHECK(loop->lag().of(0.99) == Duration{});
}

TEST_CASE("event loop: a descriptor that cannot be watched is an error that says so") {
  const auto loop = make_loop();
  const auto watch = loop->watch(-1, EPOLLIN, [](uint32_t) {});
  REQUIRE_FALSE(watch.ok());
  CHECK(watch.error().text == "cannot watch descriptor -1: Bad file descriptor");
}

TEST_CASE("event loop: a moved timer or watch belongs to its new owner alone") {
  const auto loop = make_loop();
  int fired = 0;
  auto first = loop->timer(Urgency::normal, [&] {
    ++fired;
    loop->stop();
  });
  first.arm(loop->now());
  EventLoop::Timer second = std::move(first);
  CHECK(second.armed());
  REQUIRE(loop->run().ok());
  CHECK(fired == 1);
}

}  // namespace
}  // namespace xlb
