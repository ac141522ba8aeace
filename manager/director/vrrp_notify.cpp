// What a virtual router's change of state tells the scripts of its configuration, and the FIFOs.
#include <string_view>

#include "director/notify_script.h"
#include "director/vrrp_instance.h"

namespace xlb {
namespace {

struct Message {
  std::string_view word;
  const std::optional<ScriptCommand>& own;
};

Message message_of(const VrrpInstanceConfig& config, vrrp::State state, bool deleted) {
  switch (state) {
    case vrrp::State::master:
      return {"MASTER", config.notify_master};
    case vrrp::State::backup:
      return {"BACKUP", config.notify_backup};
    case vrrp::State::fault:
      return {"FAULT", config.notify_fault};
    case vrrp::State::init:
      break;
  }
  if (!deleted) return {"STOP", config.notify_stop};
  if (config.tracking.deleted_is_told) return {"DELETED", config.tracking.notify_deleted};
  return {"FAULT", config.notify_fault};
}

}  // namespace

void VrrpInstance::notify(vrrp::State state) {
  const Message message = message_of(config_, state, ending_ == Ending::deleted);
  const std::string word(message.word);
  if (message.own) run_script(*message.own);
  if (config_.notify) {
    ScriptCommand command = *config_.notify;
    command.argv.insert(command.argv.end(),
                        {"INSTANCE", config_.name, word, std::to_string(effective_priority())});
    run_script(command);
  }
  around_.notice({false, config_.name, word, effective_priority()});
}

void VrrpInstance::tell_state() const {
  if (router_.state() == vrrp::State::init) return;
  const Message message = message_of(config_, router_.state(), false);
  around_.notice({false, config_.name, std::string(message.word), effective_priority()});
}

void VrrpInstance::notify_lower_priority() {
  const auto& script = config_.tracking.notify_master_rx_lower_pri;
  if (script) run_script(*script);
  around_.notice({false, config_.name, "MASTER_RX_LOWER_PRI", effective_priority()});
}

void VrrpInstance::notify_priority() {
  if (!config_.tracking.notify_priority_changes) return;
  const bool master = router_.state() == vrrp::State::master;
  around_.notice(
      {false, config_.name, master ? "MASTER_PRIORITY" : "BACKUP_PRIORITY", effective_priority()});
}

void VrrpInstance::run_script(const ScriptCommand& command) {
  run_notify_script(around_.scripts, around_.global, config_.name, command);
}

}  // namespace xlb
