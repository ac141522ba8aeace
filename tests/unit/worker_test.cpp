#include "io/worker.h"

#include <doctest/doctest.h>

#include <future>
#include <thread>
#include <vector>

using namespace xlb;

TEST_CASE("work is done on another thread, its end told on the loop's, both in order") {
  auto loop = std::move(EventLoop::create()).value();
  Worker worker(*loop);
  std::vector<std::thread::id> workers;
  std::vector<int> ended;
  for (int i = 0; i < 3; ++i) {
    worker.run([&] { workers.push_back(std::this_thread::get_id()); },
               [&, i] {
                 ended.push_back(i);
                 if (i == 2) loop->stop();
               });
  }
  REQUIRE(loop->run().ok());
  REQUIRE(workers.size() == 3);
  CHECK(workers.front() != std::this_thread::get_id());
  CHECK(ended == std::vector{0, 1, 2});
}

TEST_CASE("the loop turns while work waits") {
  auto loop = std::move(EventLoop::create()).value();
  Worker worker(*loop);
  std::promise<void> gate;
  bool turned = false;
  auto timer = loop->timer(EventLoop::Urgency::normal, [&] {
    turned = true;
    gate.set_value();
  });
  timer.arm(loop->now());
  worker.run([opened = gate.get_future().share()] { opened.wait(); }, [&] { loop->stop(); });
  REQUIRE(loop->run().ok());
  CHECK(turned);
}

TEST_CASE("a worker that ends finishes what it is at and tells nobody") {
  auto loop = std::move(EventLoop::create()).value();
  bool told = false;
  std::promise<void> begun;
  std::promise<void> gate;
  bool finished = false;
  {
    Worker worker(*loop);
    worker.run(
        [&] {
          begun.set_value();
          gate.get_future().wait();
          finished = true;
        },
        [&] { told = true; });
    begun.get_future().wait();
    worker.run([] {}, [&] { told = true; });
    gate.set_value();
  }
  auto timer = loop->timer(EventLoop::Urgency::normal, [&] { loop->stop(); });
  timer.arm(loop->now());
  REQUIRE(loop->run().ok());
  CHECK(finished);
  CHECK_FALSE(told);
}
