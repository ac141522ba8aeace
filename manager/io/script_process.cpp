#include "io/script_process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/descriptors.h"

namespace xlb {
namespace {

enum class Step : int { exec, descriptors, identity };

// What the child says when it cannot become the script.
struct Report {
  Step step = Step::exec;
  int code = 0;
};

// Everything the child needs, as the system calls take it.
struct Preparation {
  std::string path;
  std::vector<char*> argv;        // the program's own
  std::vector<char*> shell_argv;  // for a file without an interpreter line
  std::vector<char*> environment;
  std::optional<ScriptIdentity> identity;
  rlimit descriptors{};
};

// Not for scripts: what changes how a shell or the loader works, and systemd's channel to the
// daemon.
bool is_kept(std::string_view variable) {
  constexpr std::array<std::string_view, 4> kDropped = {"IFS=", "LD_",
                                                        "NOTIFY_SOCKET=", "WATCHDOG_"};
  return std::none_of(kDropped.begin(), kDropped.end(),
                      [&](std::string_view start) { return variable.starts_with(start); });
}

Result<Preparation> prepare(const ScriptCommand& command, const ScriptRules& rules) {
  if (command.argv.empty()) return fail("the command is empty");
  Preparation result;
  auto identity = script_identity(command, rules);
  if (!identity) return identity.error();
  auto path = script_path(command, *identity, rules);
  if (!path) return path.error();
  result.path = std::move(path).value();
  result.identity = std::move(identity).value();
  for (const std::string& argument : command.argv) {
    result.argv.push_back(const_cast<char*>(argument.c_str()));
  }
  result.argv.push_back(nullptr);
  static char shell[] = "/bin/sh";
  result.shell_argv = {shell};
  result.shell_argv.insert(result.shell_argv.end(), result.argv.begin(), result.argv.end());
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    if (is_kept(*variable)) result.environment.push_back(*variable);
  }
  result.environment.push_back(nullptr);
  result.descriptors = inherited_descriptor_limit();
  return result;
}

// AddressSanitizer does not know the stack the child runs on: what runs there is not instrumented.
[[noreturn, gnu::no_sanitize_address]] void give_up(int report_fd, Step step) {
  const Report report{step, errno};
  (void)!::write(report_fd, &report, sizeof report);
  (void)::syscall(SYS_exit_group, 127);
  __builtin_unreachable();
}

// Handlers first: none of the daemon's may run here.
void reset_signals() {
  const std::array<unsigned long, 4>
      standard{};  // the kernel's struct sigaction: SIG_DFL, no flags
  for (int signal = 1; signal < NSIG; ++signal)
    (void)::syscall(SYS_rt_sigaction, signal, standard.data(), nullptr, sizeof(unsigned long));
  const unsigned long none = 0;
  (void)::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, nullptr, sizeof none);
}

// In the child, which has this process's memory, and this thread's errno, until it is the script:
// system calls only. Where libc keeps a record of its own, or changes every thread (the user), they
// are made past it.
[[noreturn, gnu::no_sanitize_address]] void become(const Preparation& preparation, int report_fd) {
  (void)::setpgid(0, 0);
  const int null = ::open("/dev/null", O_RDWR);
  if (null < 0 || ::dup2(null, STDIN_FILENO) < 0) give_up(report_fd, Step::descriptors);
  // A daemon without a stderr gives its scripts none either.
  if (::fcntl(STDERR_FILENO, F_GETFD) < 0) (void)::dup2(null, STDERR_FILENO);
  if (::dup2(STDERR_FILENO, STDOUT_FILENO) < 0 ||
      ::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) != 0 || ::chdir("/") != 0) {
    give_up(report_fd, Step::descriptors);
  }
  if (preparation.identity) {
    const ScriptIdentity& identity = *preparation.identity;
    if (::syscall(SYS_setgroups, identity.groups.size(), identity.groups.data()) != 0 ||
        ::syscall(SYS_setgid, identity.group) != 0 || ::syscall(SYS_setuid, identity.user) != 0) {
      give_up(report_fd, Step::identity);
    }
  }
  reset_signals();
  (void)::setrlimit(RLIMIT_NOFILE, &preparation.descriptors);
  char* const* environment = preparation.environment.data();
  (void)::execve(preparation.path.c_str(), preparation.argv.data(), environment);
  char* const* shell_argv = preparation.shell_argv.data();
  if (errno == ENOEXEC) (void)::execve(shell_argv[0], shell_argv, environment);
  give_up(report_fd, Step::exec);
}

// ThreadSanitizer keeps books in the process' memory, which such a child would spoil.
#if defined(__SANITIZE_THREAD__)
constexpr int kMemory = 0;  // a copy
#else
constexpr int kMemory = CLONE_VM;
#endif

struct Child {
  const Preparation& preparation;
  int report_fd;
};

[[noreturn, gnu::no_sanitize_address]] int enter(void* given) {
  const Child& child = *static_cast<const Child*>(given);
  become(child.preparation, child.report_fd);
}

// Not fork(): copying the daemon's page tables, and then each page it writes to, would hold up all
// its threads. Not posix_spawn(): it changes no user. This thread waits until the child has become
// the script or given up, so the child's process group exists when this returns.
Result<pid_t> start_child(Child child) {
  constexpr size_t kStackBytes = 64 << 10;
  const auto stack = std::make_unique_for_overwrite<std::byte[]>(kStackBytes);
  // No handler of the daemon may run in the child.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  (void)::pthread_sigmask(SIG_BLOCK, &all, &before);
  const int dumpable = ::prctl(PR_GET_DUMPABLE);
  const pid_t pid =
      ::clone(enter, stack.get() + kStackBytes, kMemory | CLONE_VFORK | SIGCHLD, &child);
  const int code = errno;
  // A change of user makes the memory undumpable, which keeps that user's debuggers out of ours;
  // with the child gone from it, the daemon may leave cores again.
  if (dumpable == 1) (void)::prctl(PR_SET_DUMPABLE, 1);
  (void)::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return fail_errno(code, "cannot start a process");
  return pid;
}

std::string in_words(const Report& report) {
  const char* cause = strerrordesc_np(report.code);
  const std::string_view text = cause != nullptr ? cause : "unknown error";
  switch (report.step) {
    case Step::exec:
      return std::string(text);
    case Step::descriptors:
      return fmt::format("cannot prepare its descriptors: {}", text);
    case Step::identity:
      return fmt::format("cannot change to its user: {}", text);
  }
  return std::string(text);
}

}  // namespace

Result<ScriptProcess> start_script(const ScriptCommand& command, const ScriptRules& rules) {
  auto prepared = prepare(command, rules);
  if (!prepared) return prepared.error();
  prepared->shell_argv[1] = prepared->path.data();

  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno(errno, "cannot create a pipe");
  ScriptProcess process;
  process.report.reset(ends[0]);
  const UniqueFd report_end(ends[1]);

  const auto child = start_child({*prepared, report_end.get()});
  if (!child) return child.error();
  process.pid = *child;
  // glibc 2.36 declares pidfd_open() without C linkage.
  process.pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0)));
  if (!process.pidfd.valid()) {
    const Error error = fail_errno(errno, "cannot watch the process");
    (void)::kill(process.pid, SIGKILL);
    (void)::waitpid(process.pid, nullptr, 0);
    return error;
  }
  return process;
}

ScriptRunner::Outcome collect_script(const ScriptCommand& command, ScriptProcess& process) {
  siginfo_t end{};
  const int waited = ::waitid(P_PIDFD, static_cast<id_t>(process.pidfd.get()), &end, WEXITED);
  if (waited != 0) {
    const Error error = fail_errno(errno, "cannot wait for {}", command.argv.front());
    return {false, error.text};
  }
  Report report;
  if (::read(process.report.get(), &report, sizeof report) == static_cast<ssize_t>(sizeof report)) {
    return {false, fmt::format("cannot run {}: {}", command.argv.front(), in_words(report))};
  }
  if (end.si_code == CLD_EXITED) {
    return {end.si_status == 0, fmt::format("exited {}", end.si_status), end.si_status};
  }
  return {false, fmt::format("killed by signal {}", end.si_status)};
}

}  // namespace xlb
