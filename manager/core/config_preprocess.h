// keepalived.conf's preprocessor, a line at a time: `$NAME=value` and its uses, `@id` conditions,
// ~SEQ and ~LST (keepalived.conf(5), "ADVANCED CONFIGURATION"). Knows no file and no keyword; what
// a line expands to is bounded, however its variables refer to each other.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/config_parse.h"
#include "core/config_parse_problems.h"
#include "core/lexer.h"

namespace xlb::parse {

// A text of which every part has a place in the files.
struct PlacedText {
  struct Part {
    size_t begin = 0;
    Spot spot;
    bool fixed = false;  // all of it stands at `spot`: it is a variable's value
  };

  PlacedText() = default;
  PlacedText(std::string_view from, const Spot& spot, bool fixed) { append(from, spot, fixed); }
  void append(std::string_view more, const Spot& spot, bool fixed);
  void erase_front(size_t count);
  void trim();
  [[nodiscard]] Spot spot_at(size_t offset) const;

  std::string text;
  std::vector<Part> parts;  // without gaps; the first begins at 0
};

// What `$NAME=` said. Of several lines each becomes a line of its own where the name is used.
struct Definition {
  std::string name;
  std::vector<std::string> lines;
  std::vector<uint32_t> origins;  // of the lines: Problems' numbers
  bool several = false;
};
using DefinitionPointer = std::shared_ptr<const Definition>;

// The lines after the first one of a definition of several, to be read next.
struct Continuation {
  DefinitionPointer definition;
  Spot use;
};

// A ~SEQ or ~LST and the line it repeats.
struct Repetition {
  bool sequence = false;
  bool hexadecimal = false;
  int64_t next = 0;
  int64_t last = 0;
  int64_t step = 1;
  std::vector<std::string> variables;
  std::vector<std::vector<std::string>> values;  // of ~LST: one list a turn
  size_t turn = 0;
  PlacedText line;
};

struct Preprocessed {
  std::optional<PlacedText> line;           // to be split into words
  std::vector<Continuation> continuations;  // the last one is read first
  std::optional<Repetition> repetition;
};

class Preprocessor {
 public:
  Preprocessor(Problems& problems, SourceReader& reader, const ParseOptions& options);

  // `directory` is the current file's. After a definition whose first line ends in a backslash the
  // lines that follow it go to collect(), until it returns false.
  Preprocessed process(PlacedText line, const std::string& directory);
  [[nodiscard]] bool collecting() const { return collected_ != nullptr; }
  void collect(std::string_view line, const Spot& spot, bool goes_on);
  void end_collecting() { collected_.reset(); }

  // Gives the variables of the next turn their values; false: there is none.
  bool turn(Repetition& repetition);

 private:
  struct Piece {
    std::string_view text;
    Spot spot;
    bool fixed = false;
  };
  // $NAME or ${NAME parameters}
  struct Use {
    size_t length = 0;
    std::string name;
    std::string parameters;
    bool braces = false;
  };
  static std::optional<Use> use_in(std::string_view text);
  class Pieces;

  bool meets_condition(PlacedText& line) const;
  bool define(const PlacedText& line);
  void define(const std::string& name, std::string value);
  [[nodiscard]] uint32_t origin_of(const std::string& name, const Spot& spot);
  bool is_repetition(const PlacedText& line) const;
  std::optional<Repetition> read_repetition(const PlacedText& line);
  bool read_sequence(Repetition& repetition, std::string_view arguments);
  bool read_list(Repetition& repetition, std::string_view arguments);
  // One pass over the line: true if something was replaced.
  bool expand(PlacedText& line, std::vector<Continuation>& continuations);
  bool replace(Pieces& pieces, const Use& use, std::vector<Continuation>& continuations);
  std::optional<std::string> predefined(const Use& use);
  std::string random_number(const std::string& parameters);
  void warn_about_undefined(const PlacedText& line);

  Problems& problems_;
  SourceReader& reader_;
  const ParseOptions& options_;
  std::mt19937_64 random_;
  std::string directory_;
  std::unordered_map<std::string, DefinitionPointer> definitions_;
  std::unordered_map<std::string, uint32_t> origins_;  // by place and name
  std::shared_ptr<Definition> collected_;
};

}  // namespace xlb::parse
