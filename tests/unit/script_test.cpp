#include "io/script.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "io/descriptors.h"

namespace xlb {
namespace {

using namespace std::chrono_literals;
using Outcome = ScriptRunner::Outcome;

struct Fixture {
  std::string folder;
  std::unique_ptr<EventLoop> loop;
  std::optional<ScriptRunner> runner;
  std::vector<std::string> outcomes;

  Fixture() {
    char name[] = "/tmp/xlb-script-test-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    folder = name;
    REQUIRE(::chmod(name, 0755) == 0);
    auto created = EventLoop::create();
    REQUIRE(created.ok());
    loop = std::move(created).value();
    runner.emplace(*loop, 50ms);
    runner->on_idle([this] { loop->stop(); });
  }
  ~Fixture() {
    runner.reset();
    std::filesystem::remove_all(folder);
  }

  [[nodiscard]] std::string path(const std::string& name) const { return folder + "/" + name; }
  [[nodiscard]] std::string script(const std::string& name, const std::string& text) const {
    std::ofstream(path(name)) << text;
    REQUIRE(::chmod(path(name).c_str(), 0755) == 0);
    return path(name);
  }
  [[nodiscard]] std::string shell(const std::string& name, const std::string& text) const {
    return script(name, "#!/bin/sh\n" + text + "\n");
  }
  [[nodiscard]] std::string content(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(path(name)).rdbuf();
    return text.str();
  }

  void run(const std::string& queue, ScriptCommand command,
           std::chrono::milliseconds timeout = 30s) {
    runner->run(queue, std::move(command), timeout,
                [this](const Outcome& outcome) { outcomes.push_back(outcome.text); });
  }
  // Runs one command and returns how it ended.
  Outcome outcome_of(ScriptCommand command, std::chrono::milliseconds timeout = 30s) {
    Outcome result;
    runner->run("queue", std::move(command), timeout,
                [&](const Outcome& outcome) { result = outcome; });
    REQUIRE(loop->run().ok());
    return result;
  }
};

ScriptCommand command_of(std::vector<std::string> argv) {
  ScriptCommand command;
  command.argv = std::move(argv);
  return command;
}

TEST_CASE_FIXTURE(Fixture, "script: how it ended is told in words") {
  CHECK(outcome_of(command_of({shell("ok", "exit 0")})).ok);
  CHECK(outcome_of(command_of({shell("ok", "exit 0")})).text == "exited 0");
  const Outcome failed = outcome_of(command_of({shell("bad", "exit 3")}));
  CHECK_FALSE(failed.ok);
  CHECK(failed.text == "exited 3");
  CHECK(outcome_of(command_of({shell("killed", "kill -9 $$")})).text == "killed by signal 9");
  CHECK(outcome_of(command_of({"/nonexistent/x"})).text ==
        "cannot run /nonexistent/x: No such file or directory");
  CHECK(outcome_of(command_of({folder})).text == "cannot run " + folder + ": Permission denied");
  CHECK(outcome_of(command_of({})).text == "cannot run a script: the command is empty");
}

TEST_CASE_FIXTURE(Fixture, "script: arguments arrive as they are, without a shell") {
  const std::string show = shell("show", "printf '<%s>' \"$@\" > " + path("out"));
  CHECK(outcome_of(command_of({show, "$HOME; false", "*", "", "a b"})).ok);
  CHECK(content("out") == "<$HOME; false><*><><a b>");
}

TEST_CASE_FIXTURE(Fixture, "script: it has as many descriptors as the daemon was started with") {
  const auto before = inherited_descriptor_limit();
  make_room_for_descriptors();
  rlimit raised{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &raised) == 0);
  CHECK(raised.rlim_cur >= before.rlim_cur);
  CHECK(outcome_of(command_of({shell("limit", "ulimit -S -n >" + path("soft"))})).ok);
  CHECK(content("soft") == std::to_string(before.rlim_cur) + "\n");
}

TEST_CASE_FIXTURE(Fixture, "script: a file without an interpreter line is run by /bin/sh") {
  const std::string plain = script("plain", "echo \"$1\" > " + path("out") + "\n");
  CHECK(outcome_of(command_of({plain, "hello"})).text == "exited 0");
  CHECK(content("out") == "hello\n");
}

TEST_CASE_FIXTURE(Fixture, "script: a program without a slash is found in PATH") {
  CHECK(outcome_of(command_of({"true"})).ok);
}

TEST_CASE_FIXTURE(Fixture, "script: one queue runs its scripts one after the other, in order") {
  const std::string append =
      shell("append", "echo begin $1 >> " + path("out") + "; echo end $1 >> " + path("out"));
  run("VI_1", command_of({append, "1"}));
  run("VI_1", command_of({"/nonexistent/x"}));
  run("VI_1", command_of({append, "2"}));
  run("VI_1", command_of({append, "3"}));
  CHECK_FALSE(runner->idle());
  CHECK(outcomes.empty());
  REQUIRE(loop->run().ok());
  CHECK(runner->idle());
  CHECK(content("out") == "begin 1\nend 1\nbegin 2\nend 2\nbegin 3\nend 3\n");
  CHECK(outcomes == std::vector<std::string>{"exited 0",
                                             "cannot run /nonexistent/x: No such file or directory",
                                             "exited 0", "exited 0"});
}

TEST_CASE_FIXTURE(Fixture, "script: different queues run side by side") {
  REQUIRE(::mkfifo(path("fifo").c_str(), 0600) == 0);
  // Each end of the pipe waits for the other one.
  run("VI_1", command_of({shell("reader", "read word < " + path("fifo"))}));
  run("VI_2", command_of({shell("writer", "echo word > " + path("fifo"))}));
  REQUIRE(loop->run().ok());
  CHECK(outcomes == std::vector<std::string>{"exited 0", "exited 0"});
}

TEST_CASE_FIXTURE(Fixture,
                  "script: starts with clean signals, descriptors, folder and environment") {
  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  REQUIRE(::pthread_sigmask(SIG_BLOCK, &blocked, &before) == 0);
  const auto pipe_handler = std::signal(SIGPIPE, SIG_IGN);
  REQUIRE(::setenv("LD_LIBRARY_PATH", "/nonexistent", 1) == 0);
  REQUIRE(::setenv("IFS", "x", 1) == 0);
  REQUIRE(::setenv("XLB_TEST_KEPT", "kept", 1) == 0);
  const UniqueFd leaking(::open("/dev/null", O_RDONLY));  // NOLINT: without O_CLOEXEC on purpose
  REQUIRE(leaking.valid());

  const std::string show = shell("show", "exec > " + path("out") +
                                             "\n"
                                             "grep -E '^Sig(Blk|Ign)' /proc/self/status\n"
                                             "pwd\n"
                                             "readlink /proc/$$/fd/0\n"
                                             "ls /proc/$$/fd | tr '\\n' ' '\n"
                                             "env | grep -E '^(IFS|LD_|XLB_TEST_KEPT)'");
  CHECK(outcome_of(command_of({show})).ok);
  // The shell's own 10 and up hold its script.
  const std::string text = content("out");
  CHECK(text.find("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n/\n/dev/null\n0 1 ") == 0);
  CHECK(text.find(" " + std::to_string(leaking.get()) + " ") == std::string::npos);
  CHECK(text.find("LD_") == std::string::npos);
  CHECK(text.find("IFS") == std::string::npos);
  CHECK(text.find("XLB_TEST_KEPT=kept\n") != std::string::npos);

  REQUIRE(::unsetenv("LD_LIBRARY_PATH") == 0);
  REQUIRE(::unsetenv("IFS") == 0);
  REQUIRE(::unsetenv("XLB_TEST_KEPT") == 0);
  (void)std::signal(SIGPIPE, pipe_handler);
  REQUIRE(::pthread_sigmask(SIG_SETMASK, &before, nullptr) == 0);
}

TEST_CASE_FIXTURE(Fixture, "script: one that takes too long is ended, with all that it started") {
  const std::string slow = shell("slow", "sleep 1000 & sleep 1000");
  const Outcome outcome = outcome_of(command_of({slow}), 20ms);
  CHECK_FALSE(outcome.ok);
  CHECK(outcome.text == "timed out after 0.02 s");
}

TEST_CASE_FIXTURE(Fixture, "script: one that ignores SIGTERM is killed") {
  const std::string stubborn = shell("stubborn", "trap '' TERM; while :; do sleep 1000; done");
  CHECK(outcome_of(command_of({stubborn}), 20ms).text == "timed out after 0.02 s");
}

TEST_CASE_FIXTURE(Fixture, "script: an unknown user or group is an error") {
  ScriptCommand command = command_of({shell("ok", "exit 0")});
  command.user = "no-such-user";
  CHECK(outcome_of(command).text ==
        "cannot run " + command.argv[0] + ": there is no user no-such-user");
  command.user.clear();
  command.group = "no-such-group";
  CHECK(outcome_of(command).text ==
        "cannot run " + command.argv[0] + ": there is no group no-such-group");
}

TEST_CASE_FIXTURE(Fixture, "script: runs as its user") {
  const passwd* self = ::getpwuid(::geteuid());
  REQUIRE(self != nullptr);
  const std::string user = ::geteuid() == 0 ? "nobody" : self->pw_name;
  std::ofstream(path("out")).close();
  REQUIRE(::chmod(path("out").c_str(), 0666) == 0);
  ScriptCommand command = command_of({shell("who", "id -un > " + path("out"))});
  command.user = user;
  const int dumpable = ::prctl(PR_GET_DUMPABLE);
  CHECK(outcome_of(command).text == "exited 0");
  CHECK(content("out") == user + "\n");
  CHECK(::prctl(PR_GET_DUMPABLE) == dumpable);  // the daemon may leave a core as before
}

TEST_CASE_FIXTURE(Fixture, "script: the end of one may start the next, or destroy the runner") {
  const std::string ok = shell("ok", "exit 0");
  std::vector<std::string> order;
  runner->run("VI_1", command_of({ok}), 30s, [&](const Outcome&) {
    order.push_back("first");
    runner->run("VI_1", command_of({ok}), 30s, [&](const Outcome&) {
      order.push_back("second");
      runner.reset();
      loop->stop();
    });
    runner->run("VI_1", command_of({ok}), 30s, [&](const Outcome&) { order.push_back("third"); });
  });
  REQUIRE(loop->run().ok());
  CHECK(order == std::vector<std::string>{"first", "second"});
}

TEST_CASE_FIXTURE(Fixture,
                  "script: those about to start when the runner goes away do start, once") {
  REQUIRE(::mkfifo(path("started").c_str(), 0600) == 0);
  const UniqueFd started(::open(path("started").c_str(), O_RDWR | O_CLOEXEC));
  const std::string tell = shell("tell", "echo $1 >> " + path("started"));
  for (const char* queue : {"1", "2", "3", "4"})
    run(queue, command_of({tell, queue}));
  run("1", command_of({tell, "queued"}));
  runner.reset();
  std::string text;
  while (text.size() < 8) {
    pollfd answer{started.get(), POLLIN, 0};
    REQUIRE(::poll(&answer, 1, 10'000) == 1);
    std::string more(64, '\0');
    more.resize(static_cast<size_t>(std::max<ssize_t>(::read(started.get(), more.data(), 64), 0)));
    text += more;
  }
  for (const char* line : {"1\n", "2\n", "3\n", "4\n"})
    CHECK(text.find(line) != std::string::npos);
  CHECK(text.size() == 8);
  CHECK(outcomes.empty());
}

TEST_CASE_FIXTURE(Fixture, "script: one that runs when the runner goes away is left alone") {
  REQUIRE(::mkfifo(path("go").c_str(), 0600) == 0);
  REQUIRE(::mkfifo(path("done").c_str(), 0600) == 0);
  run("VI_1",
      command_of({shell("stop", "read word < " + path("go") + "; echo $word > " + path("done"))}));
  runner.reset();
  const UniqueFd go(::open(path("go").c_str(), O_RDWR | O_CLOEXEC));
  const UniqueFd done(::open(path("done").c_str(), O_RDWR | O_CLOEXEC));
  REQUIRE(::write(go.get(), "survived\n", 9) == 9);
  pollfd answer{done.get(), POLLIN, 0};
  REQUIRE(::poll(&answer, 1, 10'000) == 1);
  std::string text(64, '\0');
  text.resize(static_cast<size_t>(std::max<ssize_t>(::read(done.get(), text.data(), 64), 0)));
  CHECK(text == "survived\n");
  CHECK(outcomes.empty());
}

}  // namespace
}  // namespace xlb
