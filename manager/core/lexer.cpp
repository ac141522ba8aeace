#include "core/lexer.h"

#include <fmt/format.h>

namespace xlb {
namespace {

constexpr size_t kMostWords = 4096;  // on one line

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}
bool is_comment(char c) {
  return c == '#' || c == '!';
}

// Bytes that no text file holds. Above 0x7f is UTF-8 or an old encoding: the word's reader judges
// it.
bool is_junk(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && !is_blank(c) && c != '\n') || byte == 0x7f;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_include(const Word& word) {
  return !word.quoted && word.text.starts_with("include");
}

}  // namespace

Lexer::Lexer(std::string_view text, uint32_t file) : text_(text), file_(file) {
  if (text_.starts_with("\xef\xbb\xbf")) text_.remove_prefix(3);  // byte order mark
}

Spot Lexer::here() const {
  return Spot{file_, line_, column_, 0};
}

void Lexer::advance() {
  const char c = text_[position_++];
  if (c == '\n') {
    ++line_;
    column_ = 1;
    line_is_blank_ = true;
  } else {
    ++column_;
    if (!is_blank(c)) line_is_blank_ = false;
  }
}

void Lexer::skip_line() {
  const size_t newline = text_.find('\n', position_);
  const size_t end = newline == std::string_view::npos ? text_.size() : newline;
  column_ += static_cast<uint32_t>(end - position_);
  position_ = end;
}

void Lexer::skip_blanks(bool across_lines, std::vector<LexProblem>& problems) {
  while (!at_end()) {
    const char c = peek();
    if (is_comment(c)) {
      skip_line();
    } else if (is_blank(c) || (across_lines && c == '\n')) {
      advance();
    } else if (is_junk(c)) {
      if (!junk_reported_) {
        problems.push_back({here(), true,
                            fmt::format("byte 0x{:02x} does not belong in a text file",
                                        static_cast<unsigned char>(c)),
                            "later ones are not reported"});
        junk_reported_ = true;
      }
      advance();
    } else {
      return;
    }
  }
}

void Lexer::next(Line& line, std::vector<LexProblem>& problems) {
  line.words.clear();
  line.opens = false;
  skip_blanks(true, problems);
  line.spot = here();
  line.begins_line = line_is_blank_;
  if (at_end()) {
    line.kind = Line::Kind::end;
    return;
  }
  if (peek() == '}') {
    line.kind = Line::Kind::close;
    advance();
    return;
  }
  line.kind = Line::Kind::words;
  read_words(line, problems);
}

void Lexer::read_words(Line& line, std::vector<LexProblem>& problems) {
  bool braces_are_text = false;
  while (true) {
    skip_blanks(false, problems);
    if (at_end() || peek() == '\n') break;
    if (!braces_are_text && (peek() == '{' || peek() == '}')) break;
    if (line.words.size() == kMostWords) {
      problems.push_back(
          {here(), true, fmt::format("more than {} words on a line", kMostWords), ""});
      skip_line();
      break;
    }
    const bool quote = peek() == '"' || peek() == '\'';
    line.words.push_back(quote ? read_quoted_word(problems)
                               : read_bare_word(braces_are_text, problems));
    if (line.words.size() == 1) braces_are_text = is_include(line.words.front());
  }
  if (braces_are_text) return;
  skip_blanks(true, problems);
  if (at_end() || peek() != '{') return;
  line.opens = true;
  line.brace = here();
  advance();
}

Word Lexer::read_bare_word(bool braces_are_text, std::vector<LexProblem>& problems) {
  Word word;
  word.spot = here();
  bool in_variable = false;  // ${NAME}
  while (!at_end()) {
    const char c = peek();
    if (is_blank(c) || c == '\n' || is_junk(c)) break;
    if (is_comment(c)) {
      problems.push_back(
          {here(), false,
           fmt::format("the rest of the line is a comment: the word ends before `{}`", c),
           "put a blank before a comment, or quotes around the word"});
      break;
    }
    if (c == '{' && !braces_are_text) {
      if (!word.text.ends_with('$')) break;
      in_variable = true;
    } else if (c == '}' && !braces_are_text) {
      if (!in_variable) break;
      in_variable = false;
    }
    word.text += c;
    advance();
  }
  return word;
}

Word Lexer::read_quoted_word(std::vector<LexProblem>& problems) {
  Word word;
  word.spot = here();
  word.quoted = true;
  const char quote = peek();
  advance();
  while (!at_end() && peek() != '\n') {
    const char c = peek();
    advance();
    if (c == quote) return word;
    word.text += c == '\\' && !at_end() && peek() != '\n' ? read_escape() : c;
    if (word.text.back() == '\0') {
      problems.push_back({word.spot, true, "a NUL byte in a quoted string", ""});
      word.text.back() = '?';
    }
  }
  problems.push_back(
      {word.spot, true, fmt::format("this {} is not closed on its line", quote), ""});
  return word;
}

// After the backslash: \a \b \E \f \n \r \t \v, \nnn octal, \xXX, \cC control; any other character
// is itself.
char Lexer::read_escape() {
  const char c = peek();
  advance();
  static constexpr std::string_view kLetters = "abEefnrtv";
  static constexpr std::string_view kValues = "\a\b\x1b\x1b\f\n\r\t\v";
  if (const size_t found = kLetters.find(c); found != std::string_view::npos) return kValues[found];
  if (c >= '0' && c <= '7') {
    int value = c - '0';
    for (int digits = 1; digits < 3 && !at_end() && peek() >= '0' && peek() <= '7'; ++digits) {
      value = value * 8 + (peek() - '0');
      advance();
    }
    return static_cast<char>(value & 0xff);
  }
  if (c == 'x' && !at_end() && hex_digit(peek()) >= 0) {
    int value = hex_digit(peek());
    advance();
    if (!at_end() && hex_digit(peek()) >= 0) {
      value = value * 16 + hex_digit(peek());
      advance();
    }
    return static_cast<char>(value);
  }
  if (c == 'c' && !at_end() && peek() != '\n') {
    const char control = static_cast<char>(peek() & 0x1f);
    advance();
    return control;
  }
  return c;
}

std::vector<std::string> split_command(std::string_view command) {
  std::vector<std::string> result;
  size_t i = 0;
  while (i < command.size()) {
    if (is_blank(command[i]) || command[i] == '\n') {
      ++i;
      continue;
    }
    std::string word;
    char quote = '\0';
    for (; i < command.size(); ++i) {
      const char c = command[i];
      if (quote != '\0' && c == quote) {
        quote = '\0';
      } else if (quote == '\0' && (c == '"' || c == '\'')) {
        quote = c;
      } else if (c == '\\' && i + 1 < command.size()) {
        word += command[++i];
      } else if (quote == '\0' && (is_blank(c) || c == '\n')) {
        break;
      } else {
        word += c;
      }
    }
    result.push_back(std::move(word));
  }
  return result;
}

}  // namespace xlb
