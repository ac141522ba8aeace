#include "director/check_config.h"

#include <net/if.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include "core/config_parse.h"
#include "io/config_file.h"
#include "io/network_namespace.h"
#include "io/probe/body_pattern.h"
#include "io/probe/tls_files.h"
#include "io/script_security.h"

namespace xlb {
namespace {

class HostCheck {
 public:
  HostCheck(std::vector<Diagnostic>& diagnostics, const GlobalSettings& global)
      : diagnostics_(diagnostics), rules_(script_rules_of(global)) {}

  // What only libraries of this host can tell: not only warnings.
  [[nodiscard]] bool found_errors() const {
    return std::any_of(diagnostics_.begin(), diagnostics_.end(), [](const Diagnostic& item) {
      return item.severity == Diagnostic::Severity::error;
    });
  }

  void device(const std::string& name, const Place& place, std::string_view consequence) {
    if (name.empty() || ::if_nametoindex(name.c_str()) != 0) return;
    if (!named_.insert(name).second) return;
    warn(place, fmt::format("interface {} does not exist on this host", xlb::quoted(name)),
         std::string(consequence));
  }

  void check(const CheckConfig& config) {
    device(config.source.interface, config.place, "the check fails until it appears");
    if (const auto* misc = std::get_if<MiscCheck>(&config.own)) script(misc->script);
    for (const HttpUrl& url : config.urls) {
      if (url.pattern) pattern(*url.pattern);
    }
    const TlsClient& tls = config.tls;
    for (const std::string* file : {&tls.ca, &tls.certificate, &tls.key}) {
      if (!file->empty()) tls_file(*file, tls.place);
    }
  }

  void virtual_mac(const VrrpInstanceConfig& router, const Config& config);

  void script(const std::optional<ScriptCommand>& command) {
    if (!command || command->argv.empty()) return;
    const std::string program = find_program(command->argv.front());
    if (!named_.insert(program).second) return;
    if (!file_exists(program)) {
      warn(command->place,
           fmt::format("script {} does not exist on this host", xlb::quoted(program)),
           "it is run all the same; until it exists each run fails and is logged");
    } else if (::access(program.c_str(), X_OK) != 0) {
      warn(command->place, fmt::format("script {} is not executable", xlb::quoted(program)),
           fmt::format("chmod +x {}", program));
    } else if (const auto allowed = script_allowed(*command, rules_); !allowed) {
      warn(command->place,
           fmt::format("script {} will not run: {}", xlb::quoted(program), allowed.error().text),
           "of a vrrp_script that counts as a failure");
    }
  }

  void tracking(const Config& config);
  void uses(const std::vector<TrackUse>& uses) {
    for (const TrackUse& use : uses) {
      if (use.kind == TrackKind::interface) device(use.name, use.place, "it counts as down");
    }
  }

 private:
  void pattern(const BodyPattern& pattern) {
    const auto compiled = BodySearch::create(pattern);
    if (compiled) return;
    diagnostics_.push_back({Diagnostic::Severity::error, pattern.place,
                            fmt::format("{} is not a regular expression: {}",
                                        xlb::quoted(pattern.expression), compiled.error().text),
                            "see pcre2pattern(3)"});
  }

  void tls_file(const std::string& path, const Place& place) {
    if (!named_.insert(path).second) return;
    const auto read = read_tls_file(path);
    if (read) return;
    warn(place, fmt::format("SSL: {}", read.error().text), "SSL_GET fails until it can be read");
  }

  void warn(const Place& place, std::string text, std::string hint) {
    diagnostics_.push_back(
        {Diagnostic::Severity::warning, place, std::move(text), std::move(hint)});
  }

  std::vector<Diagnostic>& diagnostics_;
  ScriptRules rules_;
  std::set<std::string> named_;  // each is said once
};

// The XDP program knows the MAC addresses that the RFC gives virtual routers, by their VRID.
void HostCheck::virtual_mac(const VrrpInstanceConfig& router, const Config& config) {
  if (!router.virtual_mac || !router.virtual_mac->mac) return;
  const MacAddress mac = *router.virtual_mac->mac;
  for (const auto family : {AddressFamily::ipv4, AddressFamily::ipv6}) {
    if (mac == virtual_router_mac(family, mac.bytes[5])) return;
  }
  const auto is_its = [&](const ServiceKey& key) {
    return std::any_of(router.virtual_addresses.begin(), router.virtual_addresses.end(),
                       [&](const auto& vip) { return vip.address.address == key.address; });
  };
  for (const VirtualServerConfig& service : config.virtual_servers) {
    const auto keys = keys_of(service);
    if (needs_translation(service) || config.xlb.attach_mode == AttachMode::none) continue;
    if (std::none_of(keys.begin(), keys.end(), is_its)) continue;
    warn(router.place,
         fmt::format("use_vmac {}: XDP balances nothing that is addressed to this MAC address, so "
                     "virtual server {} is served by this host alone",
                     mac, name_of(service)),
         "use_vmac without a MAC address of your own");
    return;
  }
}

void HostCheck::tracking(const Config& config) {
  for (const TrackScriptConfig& item : config.track.scripts)
    script(item.command);
  for (const SyncGroupConfig& group : config.track.groups) {
    uses(group.uses);
    for (const auto* item : {&group.notify_master, &group.notify_backup, &group.notify_fault,
                             &group.notify_stop, &group.notify}) {
      script(*item);
    }
  }
  for (const VrrpInstanceConfig& instance : config.vrrp_instances) {
    uses(instance.tracking.uses);
    script(instance.tracking.notify_deleted);
    script(instance.tracking.notify_master_rx_lower_pri);
  }
  const ScriptPolicy& global = config.global.scripts;
  for (const auto* item : {&global.startup, &global.shutdown, &global.all_fifo.script,
                           &global.vrrp_fifo.script, &global.lvs_fifo.script}) {
    script(*item);
  }
}

}  // namespace

bool file_exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

CheckedConfig check_config_file(const std::string& file, Strictness strictness,
                                const std::string& config_id, bool stays_in_namespace) {
  ConfigFileReader reader;
  ParseOptions options;
  options.unknown_is_error = strictness == Strictness::test;
  options.config_id = config_id.empty() ? default_config_id() : config_id;
  options.keep_text = strictness == Strictness::run;
  options.random_seed = std::random_device()();
  ParseOutcome outcome = parse_config(file, reader, options);
  CheckedConfig result{std::move(outcome.config), std::move(outcome.diagnostics),
                       std::move(outcome.net_namespace), std::move(outcome.text)};
  if (!result.config) return result;
  if (!stays_in_namespace && !result.net_namespace.empty()) {
    const auto entered = enter_network_namespace(result.net_namespace);
    if (!entered) {
      Diagnostic& problem = result.diagnostics.emplace_back();
      problem.place = {file, 1, 1};
      problem.text = entered.error().text;
      problem.hint = fmt::format("ip netns add {}", result.net_namespace);
      if (strictness == Strictness::run) {
        result.config.reset();
        return result;
      }
      // A file may be checked before its namespace is made, or elsewhere.
      problem.severity = Diagnostic::Severity::warning;
    }
  }
  HostCheck host(result.diagnostics, result.config->global);
  for (const VrrpInstanceConfig& instance : result.config->vrrp_instances) {
    host.device(instance.interface, instance.interface_place,
                "the instance is in FAULT until it appears");
    host.virtual_mac(instance, *result.config);
    for (const auto* addresses : {&instance.virtual_addresses, &instance.excluded_addresses}) {
      for (const VirtualAddress& address : *addresses) {
        host.device(address.device, instance.place,
                    "its addresses cannot be added until it appears");
      }
    }
    for (const auto* script : {&instance.notify_master, &instance.notify_backup,
                               &instance.notify_fault, &instance.notify_stop, &instance.notify}) {
      host.script(*script);
    }
  }
  host.tracking(*result.config);
  for (const VirtualServerConfig& service : result.config->virtual_servers) {
    host.script(service.quorum_up);
    host.script(service.quorum_down);
    for (const RealServerConfig& real_server : service.real_servers) {
      host.script(real_server.notify_up);
      host.script(real_server.notify_down);
      for (const CheckConfig& check : real_server.checks)
        host.check(check);
    }
  }
  for (const std::string& name : result.config->xlb.interfaces) {
    host.device(name, result.config->xlb.interfaces_place,
                "nothing is balanced there until it appears");
  }
  if (host.found_errors()) result.config.reset();
  add_sources(result.diagnostics, reader);
  return result;
}

}  // namespace xlb
