// The uses of variables in a line.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <deque>
#include <utility>

#include "core/config_preprocess.h"
#include "core/keywords.h"

namespace xlb::parse {
namespace {

constexpr size_t kLongestLine = size_t{64} << 10;
constexpr size_t kMostReplacements = 10'000;  // in one pass over a line
constexpr size_t kDeepestValue = 64;          // values inside values
constexpr size_t kLongestUse = 256;           // ${NAME parameters}
constexpr uint64_t kMostRandom = 32'767;

bool is_name_character(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

bool ends_name(char c) {  // of a use without braces; '\0': the end of the line
  return c == ' ' || c == '\t' || c == ',' || c == ')' || c == '\0';
}

bool begins_with_directive(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  return first != std::string_view::npos && (text[first] == '@' || text[first] == '~');
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t") == std::string_view::npos;
}

}  // namespace

// What is still to be read of a line: its own text and, before it, values that have come into it.
class Preprocessor::Pieces {
 public:
  explicit Pieces(const PlacedText& line) {
    for (size_t i = line.parts.size(); i-- > 0;) {
      const PlacedText::Part& part = line.parts[i];
      const size_t end = i + 1 < line.parts.size() ? line.parts[i + 1].begin : line.text.size();
      pieces_.push_back({std::string_view(line.text).substr(part.begin, end - part.begin),
                         part.spot, part.fixed});
    }
    own_ = pieces_.size();
  }

  [[nodiscard]] bool at_end() const { return pieces_.empty(); }
  [[nodiscard]] const Piece& top() const { return pieces_.back(); }
  [[nodiscard]] bool too_deep() const { return pieces_.size() > own_ + kDeepestValue; }

  // The text ahead, at most `most` bytes of it.
  [[nodiscard]] std::string ahead(size_t most) const {
    std::string text;
    for (auto piece = pieces_.rbegin(); piece != pieces_.rend() && text.size() < most; ++piece)
      text += piece->text.substr(0, most - text.size());
    return text;
  }

  void skip(size_t count) {
    while (count > 0 && !pieces_.empty()) {
      Piece& piece = pieces_.back();
      const size_t part = std::min(count, piece.text.size());
      piece.text.remove_prefix(part);
      if (!piece.fixed) piece.spot.column += static_cast<uint32_t>(part);
      count -= part;
      if (piece.text.empty()) pieces_.pop_back();
    }
    own_ = std::min(own_, pieces_.size());
  }

  void push(std::string_view text, const Spot& spot) {
    if (!text.empty()) pieces_.push_back({text, spot, true});
  }
  void push(DefinitionPointer definition, const Spot& use) {
    Spot spot = use;
    if (definition->origins[0] != 0) spot.origin = definition->origins[0];
    push(definition->lines[0], spot);
    definitions_.push_back(std::move(definition));
  }
  void push(std::string value, const Spot& use) {
    values_.push_back(std::move(value));
    push(std::string_view(values_.back()), use);
  }

  // Copies up to the next `$`; false: there is none.
  bool copy_to_dollar(PlacedText& out) {
    while (!pieces_.empty()) {
      const Piece& piece = pieces_.back();
      const size_t dollar = std::min(piece.text.find('$'), piece.text.size());
      const bool found = dollar < piece.text.size();
      out.append(piece.text.substr(0, dollar), piece.spot, piece.fixed);
      skip(dollar);
      if (found) return true;
    }
    return false;
  }
  void copy_rest(PlacedText& out) {
    while (!pieces_.empty()) {
      const Piece& piece = pieces_.back();
      out.append(piece.text, piece.spot, piece.fixed);
      skip(piece.text.size());
    }
  }
  void copy_one(PlacedText& out) {
    out.append(top().text.substr(0, 1), top().spot, top().fixed);
    skip(1);
  }

 private:
  std::vector<Piece> pieces_;  // the next one last
  size_t own_ = 0;
  std::vector<DefinitionPointer> definitions_;  // whose text is in use
  std::deque<std::string> values_;
};

// The one that `text` begins with.
std::optional<Preprocessor::Use> Preprocessor::use_in(std::string_view text) {
  Use use;
  use.braces = text.size() > 1 && text[1] == '{';
  size_t end = use.braces ? 2 : 1;
  const size_t begin = end;
  while (end < text.size() && is_name_character(text[end]))
    ++end;
  if (end == begin || (text[begin] >= '0' && text[begin] <= '9')) return std::nullopt;
  use.name = text.substr(begin, end - begin);
  if (!use.braces) {
    if (!ends_name(end < text.size() ? text[end] : '\0')) return std::nullopt;
    use.length = end;
    return use;
  }
  const size_t brace = text.find('}', end);
  if (brace == std::string_view::npos) return std::nullopt;
  const std::string_view parameters = text.substr(end, brace - end);
  if (parameters.find_first_of("${") != std::string_view::npos) return std::nullopt;
  use.parameters =
      parameters.substr(std::min(parameters.find_first_not_of(' '), parameters.size()));
  use.length = brace + 1;
  return use;
}

bool Preprocessor::expand(PlacedText& line, std::vector<Continuation>& continuations) {
  if (line.text.find('$') == std::string::npos) return false;
  Pieces pieces(line);
  PlacedText out;
  size_t replacements = 0;
  while (pieces.copy_to_dollar(out)) {
    const auto found = use_in(pieces.ahead(kLongestUse));
    const Spot spot = pieces.top().spot;
    if (!found || !replace(pieces, *found, continuations)) {
      pieces.copy_one(out);
      continue;
    }
    if (++replacements > kMostReplacements || out.text.size() > kLongestLine || pieces.too_deep()) {
      problems_.error(spot, fmt::format("`${}` expands without end, or to more than {} KiB",
                                        found->name, kLongestLine >> 10));
      line = {};
      continuations.clear();
      return false;
    }
    if (!pieces.at_end() && is_blank(out.text) && begins_with_directive(pieces.ahead(kLongestUse)))
      break;
  }
  pieces.copy_rest(out);
  if (replacements > 0) line = std::move(out);
  return replacements > 0;
}

bool Preprocessor::replace(Pieces& pieces, const Use& use,
                           std::vector<Continuation>& continuations) {
  const Spot spot = pieces.top().spot;
  const auto found = definitions_.find(use.name);
  if (found == definitions_.end()) {
    auto value = predefined(use);
    if (!value) return false;
    pieces.skip(use.length);
    pieces.push(std::move(*value), spot);
    return true;
  }
  const DefinitionPointer definition = found->second;
  if (!use.parameters.empty()) return false;
  if (definition->lines.empty()) {
    pieces.skip(use.length);
    return true;
  }
  if (definition->several) {
    if (pieces.ahead(use.length + 1).size() > use.length) {
      problems_.error(spot, fmt::format("`${}` has several lines: nothing may follow it", use.name),
                      "give what follows a line of its own");
      return false;
    }
    if (definition->lines.size() > 1) continuations.push_back({definition, spot});
  }
  pieces.skip(use.length);
  pieces.push(definition, spot);
  return true;
}

std::optional<std::string> Preprocessor::predefined(const Use& use) {
  if (use.name == "_RANDOM") return random_number(use.parameters);
  if (use.name == "_ENV") {
    if (use.parameters.empty()) return std::nullopt;
    return reader_.environment(use.parameters).value_or("");
  }
  if (!use.parameters.empty()) return std::nullopt;
  if (use.name == "_PWD") return directory_;
  if (use.name == "_INSTANCE") return options_.config_id;
  if (use.name == "_HASH") return "#";
  if (use.name == "_BANG") return "!";
  return std::nullopt;
}

// [least [most]], both included.
std::string Preprocessor::random_number(const std::string& parameters) {
  uint64_t least = 0;
  uint64_t most = kMostRandom;
  const char* const end = parameters.data() + parameters.size();
  const auto first = std::from_chars(parameters.data(), end, least);
  const char* second = first.ptr;
  while (second != end && *second == ' ')
    ++second;
  if (second != end) (void)std::from_chars(second, end, most);
  most = std::max(least, std::min<uint64_t>(most, INT64_MAX));
  return std::to_string(std::uniform_int_distribution<uint64_t>(least, most)(random_));
}

// keepalived leaves an unknown name as it stands and then trips over its braces.
void Preprocessor::warn_about_undefined(const PlacedText& line) {
  bool quoted = false;
  for (size_t i = 0; i < line.text.size(); ++i) {
    if (line.text[i] == '"') quoted = !quoted;
    if (quoted || line.text[i] != '$') continue;
    const auto use = use_in(std::string_view(line.text).substr(i, kLongestUse));
    if (!use || (!use->braces && definitions_.empty()) || definitions_.contains(use->name))
      continue;
    std::vector<std::string_view> names;
    names.reserve(definitions_.size());
    for (const auto& [name, definition] : definitions_)
      names.push_back(name);
    std::sort(names.begin(), names.end());
    const std::string_view near = nearest(use->name, names);
    const bool trips = use->braces && options_.unknown_is_error;
    problems_.add(trips ? Diagnostic::Severity::error : Diagnostic::Severity::warning,
                  line.spot_at(i),
                  fmt::format("`${}` is not defined: it stays as it is", use->name),
                  near.empty() ? "" : fmt::format("did you mean `${}`?", near));
  }
}

}  // namespace xlb::parse
