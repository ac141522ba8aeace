// Keeps what was read while it is read; see config_record.h. Decides how it is written, not what
// belongs in it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/config_record.h"
#include "core/lexer.h"

namespace xlb::parse {

class Record {
 public:
  Record(bool keep_text, bool keep_statements)
      : keep_text_(keep_text), keep_statements_(keep_statements) {}

  [[nodiscard]] bool keeps_statements() const { return keep_statements_; }
  void add(SaidStatement statement) { statements_.push_back(std::move(statement)); }

  // A statement that is acted on, `depth` blocks deep; then open() and close() if it has a block.
  void statement(const Line& line, size_t depth);
  void open();
  void close(size_t depth);
  // A statement whose block is skipped is not acted on after all.
  void drop_if(const Spot& last_statement);

  std::string take_text() { return std::move(text_); }
  std::vector<SaidStatement> take_statements() { return std::move(statements_); }

 private:
  bool keep_text_;
  bool keep_statements_;
  std::string text_;
  size_t last_ = 0;  // where the last statement begins
  Spot last_spot_;
  std::vector<SaidStatement> statements_;
};

}  // namespace xlb::parse
