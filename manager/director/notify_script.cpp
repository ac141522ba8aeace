#include "director/notify_script.h"

#include <utility>

#include "base/log.h"

namespace xlb {

void run_notify_script(ScriptRunner& scripts, const GlobalSettings& global,
                       const std::string& queue, ScriptCommand command) {
  const std::string program = command.argv.front();
  scripts.run(queue, std::move(command), global.script_timeout,
              [queue, program](const ScriptRunner::Outcome& outcome) {
                if (outcome.ok) return;
                log::warning("{}: notify script {}: {}", queue, program, outcome.text);
              });
}

}  // namespace xlb
