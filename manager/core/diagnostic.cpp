#include "core/diagnostic.h"

#include <fmt/format.h>

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

std::string to_string(const Diagnostic& diagnostic) {
  const bool error = diagnostic.severity == Diagnostic::Severity::error;
  std::string result = fmt::format("{}: {}: {}", to_string(diagnostic.place),
                                   error ? "error" : "warning", diagnostic.text);
  if (!diagnostic.hint.empty()) result += "\n  hint: " + diagnostic.hint;
  return result;
}

}  // namespace xlb
