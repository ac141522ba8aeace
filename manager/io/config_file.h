// The disk behind a configuration: its text and the files it includes. Judges nothing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/config_parse.h"

namespace xlb {

class ConfigFileReader : public SourceReader {
 public:
  Result<std::string> read(const std::string& path) override;
  std::vector<std::string> glob(const std::string& pattern,
                                const std::string& relative_to) override;
  std::string directory_of(const std::string& path) override;
  std::optional<std::string> environment(const std::string& name) override;
};

// The configuration id when none is given: the host's name up to its first dot.
std::string default_config_id();

}  // namespace xlb
