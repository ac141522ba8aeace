// Lines of words from a configuration file and everything it includes, as one stream in reading
// order. Decides what `include` and its stricter relatives mean and bounds what they may pull in;
// knows no other keyword.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "core/config_parse.h"
#include "core/config_parse_problems.h"
#include "core/lexer.h"

namespace xlb::parse {

// Each file's text, read once, so that several passes see the same.
class SourceCache {
 public:
  explicit SourceCache(SourceReader& reader) : reader_(reader) {}
  const Result<std::string>& read(const std::string& path);
  const std::vector<std::string>& glob(const std::string& pattern, const std::string& relative_to);

 private:
  SourceReader& reader_;
  std::unordered_map<std::string, std::unique_ptr<Result<std::string>>> texts_;
  std::unordered_map<std::string, std::vector<std::string>> globs_;
};

class StatementSource {
 public:
  StatementSource(const std::string& path, SourceCache& cache, Problems& problems);

  // The next line; after the last one Kind::end, again and again.
  void next(Line& line);
  // Nothing more will be read.
  void stop() { files_.clear(); }

 private:
  struct OpenFile {
    std::string path;
    Lexer lexer;
    std::vector<std::string> pending;  // included files still to read, last first
    Spot include;                      // the directive that named them
    bool include_must_read = false;
  };

  void open(const std::string& path, const Spot& include, bool must_read);
  void include(const Line& line);
  bool within_limits(const std::string& path, size_t size, const Spot& include);

  SourceCache& cache_;
  Problems& problems_;
  std::vector<OpenFile> files_;
  std::vector<LexProblem> lex_problems_;
  Spot last_;
  uint64_t order_ = 0;
  size_t bytes_ = 0;
  size_t inclusions_ = 0;
};

}  // namespace xlb::parse
