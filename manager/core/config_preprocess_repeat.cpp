// ~SEQ and ~LST: a line that is read once for each of several values.
#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "core/config_preprocess.h"

namespace xlb::parse {
namespace {

constexpr std::string_view kBlanks = " \t";
constexpr int64_t kLargestNumber = int64_t{1} << 53;
constexpr size_t kMostVariables = 64;

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

bool is_name(std::string_view text) {
  if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return false;
  return text.find_first_not_of(
             "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") ==
         std::string_view::npos;
}

// Decimal, or hexadecimal after 0x, or octal after 0.
std::optional<int64_t> number_in(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    base = 16;
    text.remove_prefix(2);
  } else if (text.size() > 1 && text[0] == '0') {
    base = 8;
  }
  int64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || text[0] == '-' || read.ec != std::errc() ||
      read.ptr != text.data() + text.size() || value > kLargestNumber) {
    return std::nullopt;
  }
  return negative ? -value : value;
}

// At commas outside braces and quotes.
std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> result;
  size_t begin = 0;
  int depth = 0;
  bool quoted = false;
  for (size_t i = 0; i <= text.size(); ++i) {
    const char c = i < text.size() ? text[i] : ',';
    if (c == '"') quoted = !quoted;
    if (c == '{') ++depth;
    if (c == '}') --depth;
    if (i < text.size() && (c != ',' || depth > 0 || quoted)) continue;
    result.push_back(trimmed(text.substr(begin, i - begin)));
    begin = i + 1;
  }
  return result;
}

// {a, b} -> a, b; a -> a
std::vector<std::string> members(std::string_view text) {
  if (text.starts_with('{') && text.ends_with('}')) text = text.substr(1, text.size() - 2);
  const auto parts = split(text);
  return {parts.begin(), parts.end()};
}

}  // namespace

bool Preprocessor::is_repetition(const PlacedText& line) const {
  return line.text.starts_with("~SEQ") || line.text.starts_with("~LST");
}

std::optional<Repetition> Preprocessor::read_repetition(const PlacedText& line) {
  const std::string_view text = line.text;
  Repetition repetition;
  repetition.sequence = text.starts_with("~SEQ");
  size_t open = 4;
  repetition.hexadecimal = repetition.sequence && text.substr(open).starts_with('x');
  if (repetition.hexadecimal) ++open;
  open = std::min(text.find_first_not_of(kBlanks, open), text.size());
  const size_t close = text.find(')', open);
  const char* const form = repetition.sequence ? "~SEQ(NAME, [FIRST, [STEP,]] LAST) LINE"
                                               : "~LST(NAME, VALUE, ...) LINE";
  if (open == text.size() || text[open] != '(' || close == std::string_view::npos) {
    problems_.error(line.spot_at(0), fmt::format("{} is not {}", quoted(text), form));
    return std::nullopt;
  }
  PlacedText arguments(text.substr(open + 1, close - open - 1), line.spot_at(open + 1), false);
  std::vector<Continuation> none;
  for (int pass = 0; pass < 8 && expand(arguments, none); ++pass) {
  }
  const bool good = none.empty() && (repetition.sequence ? read_sequence(repetition, arguments.text)
                                                         : read_list(repetition, arguments.text));
  if (!good) {
    problems_.error(line.spot_at(0), fmt::format("{} is not {}", quoted(text), form));
    return std::nullopt;
  }
  repetition.line = line;
  repetition.line.erase_front(close + 1);
  repetition.line.trim();
  return repetition;
}

bool Preprocessor::read_sequence(Repetition& repetition, std::string_view arguments) {
  const auto words = split(arguments);
  if (words.size() < 2 || words.size() > 4 || !is_name(words[0])) return false;
  std::vector<int64_t> numbers;
  for (size_t i = 1; i < words.size(); ++i) {
    const auto number = number_in(words[i]);
    if (!number) return false;
    numbers.push_back(*number);
  }
  repetition.variables.emplace_back(words[0]);
  repetition.last = numbers.back();
  if (numbers.size() == 1) {
    repetition.next = repetition.last < 0 ? -1 : 1;
  } else {
    repetition.next = numbers.front();
  }
  repetition.step =
      numbers.size() == 3 ? numbers[1] : (repetition.next <= repetition.last ? 1 : -1);
  const bool leads_there =
      repetition.step != 0 && (repetition.next == repetition.last ||
                               (repetition.next < repetition.last) == (repetition.step > 0));
  return leads_there && !(repetition.hexadecimal && (repetition.next < 0 || repetition.last < 0));
}

bool Preprocessor::read_list(Repetition& repetition, std::string_view arguments) {
  const auto words = split(arguments);
  if (words.size() < 2) return false;
  const bool grouped = words[0].starts_with('{');
  repetition.variables = members(words[0]);
  if (repetition.variables.size() > kMostVariables) return false;
  for (const std::string& name : repetition.variables) {
    if (!is_name(name)) return false;
  }
  for (size_t i = 1; i < words.size(); ++i) {
    auto values = grouped ? members(words[i]) : std::vector<std::string>{std::string(words[i])};
    if (values.size() > repetition.variables.size()) return false;
    values.resize(repetition.variables.size());  // what is missing is empty, as in keepalived
    repetition.values.push_back(std::move(values));
  }
  return true;
}

bool Preprocessor::turn(Repetition& repetition) {
  if (!repetition.sequence) {
    if (repetition.turn == repetition.values.size()) return false;
    for (size_t i = 0; i < repetition.variables.size(); ++i)
      define(repetition.variables[i], repetition.values[repetition.turn][i]);
    ++repetition.turn;
    return true;
  }
  const bool past =
      repetition.step > 0 ? repetition.next > repetition.last : repetition.next < repetition.last;
  if (past) return false;
  define(repetition.variables[0], repetition.hexadecimal ? fmt::format("{:x}", repetition.next)
                                                         : fmt::format("{}", repetition.next));
  repetition.next += repetition.step;
  return true;
}

}  // namespace xlb::parse
