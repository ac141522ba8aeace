// What the parser made of a file, statement by statement: a list of all of them for `xlbctl config
// report`. What is acted on is also kept as a text of the same language, without variables,
// conditions, includes and comments: config_parse_record.h writes it.
#pragma once

#include <string>
#include <string_view>

#include "core/config_place.h"
#include "core/keywords.h"

namespace xlb {

// One statement of a file, whether or not it is acted on.
struct SaidStatement {
  Place place;
  BlockKind block = BlockKind::none;  // that it stands in
  std::string text;                   // its words, shortened
  const Keyword* keyword = nullptr;   // null: unknown, or a line of a block without keywords
  bool skipped = false;               // it stands in a block that is not acted on
};

// The word as the lexer reads it back, in quotes where it needs them.
void append_quoted(std::string& text, std::string_view word);

}  // namespace xlb
