// keepalived.conf text to a validated Config, or every problem in it. Pure: files come through a
// SourceReader. Meanings and defaults are keepalived.conf(5)'s; where xlb decides otherwise a
// diagnostic says so.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "core/config.h"
#include "core/diagnostic.h"

namespace xlb {

// The door to files.
class SourceReader {
 public:
  SourceReader() = default;
  SourceReader(const SourceReader&) = delete;
  SourceReader& operator=(const SourceReader&) = delete;
  virtual ~SourceReader() = default;

  virtual Result<std::string> read(const std::string& path) = 0;
  // The files that an `include` pattern in the file `relative_to` names, sorted; none if nothing
  // matches. A pattern without wildcards names its file whether or not it exists.
  virtual std::vector<std::string> glob(const std::string& pattern,
                                        const std::string& relative_to) = 0;
};

struct ParseOptions {
  bool unknown_is_error = false;  // an unknown word: an error when checking, a warning at run time
};

struct ParseOutcome {
  std::optional<Config> config;         // absent when an error refuses the start
  std::vector<Diagnostic> diagnostics;  // in reading order
};

ParseOutcome parse_config(const std::string& path, SourceReader& reader,
                          const ParseOptions& options);

}  // namespace xlb
