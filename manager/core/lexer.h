// keepalived.conf's words: one text in, one line of words at a time out, each with its place.
// Decides what a comment, a quote, an escape and a brace are; knows no keyword but `include`, whose
// pattern may hold braces. Linear time.
//
// A line is a list of words; `{` and `}` end it, wherever they stand outside quotes. `#` and `!`
// begin a comment even inside a word, as keepalived reads them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace xlb {

// Where a word begins. `order` grows in reading order across included files; the lexer leaves it 0.
struct Spot {
  uint32_t file = 0;  // the reader's number for it
  uint32_t line = 0;  // both count from 1, columns in bytes
  uint32_t column = 0;
  uint64_t order = 0;
};

struct Word {
  std::string text;
  Spot spot;
  bool quoted = false;
};

struct Line {
  enum class Kind : uint8_t {
    words,  // perhaps none, when a `{` follows nothing
    close,  // a `}`
    end,    // of the text
  };

  Kind kind = Kind::end;
  std::vector<Word> words;
  Spot spot;                 // of the first word, or of the `}`
  bool opens = false;        // a `{` follows the words, on this line or as the next thing after it
  Spot brace;                // that `{`
  bool begins_line = false;  // nothing but blanks stands before it
};

struct LexProblem {
  Spot spot;
  bool error = true;
  std::string text;
  std::string hint;
};

class Lexer {
 public:
  // `text` must outlive the lexer.
  explicit Lexer(std::string_view text, uint32_t file = 0);

  // The next line, always at least one word, brace or the end further on; `line` is reused.
  void next(Line& line, std::vector<LexProblem>& problems);

 private:
  [[nodiscard]] bool at_end() const { return position_ >= text_.size(); }
  [[nodiscard]] char peek() const { return text_[position_]; }
  [[nodiscard]] Spot here() const;
  void advance();
  void skip_line();  // to its newline
  // Skips blanks, junk and comments; newlines too when `across_lines`.
  void skip_blanks(bool across_lines, std::vector<LexProblem>& problems);
  void read_words(Line& line, std::vector<LexProblem>& problems);
  Word read_bare_word(bool braces_are_text, std::vector<LexProblem>& problems);
  Word read_quoted_word(std::vector<LexProblem>& problems);
  char read_escape();

  std::string_view text_;
  size_t position_ = 0;
  uint32_t file_;
  uint32_t line_ = 1;
  uint32_t column_ = 1;
  bool line_is_blank_ = true;  // so far
  bool junk_reported_ = false;
};

// Splits a command line into words as the lexer would: blanks separate, quotes hold together,
// escapes count in quotes.
std::vector<std::string> split_command(std::string_view command);

}  // namespace xlb
