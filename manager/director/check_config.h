// Reads a configuration file and adds what only this host can tell: devices and scripts that are
// absent. What `xlbd -t` prints and what a start goes by.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/diagnostic.h"

namespace xlb {

enum class Strictness : uint8_t {
  test,  // -t: an unknown word is an error
  run,   // an unknown word is warned about and skipped
};

struct CheckedConfig {
  std::optional<Config> config;  // absent: there were errors
  std::vector<Diagnostic> diagnostics;
  std::string net_namespace{};
  std::string text{};  // what is acted on, see core/config_record.h; not under Strictness::test
};

// `config_id` decides which `@id` lines count; empty: the host's name.
// Before anything of the host is looked at, the network namespace that the file names is entered,
// unless `stays_in_namespace`: a running daemon cannot move.
CheckedConfig check_config_file(const std::string& file, Strictness strictness,
                                const std::string& config_id, bool stays_in_namespace = false);

[[nodiscard]] bool file_exists(const std::string& path);

}  // namespace xlb
