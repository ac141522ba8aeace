// keepalived.conf text to a validated Config, or every problem in it. Pure: files come through a
// SourceReader. Meanings and defaults are keepalived.conf(5)'s; where xlb decides otherwise a
// diagnostic says so.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "core/config.h"
#include "core/config_record.h"
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
  // What ${_PWD} stands for in the file `path`.
  virtual std::string directory_of(const std::string& path) {
    const size_t slash = path.rfind('/');
    return slash == std::string::npos ? "." : path.substr(0, slash == 0 ? 1 : slash);
  }
  // What ${_ENV NAME} stands for.
  virtual std::optional<std::string> environment(const std::string& /*name*/) {
    return std::nullopt;
  }
};

struct ParseOptions {
  bool unknown_is_error = false;  // an unknown word: an error when checking, a warning at run time
  std::string config_id{};        // which `@id` lines count; ${_INSTANCE}
  uint64_t random_seed = 0;       // of ${_RANDOM}
  bool keep_text = false;         // ParseOutcome's `text`
  bool keep_statements = false;   // its `statements`
};

struct ParseOutcome {
  std::optional<Config> config;         // absent when an error refuses the start
  std::vector<Diagnostic> diagnostics;  // in reading order
  std::string text{};                   // what is acted on, see config_record.h
  std::string net_namespace{};          // to work in; empty: the one the process is in
  std::vector<SaidStatement> statements{};
};

// Adds to each diagnostic that lacks it the line it is about.
void add_sources(std::vector<Diagnostic>& diagnostics, SourceReader& reader);

ParseOutcome parse_config(const std::string& path, SourceReader& reader,
                          const ParseOptions& options);

}  // namespace xlb
