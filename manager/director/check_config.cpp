#include "director/check_config.h"

#include <net/if.h>
#include <unistd.h>

#include <filesystem>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include "core/config_parse.h"
#include "io/config_file.h"

namespace xlb {
namespace {

class HostCheck {
 public:
  explicit HostCheck(std::vector<Diagnostic>& diagnostics) : diagnostics_(diagnostics) {}

  void device(const std::string& name, const Place& place, std::string_view consequence) {
    if (name.empty() || ::if_nametoindex(name.c_str()) != 0) return;
    if (!named_.insert(name).second) return;
    warn(place, fmt::format("interface {} does not exist on this host", xlb::quoted(name)),
         std::string(consequence));
  }

  void script(const std::optional<ScriptCommand>& command) {
    if (!command || command->argv.empty()) return;
    const std::string& program = command->argv.front();
    if (!named_.insert(program).second) return;
    if (!file_exists(program)) {
      warn(command->place,
           fmt::format("script {} does not exist on this host", xlb::quoted(program)),
           "it is run all the same; until it exists each run fails and is logged");
    } else if (::access(program.c_str(), X_OK) != 0) {
      warn(command->place, fmt::format("script {} is not executable", xlb::quoted(program)),
           fmt::format("chmod +x {}", program));
    }
  }

 private:
  void warn(const Place& place, std::string text, std::string hint) {
    diagnostics_.push_back(
        {Diagnostic::Severity::warning, place, std::move(text), std::move(hint)});
  }

  std::vector<Diagnostic>& diagnostics_;
  std::set<std::string> named_;  // each is said once
};

}  // namespace

bool file_exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

CheckedConfig check_config_file(const std::string& file, Strictness strictness) {
  ConfigFileReader reader;
  ParseOptions options;
  options.unknown_is_error = strictness == Strictness::test;
  ParseOutcome outcome = parse_config(file, reader, options);
  CheckedConfig result{std::move(outcome.config), std::move(outcome.diagnostics)};
  if (!result.config) return result;
  HostCheck host(result.diagnostics);
  for (const VrrpInstanceConfig& instance : result.config->vrrp_instances) {
    host.device(instance.interface, instance.interface_place,
                "the instance is in FAULT until it appears");
    for (const VirtualAddress& address : instance.virtual_addresses) {
      host.device(address.device, instance.place, "its addresses cannot be added until it appears");
    }
    for (const auto* script : {&instance.notify_master, &instance.notify_backup,
                               &instance.notify_fault, &instance.notify_stop, &instance.notify}) {
      host.script(*script);
    }
  }
  for (const VirtualServerConfig& service : result.config->virtual_servers) {
    host.script(service.quorum_up);
    host.script(service.quorum_down);
    for (const RealServerConfig& real_server : service.real_servers) {
      host.script(real_server.notify_up);
      host.script(real_server.notify_down);
    }
  }
  for (const std::string& name : result.config->xlb.interfaces) {
    host.device(name, result.config->xlb.interfaces_place,
                "nothing is balanced there until it appears");
  }
  return result;
}

}  // namespace xlb
