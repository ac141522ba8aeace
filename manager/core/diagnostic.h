// One thing to say about a configuration file, and how it is written. It knows no grammar.
#pragma once

#include <string>
#include <string_view>

#include "core/config.h"

namespace xlb {

struct Diagnostic {
  enum class Severity : uint8_t { error, warning };

  Severity severity = Severity::error;
  Place place;
  std::string text;
  std::string hint;  // what would be right; may be empty
};

// "FILE:LINE:COL: error: what", and the hint on a line of its own: "  hint: ...". No final newline.
std::string to_string(const Diagnostic& diagnostic);

// "FILE:LINE:COL"
std::string to_string(const Place& place);

// `text` between backquotes, safe for a terminal: control characters as \xNN, long text cut.
std::string quoted(std::string_view text);

}  // namespace xlb
