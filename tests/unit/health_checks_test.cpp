// The checks of one real server at work: what a reload keeps, what ha_suspend stops, what a program
// says of the weight.
#include "director/health_checks.h"

#include <doctest/doctest.h>

#include <optional>

#include "io/probe/misc_probe.h"
#include "io/probe/probe.h"
#include "loopback_server.h"

namespace xlb {
namespace {

using namespace std::chrono_literals;
using test::LoopbackServer;

struct HealthChecksTest {
  std::unique_ptr<EventLoop> loop = std::move(EventLoop::create()).value();
  std::unique_ptr<ProbeContext> context = std::move(ProbeContext::create(*loop)).value();
  Pacer pacer{Duration(1us)};
  int results = 0;
  RealServerChecks::News news = RealServerChecks::News::none;

  static CheckConfig tcp(const Endpoint& target, Duration delay_loop = 20ms) {
    CheckConfig result;
    result.target = target;
    result.timing.delay_loop = std::chrono::duration_cast<std::chrono::microseconds>(delay_loop);
    return result;
  }

  static CheckConfig misc(const std::string& program, const std::string& argument,
                          bool dynamic = true) {
    CheckConfig result;
    result.kind = CheckKind::misc;
    MiscCheck own;
    own.script.argv = {program, "-c", argument};
    own.dynamic = dynamic;
    own.timeout = 5s;
    result.own = own;
    result.timing.delay_loop = 1h;
    return result;
  }

  std::unique_ptr<RealServerChecks> checks(const std::vector<CheckConfig>& configs) {
    return std::make_unique<RealServerChecks>(
        *loop, *context, pacer, configs, loop->now(),
        [this](const CheckConfig&, const ProbeResult&, RealServerChecks::News what) {
          ++results;
          news = what;
        });
  }

  void wait_for(int count) {
    test::run_until(*loop, [&] { return results >= count; });
  }
};

TEST_CASE_FIXTURE(HealthChecksTest, "a check that stays goes on, whatever joins or leaves it") {
  LoopbackServer server(*loop, {});
  const Endpoint refusing = LoopbackServer::refusing(*loop);
  const auto running = checks({tcp(refusing, 1h)});
  wait_for(1);
  CHECK_FALSE(running->healthy());
  running->reconfigure({tcp(server.endpoint(), 1h), tcp(refusing, 1h)}, loop->now());
  CHECK_FALSE(running->healthy());
  wait_for(2);
  const auto status = running->status(loop->now(), {});
  CHECK(status.at(0).attempts == 1);
  CHECK(status.at(1).attempts == 1);
  CHECK(status.at(1).consecutive_failures == 1);
  running->reconfigure({tcp(server.endpoint(), 1h)}, loop->now());
  CHECK(running->healthy());
}

TEST_CASE_FIXTURE(HealthChecksTest, "suspended checks try nothing and keep their verdict") {
  const auto running = checks({tcp(LoopbackServer::refusing(*loop), 1ms)});
  wait_for(3);
  running->suspend(true);
  const int before = results;
  bool later = false;
  EventLoop::Timer timer = loop->timer(EventLoop::Urgency::normal, [&] { later = true; });
  timer.arm(loop->now() + 100ms);
  test::run_until(*loop, [&] { return later; });
  CHECK(results <= before + 1);  // one was under way
  CHECK_FALSE(running->healthy());
  CHECK(running->status(loop->now(), {}).at(0).suspended);
  running->suspend(false);
  wait_for(before + 3);
}

TEST_CASE_FIXTURE(HealthChecksTest, "stopped checks never report again") {
  LoopbackServer server(*loop, {});
  const auto running = checks({tcp(server.endpoint(), 1ms)});
  wait_for(2);
  running->stop();
  const int before = results;
  bool later = false;
  EventLoop::Timer timer = loop->timer(EventLoop::Urgency::normal, [&] { later = true; });
  timer.arm(loop->now() + 50ms);
  test::run_until(*loop, [&] { return later; });
  CHECK(results == before);
}

TEST_CASE_FIXTURE(HealthChecksTest,
                  "a program's exit status is a verdict, and with misc_dynamic a weight") {
  const auto running = checks({misc("/bin/sh", "exit 12")});
  CHECK_FALSE(running->weight(100).has_value());
  wait_for(1);
  CHECK(running->healthy());
  CHECK(news == RealServerChecks::News::weight);
  CHECK(running->weight(100) == 10);
  CHECK(running->text() == "exited 12: weight 10");
}

TEST_CASE_FIXTURE(HealthChecksTest, "without misc_dynamic only exit status 0 passes") {
  const auto running = checks({misc("/bin/sh", "exit 12", false)});
  wait_for(1);
  CHECK_FALSE(running->healthy());
  CHECK(running->text() == "exited 12");
  CHECK_FALSE(running->weight(100).has_value());
}

TEST_CASE_FIXTURE(HealthChecksTest, "misc_dynamic: 1 fails, 0 passes and changes no weight") {
  const auto failing = checks({misc("/bin/sh", "exit 1")});
  wait_for(1);
  CHECK_FALSE(failing->healthy());
  const auto passing = checks({misc("/bin/sh", "exit 0")});
  wait_for(2);
  CHECK(passing->healthy());
  CHECK_FALSE(passing->weight(100).has_value());
}

TEST_CASE_FIXTURE(HealthChecksTest,
                  "a program that hangs is killed at misc_timeout, with what it started") {
  CheckConfig slow = misc("/bin/sh", "sleep 60 & sleep 60");
  std::get<MiscCheck>(slow.own).timeout = 200ms;
  const auto running = checks({slow});
  wait_for(1);
  CHECK_FALSE(running->healthy());
  CHECK(running->text() == "timed out after 0.2 s");
}

TEST_CASE_FIXTURE(HealthChecksTest, "a program that does not exist fails and says so") {
  const auto running = checks({misc("/nonexistent/check", "x")});
  wait_for(1);
  CHECK_FALSE(running->healthy());
  CHECK(running->text().find("/nonexistent/check") != std::string::npos);
}

TEST_CASE_FIXTURE(HealthChecksTest,
                  "a file's number is heard when it is told, and nothing is tried") {
  CheckConfig config;
  config.kind = CheckKind::file;
  FileCheck file;
  file.path = "/run/load";
  file.weight = 2;
  config.own = file;
  const auto running = checks({config});
  CHECK(running->healthy());
  running->check_now();
  running->file_says("/run/other", 1);
  CHECK(results == 0);
  running->file_says("/run/load", 10);
  CHECK(results == 1);
  CHECK(running->weight(100) == 120);
  running->file_says("/run/load", -60);
  CHECK(running->weight(100) == 0);
  CHECK(running->healthy());
}

TEST_CASE_FIXTURE(HealthChecksTest, "a check that goes takes its program with it") {
  const auto running = checks({misc("/bin/sh", "sleep 60")});
  bool later = false;
  EventLoop::Timer timer = loop->timer(EventLoop::Urgency::normal, [&] { later = true; });
  timer.arm(loop->now() + 100ms);
  test::run_until(*loop, [&] { return later; });
  CHECK_FALSE(context->scripts().idle());
  running->reconfigure({}, loop->now());
  test::run_until(*loop, [&] { return context->scripts().idle(); });
  CHECK(results == 0);
}

}  // namespace
}  // namespace xlb
