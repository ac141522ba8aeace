#include "core/lexer.h"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace xlb {
namespace {

constexpr size_t kMostWords = 4096;  // on one line

enum CharClass : uint8_t { kPlain, kBlank, kNewline, kJunk, kSpecial };

// Bytes that no text file holds are junk. Above 0x7f is UTF-8 or an old encoding: the word's reader
// judges it.
constexpr std::array<CharClass, 256> kClasses = [] {
  std::array<CharClass, 256> classes{};
  for (size_t c = 0; c < 0x20; ++c)
    classes[c] = kJunk;
  classes[0x7f] = kJunk;
  for (const char c : {' ', '\t', '\r', '\f', '\v'})
    classes[static_cast<unsigned char>(c)] = kBlank;
  classes['\n'] = kNewline;
  for (const char c : {'#', '!', '{', '}', '"', '\\'})
    classes[static_cast<unsigned char>(c)] = kSpecial;
  return classes;
}();

CharClass class_of(char c) {
  return kClasses[static_cast<unsigned char>(c)];
}
bool is_blank(char c) {
  return class_of(c) == kBlank;
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

size_t comment_start(std::string_view line) {
  char quote = '\0';
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '\\') {
      ++i;
    } else if (quote != '\0') {
      if (c == quote) quote = '\0';
    } else if (c == '"' || (c == '\'' && (i == 0 || is_blank(line[i - 1])))) {
      quote = c;
    } else if (c == '#' || c == '!') {
      return i;
    }
  }
  return line.size();
}

Lexer::Lexer(std::string_view text, uint32_t file, Input input)
    : text_(text), file_(file), input_(input) {
  if (!text_.starts_with("\xef\xbb\xbf")) return;
  text_.remove_prefix(3);
  has_byte_order_mark_ = input_ != Input::expanded;
}

size_t Lexer::line_end() const {
  const size_t newline = text_.find('\n', position_);
  return newline == std::string_view::npos ? text_.size() : newline;
}

void Lexer::pass_newline() {
  ++position_;
  ++line_;
  line_start_ = position_;
  line_is_blank_ = true;
}

void Lexer::report_junk(std::vector<LexProblem>& problems) {
  if (std::exchange(junk_reported_, true)) return;
  problems.push_back({here(), true,
                      fmt::format("byte 0x{:02x} does not belong in a text file",
                                  static_cast<unsigned char>(peek())),
                      "later ones are not reported"});
}

void Lexer::skip_blanks(bool across_lines, std::vector<LexProblem>& problems) {
  while (!at_end()) {
    const char c = peek();
    const CharClass kind = class_of(c);
    if (kind == kBlank) {
      ++position_;
    } else if (kind == kNewline) {
      if (!across_lines) return;
      pass_newline();
    } else if (is_comment(c)) {
      skip_comment(problems);
    } else if (kind == kJunk) {
      report_junk(problems);
      ++position_;
      line_is_blank_ = false;
    } else {
      return;
    }
  }
}

// keepalived removes a comment, but not the backslash at its end.
void Lexer::skip_comment(std::vector<LexProblem>& problems) {
  const size_t begin = position_;
  skip_line();
  size_t end = position_;
  while (end > begin && text_[end - 1] == '\r')
    --end;
  size_t backslashes = 0;
  while (end - backslashes > begin && text_[end - backslashes - 1] == '\\')
    ++backslashes;
  if (backslashes % 2 == 0 || input_ == Input::expanded) return;
  problems.push_back(
      {spot_of(end - 1), false,
       "this comment ends in a backslash: keepalived takes that for a word, or for a "
       "part of the one before the comment",
       "remove it"});
}

// Whether the preprocessor has to see what is left of this line; asked once for each.
bool Lexer::take_raw(Line& line) {
  if (input_ != Input::preprocessed || seen_line_ == line_) return false;
  seen_line_ = line_;
  const char first = peek();
  const std::string_view rest = text_.substr(position_, line_end() - position_);
  if (first != '@' && first != '~' && rest.find('$') == std::string_view::npos) return false;
  line.kind = Line::Kind::raw;
  line.raw = rest;
  skip_line();
  line_is_blank_ = false;
  return true;
}

bool Lexer::next_raw(std::string_view& raw, Spot& spot) {
  if (at_end()) return false;
  pass_newline();
  seen_line_ = line_;
  spot = here();
  raw = text_.substr(position_, line_end() - position_);
  skip_line();
  line_is_blank_ = false;
  return true;
}

void Lexer::next(Line& line, std::vector<LexProblem>& problems) {
  line.words.clear();
  line.opens = false;
  if (std::exchange(has_byte_order_mark_, false)) {
    problems.push_back({here(), false,
                        "the file begins with a byte order mark: keepalived takes it for a part of "
                        "the first word",
                        "save it as UTF-8 without one"});
  }
  skip_blanks(true, problems);
  line.spot = here();
  line.begins_line = line_is_blank_;
  if (at_end()) {
    line.kind = Line::Kind::end;
    return;
  }
  if (take_raw(line)) return;
  line_is_blank_ = false;
  if (peek() == '}') {
    line.kind = Line::Kind::close;
    ++position_;
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
    const char c = peek();
    if (!braces_are_text && (c == '{' || c == '}')) break;
    if (line.words.size() == kMostWords) {
      problems.push_back(
          {here(), true, fmt::format("more than {} words on a line", kMostWords), ""});
      skip_line();
      break;
    }
    Word& word = line.words.add();
    word.spot = here();
    if (c == '"' || c == '\'') {
      word.quoted = true;
      read_quoted(word, problems);
    } else {
      read_bare_word(word, braces_are_text, problems);
    }
    if (line.words.size() == 1) braces_are_text = is_include(word);
  }
  if (braces_are_text) return;
  skip_blanks(true, problems);
  if (at_end() || peek() != '{') return;
  line.opens = true;
  line.brace = here();
  ++position_;
  line_is_blank_ = false;
}

void Lexer::read_bare_word(Word& word, bool braces_are_text, std::vector<LexProblem>& problems) {
  bool in_variable = false;  // ${NAME}
  size_t begin = position_;
  const auto keep = [&] { word.text.append(text_.substr(begin, position_ - begin)); };
  for (; !at_end(); ++position_) {
    const char c = peek();
    const CharClass kind = class_of(c);
    if (kind == kPlain) continue;
    if (kind != kSpecial) break;
    if (c == '"') {
      keep();
      read_quoted(word, problems);
      begin = position_--;
    } else if (c == '\\' && position_ + 1 < text_.size() &&
               (text_[position_ + 1] == '#' || text_[position_ + 1] == '!')) {
      keep();
      begin = ++position_;
    } else if (is_comment(c)) {
      problems.push_back(
          {here(), false,
           fmt::format("the rest of the line is a comment: the word ends before `{}`", c),
           "put a blank before a comment, or quotes around the word"});
      break;
    } else if (c == '{' && !braces_are_text) {
      if (position_ == begin || text_[position_ - 1] != '$') break;
      in_variable = true;
    } else if (c == '}' && !braces_are_text) {
      if (!std::exchange(in_variable, false)) break;
    }
  }
  keep();
}

// From the opening quote to behind the closing one.
void Lexer::read_quoted(Word& word, std::vector<LexProblem>& problems) {
  const Spot opening = here();
  const char quote = peek();
  ++position_;
  while (!at_end() && peek() != '\n') {
    const char c = peek();
    ++position_;
    if (c == quote) return;
    word.text += c == '\\' && !at_end() && peek() != '\n' ? read_escape() : c;
    if (word.text.back() == '\0') {
      problems.push_back({opening, true, "a NUL byte in a quoted string", ""});
      word.text.back() = '?';
    }
  }
  problems.push_back({opening, true, fmt::format("this {} is not closed on its line", quote), ""});
}

// After the backslash: \a \b \E \f \n \r \t \v, \nnn octal, \xXX, \cC control; any other character
// is itself.
char Lexer::read_escape() {
  const char c = text_[position_++];
  static constexpr std::string_view kLetters = "abEefnrtv";
  static constexpr std::string_view kValues = "\a\b\x1b\x1b\f\n\r\t\v";
  if (const size_t found = kLetters.find(c); found != std::string_view::npos) return kValues[found];
  if (c >= '0' && c <= '7') {
    int value = c - '0';
    for (int digits = 1; digits < 3 && !at_end() && peek() >= '0' && peek() <= '7'; ++digits) {
      value = value * 8 + (peek() - '0');
      ++position_;
    }
    return static_cast<char>(value & 0xff);
  }
  if (c == 'x' && !at_end() && hex_digit(peek()) >= 0) {
    int value = hex_digit(peek());
    ++position_;
    if (!at_end() && hex_digit(peek()) >= 0) {
      value = value * 16 + hex_digit(peek());
      ++position_;
    }
    return static_cast<char>(value);
  }
  if (c == 'c' && !at_end() && peek() != '\n') {
    const char control = static_cast<char>(peek() & 0x1f);
    ++position_;
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
