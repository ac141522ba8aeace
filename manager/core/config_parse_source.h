// Lines of words from a configuration file and everything it includes, preprocessed, as one stream
// in reading order. Decides what `include` and its stricter relatives mean and bounds what they and
// the preprocessor may produce; knows no other keyword.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/result.h"
#include "core/config_parse.h"
#include "core/config_parse_problems.h"
#include "core/config_preprocess.h"
#include "core/lexer.h"

namespace xlb::parse {

// Each file's text, read once, so that several passes see the same.
class SourceCache {
 public:
  explicit SourceCache(SourceReader& reader) : reader_(reader) {}
  const Result<std::string>& read(const std::string& path);
  const std::vector<std::string>& glob(const std::string& pattern, const std::string& relative_to);
  SourceReader& reader() { return reader_; }

 private:
  SourceReader& reader_;
  std::unordered_map<std::string, std::unique_ptr<Result<std::string>>> texts_;
  std::unordered_map<std::string, std::vector<std::string>> globs_;
};

// What is an error about an `include`, as include_check says.
struct IncludeChecks {
  bool read = false;       // a file that matches cannot be read
  bool match = false;      // there is no file of that name
  bool wildcards = false;  // nothing matches a pattern
  bool braces = false;     // nothing matches one of the alternatives in braces

  constexpr IncludeChecks operator|(const IncludeChecks& other) const {
    return {read || other.read, match || other.match, wildcards || other.wildcards,
            braces || other.braces};
  }
};

class StatementSource {
 public:
  StatementSource(const std::string& path, SourceCache& cache, Problems& problems,
                  const ParseOptions& options);

  // The next line; after the last one Kind::end, again and again.
  void next(Line& line);
  // In force until the end of the file being read.
  IncludeChecks& include_checks() { return include_checks_; }
  // Nothing more will be read.
  void stop();

 private:
  // What lines come from, the innermost last: an open file, the files an `include` has still to
  // open, a preprocessed line, the rest of a definition of several lines, a ~SEQ or ~LST.
  struct OpenFile {
    std::string path;
    std::string directory;
    IncludeChecks checks_before;
    Lexer lexer;
  };
  struct Inclusion {
    std::vector<std::string> paths;  // the next one last
    Spot directive;
    bool must_read = false;
  };
  struct ExpandedLine {
    explicit ExpandedLine(PlacedText placed)
        : text(std::move(placed)), lexer(text.text, 0, Lexer::Input::expanded) {}
    PlacedText text;
    Lexer lexer;
  };
  struct Body {
    Continuation continuation;
    size_t next = 1;
  };
  using Layer = std::variant<OpenFile, Inclusion, ExpandedLine, Body, Repetition>;

  void fetch(Line& line);
  // False: the layer gave no line for now.
  bool read(OpenFile& file, Line& line);
  bool read(Inclusion& inclusion, Line& line);
  bool read(ExpandedLine& expanded, Line& line);
  bool read(Body& body, Line& line);
  bool read(Repetition& repetition, Line& line);
  void preprocess(PlacedText line);
  void collect(OpenFile& file);
  void add(Layer layer);
  void take_lex_problems(const PlacedText* text);
  bool include(const Line& line);

  void open(const std::string& path, const Spot& include, bool must_read);
  bool within_limits(const std::string& path, size_t size, const Spot& include);
  bool within_lines(const Spot& spot);
  [[nodiscard]] const OpenFile* current_file() const;

  SourceCache& cache_;
  Problems& problems_;
  Preprocessor preprocessor_;
  std::deque<Layer> layers_;  // a deque: the texts that lexers look at must not move
  std::vector<LexProblem> lex_problems_;
  IncludeChecks include_checks_;
  Line ahead_;
  bool has_ahead_ = false;
  bool from_expansion_ = false;  // the last line fetched
  Spot last_;
  uint32_t order_ = 0;
  size_t depth_ = 0;  // of files
  size_t bytes_ = 0;
  size_t inclusions_ = 0;
  size_t preprocessed_lines_ = 0;
};

}  // namespace xlb::parse
