// Counting processes: whichever means this host allows.
#include "io/process_watch.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <optional>
#include <string>

namespace xlb {
namespace {

using namespace std::chrono_literals;

pid_t start(const std::string& argument) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::execl("/bin/sleep", "sleep", "1000", argument.c_str(), nullptr);
    ::_exit(127);
  }
  return pid;
}

void end(pid_t pid) {
  (void)::kill(pid, SIGKILL);
  (void)::waitpid(pid, nullptr, 0);
}

TEST_CASE("process watch: counts the processes of a command line as they come and go") {
  auto created = EventLoop::create();
  REQUIRE(created.ok());
  EventLoop& loop = **created;
  std::optional<uint32_t> last;
  uint32_t wanted = 0;
  ProcessWatch watch(
      loop,
      [&](const std::string& name, uint32_t count) {
        CHECK(name == "p");
        last = count;
        if (count == wanted) loop.stop();
      },
      [](const std::string&) {});
  const auto becomes = [&](uint32_t count) {
    wanted = count;
    if (last == count) return true;
    auto timer = loop.timer(EventLoop::Urgency::normal, [&] { loop.stop(); });
    timer.arm(loop.now() + 10s);
    REQUIRE(loop.run().ok());
    return last == count;
  };
  TrackProcessConfig config;
  config.name = "p";
  config.process = "sleep";
  config.parameters = {"1000", "0." + std::to_string(::getpid())};
  config.full_command = true;
  config.match = ParameterMatch::exact;
  watch.follow({config});
  CHECK(becomes(0));
  const pid_t one = start(config.parameters[1]);
  CHECK(becomes(1));
  const pid_t two = start(config.parameters[1]);
  CHECK(becomes(2));
  end(one);
  CHECK(becomes(1));
  end(two);
  CHECK(becomes(0));
}

}  // namespace
}  // namespace xlb
