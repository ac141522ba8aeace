// The effective configuration: the statements that are acted on with every default filled in, as a
// text that means the same and as JSON. Works on what config_record.h kept, so a word that the
// parser learns to act on is shown without being named here; only defaults are.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/keywords.h"

namespace xlb {

struct Statement {
  std::vector<std::string> words;
  bool has_block = false;
  std::vector<Statement> inner;

  [[nodiscard]] const std::string& keyword() const { return words.front(); }
  [[nodiscard]] const Statement* find(std::string_view word) const;  // the last one inside
};

// All statements of a text that Record wrote; the root has no words.
Statement read_statements(std::string_view text);
// Takes out what a later statement overrides, and adds each word that is not there and has a
// default, or takes it over from the blocks around.
void fill_in_defaults(Statement& root);

std::string statements_text(const Statement& root);
// Keywords as members; what may stand several times is always an array.
std::string statements_json(const Statement& root);

// The block that `keyword` opens inside `block`, as far as its words are known.
BlockKind block_of(BlockKind block, std::string_view keyword);

}  // namespace xlb
