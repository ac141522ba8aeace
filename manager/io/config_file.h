// The disk behind a configuration: reads its files, and looks whether the devices and programs it
// names exist on this host. Judges nothing else.
#pragma once

#include <string>
#include <vector>

#include "core/config_parse.h"

namespace xlb {

class ConfigFileReader : public SourceReader {
 public:
  Result<std::string> read(const std::string& path) override;
  std::vector<std::string> glob(const std::string& pattern,
                                const std::string& relative_to) override;
};

// Warnings about interfaces, programs and users that this host does not have (yet).
std::vector<Diagnostic> absent_on_this_host(const Config& config);

}  // namespace xlb
