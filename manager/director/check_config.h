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
};

CheckedConfig check_config_file(const std::string& file, Strictness strictness);

[[nodiscard]] bool file_exists(const std::string& path);

}  // namespace xlb
