// The disk behind a configuration: its text and the files it includes. Judges nothing.
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

}  // namespace xlb
