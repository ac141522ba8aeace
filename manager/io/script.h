// Runs notify scripts off the loop: one at a time per queue and in order, without a shell, with
// clean signals and descriptors, each under a deadline. It must not know what the scripts are for.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "core/config.h"
#include "io/event_loop.h"
#include "io/script_security.h"

namespace xlb {

class ScriptRunner {
 public:
  // How a run ended, in words: "exited 0", "exited 3", "killed by signal 9", "timed out after 60
  // s", "cannot run /x: No such file or directory".
  struct Outcome {
    bool ok = false;  // exited 0
    std::string text;
    std::optional<int> exit_status{};  // when it exited of itself
  };
  using Callback = std::function<void(const Outcome&)>;

  // A script that outlasts its timeout is asked to end, and killed after `patience` more.
  explicit ScriptRunner(EventLoop& loop,
                        std::chrono::milliseconds patience = std::chrono::seconds(2));
  // A script that runs, or was about to, is left alone (a notify_stop outlives the daemon); those
  // queued behind it never start.
  ~ScriptRunner();
  ScriptRunner(const ScriptRunner&) = delete;
  ScriptRunner& operator=(const ScriptRunner&) = delete;

  // For what is started from now on.
  void set_rules(ScriptRules rules);

  // Runs `command` after everything queued under the same name; different names run side by side.
  // Who it runs as, and whether it may, io/script_security.h says. At `timeout` its process group
  // gets SIGTERM, two seconds later SIGKILL. `done` is called from the loop, never from within
  // run().
  void run(std::string_view queue, ScriptCommand command, std::chrono::milliseconds timeout,
           Callback done);

  // What is queued under this name does not run any more, and what runs is asked to end, then
  // killed. `done` is called for neither.
  void cancel(std::string_view queue);

  // Nothing runs or waits.
  [[nodiscard]] bool idle() const;
  // Called from the loop each time the last script has ended, after its `done`.
  void on_idle(std::function<void()> handler);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace xlb
