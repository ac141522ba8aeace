// keepalived.conf's words: one text in, one line of words at a time out, each with its place.
// Decides what a comment, a quote, an escape and a brace are; knows no keyword but `include`, whose
// pattern may hold braces. Linear time.
//
// A line is a list of words; `{` and `}` end it, wherever they stand outside quotes. `#` and `!`
// begin a comment even inside a word, as keepalived reads them, unless a backslash stands before
// them. Quotes in the middle of a word hold together what they enclose.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace xlb {

// Where a word begins. The lexer leaves `order` and `origin` 0.
struct Spot {
  uint32_t file = 0;  // the reader's number for it
  uint32_t line = 0;  // both count from 1, columns in bytes
  uint32_t column = 0;
  uint32_t order = 0;   // grows in reading order across included files
  uint32_t origin = 0;  // the reader's number for the definition it was written in; 0: none
};

struct Word {
  std::string text;
  Spot spot;
  bool quoted = false;
};

// The words of a line. They keep their memory when the line is read into again.
class Words {
 public:
  [[nodiscard]] size_t size() const { return count_; }
  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] const Word& operator[](size_t i) const { return words_[i]; }
  [[nodiscard]] Word& operator[](size_t i) { return words_[i]; }
  [[nodiscard]] const Word& front() const { return words_[0]; }
  [[nodiscard]] const Word& back() const { return words_[count_ - 1]; }
  [[nodiscard]] auto begin() const { return words_.begin(); }
  [[nodiscard]] auto end() const { return words_.begin() + static_cast<std::ptrdiff_t>(count_); }
  [[nodiscard]] auto begin() { return words_.begin(); }
  [[nodiscard]] auto end() { return words_.begin() + static_cast<std::ptrdiff_t>(count_); }
  void clear() { count_ = 0; }
  Word& add() {
    if (count_ == words_.size()) words_.emplace_back();
    Word& word = words_[count_++];
    word.text.clear();
    word.quoted = false;
    return word;
  }

 private:
  std::vector<Word> words_;
  size_t count_ = 0;
};

struct Line {
  enum class Kind : uint8_t {
    words,  // perhaps none, when a `{` follows nothing
    close,  // a `}`
    raw,    // a line, or the rest of one, that the preprocessor has to see first
    end,    // of the text
  };

  Kind kind = Kind::end;
  Words words;
  std::string_view raw{};    // what is left of the line
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
  enum class Input : uint8_t {
    words,         // `$`, `@` and `~` mean nothing
    preprocessed,  // lines with a `$`, and those that begin with `@` or `~`, come as Kind::raw
    expanded,      // what the preprocessor made: newlines are blanks
  };

  // `text` must outlive the lexer.
  explicit Lexer(std::string_view text, uint32_t file = 0, Input input = Input::words);

  // The next line, always at least one word, brace or the end further on; `line` is reused.
  void next(Line& line, std::vector<LexProblem>& problems);
  // After Kind::raw: the line below, whatever it holds; false at the end of the text.
  bool next_raw(std::string_view& raw, Spot& spot);

 private:
  [[nodiscard]] bool at_end() const { return position_ >= text_.size(); }
  [[nodiscard]] char peek() const { return text_[position_]; }
  [[nodiscard]] Spot here() const { return spot_of(position_); }
  [[nodiscard]] Spot spot_of(size_t position) const {
    return Spot{file_, line_, static_cast<uint32_t>(position - line_start_ + 1), 0, 0};
  }
  [[nodiscard]] static bool is_comment(char c) { return c == '#' || c == '!'; }
  [[nodiscard]] size_t line_end() const;
  void pass_newline();
  void skip_line() { position_ = line_end(); }
  bool take_raw(Line& line);
  void skip_comment(std::vector<LexProblem>& problems);
  void report_junk(std::vector<LexProblem>& problems);
  // Skips blanks, junk and comments; newlines too when `across_lines`.
  void skip_blanks(bool across_lines, std::vector<LexProblem>& problems);
  void read_words(Line& line, std::vector<LexProblem>& problems);
  void read_bare_word(Word& word, bool braces_are_text, std::vector<LexProblem>& problems);
  void read_quoted(Word& word, std::vector<LexProblem>& problems);
  char read_escape();

  std::string_view text_;
  size_t position_ = 0;
  size_t line_start_ = 0;
  uint32_t file_;
  uint32_t line_ = 1;
  uint32_t seen_line_ = 0;  // the last one asked whether it is raw
  Input input_;
  bool line_is_blank_ = true;  // so far
  bool junk_reported_ = false;
  bool has_byte_order_mark_ = false;  // and nobody was told
};

// How much of `line` stands before its comment.
size_t comment_start(std::string_view line);

// Splits a command line into words as the lexer would: blanks separate, quotes hold together,
// escapes count in quotes.
std::vector<std::string> split_command(std::string_view command);

}  // namespace xlb
