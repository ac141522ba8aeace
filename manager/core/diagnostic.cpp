#include "core/diagnostic.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace xlb {
namespace {

constexpr size_t kLongestQuote = 60;

// A file name comes from the user or from a directory: it must not drive the terminal either.
std::string printable(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      fmt::format_to(std::back_inserter(result), "\\x{:02x}", byte);
    } else {
      result += c;
    }
  }
  return result;
}

}  // namespace

std::string quoted(std::string_view text) {
  if (text.size() <= kLongestQuote) return fmt::format("`{}`", printable(text));
  size_t end = kLongestQuote;  // not inside a UTF-8 sequence
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80)
    --end;
  return fmt::format("`{}...`", printable(text.substr(0, end)));
}

std::string to_string(const Place& place) {
  return fmt::format("{}:{}:{}", printable(place.file), place.line, place.column);
}

namespace {

constexpr size_t kLongestSource = 160;

std::string first_line(const Diagnostic& diagnostic) {
  const bool error = diagnostic.severity == Diagnostic::Severity::error;
  return fmt::format("{}: {}: {}", to_string(diagnostic.place), error ? "error" : "warning",
                     diagnostic.text);
}

// How many columns a terminal shows for the bytes; UTF-8's later bytes take none.
size_t columns_of(std::string_view text) {
  size_t columns = 0;
  for (const char c : text) {
    if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) ++columns;
  }
  return columns;
}

// Tabs as blanks, so that the caret stands under its word.
std::string shown(std::string_view text) {
  std::string blanks(text);
  for (char& c : blanks) {
    if (c == '\t' || c == '\r') c = ' ';
  }
  return printable(blanks);
}

size_t word_end(std::string_view source, size_t begin) {
  if (begin >= source.size()) return begin + 1;
  const char first = source[begin];
  if (first == '"' || first == '\'') {
    const size_t close = source.find(first, begin + 1);
    return close == std::string_view::npos ? source.size() : close + 1;
  }
  if (first == '{' || first == '}') return begin + 1;
  return std::min(source.find_first_of(" \t\r{}", begin + 1), source.size());
}

// The line with a caret under its column; nothing if it is not known.
std::string with_caret(const Place& place, std::string_view source) {
  if (source.empty() || place.column < 1) return {};
  size_t column = static_cast<size_t>(place.column) - 1;
  if (column > source.size()) return {};
  size_t end = word_end(source, column);
  std::string_view ellipsis;
  if (column > kLongestSource / 2 && source.size() > kLongestSource) {
    const size_t cut = column - kLongestSource / 4;
    source.remove_prefix(cut);
    column -= cut;
    end -= cut;
    ellipsis = "...";
  }
  source = source.substr(0, kLongestSource);
  end = std::min(end, std::max(source.size(), column + 1));
  const std::string before = shown(source.substr(0, column));
  const std::string marked =
      column < source.size() ? shown(source.substr(column, end - column)) : std::string(" ");
  std::string rest = end < source.size() ? shown(source.substr(end)) : std::string();
  while (rest.ends_with(' '))
    rest.pop_back();
  const size_t width = std::max<size_t>(columns_of(marked), 1);
  return fmt::format("\n{:>7} | {}{}{}{}\n{:>7} | {}^{}", place.line, ellipsis, before, marked,
                     rest, "", std::string(ellipsis.size() + columns_of(before), ' '),
                     std::string(width - 1, '~'));
}

}  // namespace

std::string to_string(const Diagnostic& diagnostic) {
  std::string result = first_line(diagnostic);
  if (!diagnostic.hint.empty()) result += "\n  hint: " + diagnostic.hint;
  return result;
}

std::string explain(const Diagnostic& diagnostic) {
  std::string result = first_line(diagnostic) + with_caret(diagnostic.place, diagnostic.source);
  if (!diagnostic.hint.empty()) result += "\n  hint: " + diagnostic.hint;
  if (diagnostic.definition) {
    const DefinitionPlace& definition = *diagnostic.definition;
    result += fmt::format("\n  {}: in the value of ${}", to_string(definition.place),
                          definition.variable);
    result += with_caret(definition.place, definition.source);
  }
  return result;
}

}  // namespace xlb
