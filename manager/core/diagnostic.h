// One thing to say about a configuration file, and how it is written. It knows no grammar.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/config.h"

namespace xlb {

// Where the text in question was written, if that is not where it was used.
struct DefinitionPlace {
  Place place;
  std::string variable;
  std::string source;  // that line; may be empty
};

struct Diagnostic {
  enum class Severity : uint8_t { error, warning };

  Severity severity = Severity::error;
  Place place;
  std::string text;
  std::string hint;                             // what would be right; may be empty
  std::string source{};                         // the line that `place` names; may be empty
  std::optional<DefinitionPlace> definition{};  // the text at `place` is a variable's value
};

// "FILE:LINE:COL: error: what", and the hint on a line of its own: "  hint: ...". No final newline.
std::string to_string(const Diagnostic& diagnostic);

// The same with the line of the file under it and a caret under the place in that:
//   FILE:LINE:COL: error: what
//      12 |   wieght 1
//         |   ^~~~~~
//     hint: ...
std::string explain(const Diagnostic& diagnostic);

// "FILE:LINE:COL"
std::string to_string(const Place& place);

// `text` between backquotes, safe for a terminal: control characters as \xNN, long text cut.
std::string quoted(std::string_view text);

}  // namespace xlb
