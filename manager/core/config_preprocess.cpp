#include "core/config_preprocess.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace xlb::parse {
namespace {

constexpr std::string_view kBlanks = " \t\r\f\v";
constexpr size_t kMostPasses = 64;  // over one line

bool starts_name(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

// How long the variable's name at the beginning of `text` is.
size_t name_length(std::string_view text) {
  if (text.empty() || !starts_name(text[0])) return 0;
  size_t length = 1;
  while (length < text.size() && (starts_name(text[length]) || is_digit(text[length])))
    ++length;
  return length;
}

}  // namespace

void PlacedText::append(std::string_view more, const Spot& spot, bool fixed) {
  if (more.empty()) return;
  parts.push_back({text.size(), spot, fixed});
  text += more;
}

void PlacedText::erase_front(size_t count) {
  text.erase(0, count);
  size_t gone = 0;
  for (Part& part : parts) {
    if (part.begin >= count) {
      part.begin -= count;
      continue;
    }
    if (!part.fixed) part.spot.column += static_cast<uint32_t>(count - part.begin);
    part.begin = 0;
    ++gone;
  }
  if (gone > 1) parts.erase(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(gone) - 1);
}

void PlacedText::trim() {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string::npos) {
    text.clear();
    return;
  }
  text.resize(text.find_last_not_of(kBlanks) + 1);
  while (parts.size() > 1 && parts.back().begin >= text.size())
    parts.pop_back();
  if (begin > 0) erase_front(begin);
}

Spot PlacedText::spot_at(size_t offset) const {
  if (parts.empty()) return {};
  const auto after = std::upper_bound(parts.begin() + 1, parts.end(), offset,
                                      [](size_t at, const Part& part) { return at < part.begin; });
  const Part& part = *(after - 1);
  Spot spot = part.spot;
  if (!part.fixed) spot.column += static_cast<uint32_t>(offset - part.begin);
  return spot;
}

Preprocessor::Preprocessor(Problems& problems, SourceReader& reader, const ParseOptions& options)
    : problems_(problems), reader_(reader), options_(options), random_(options.random_seed) {}

Preprocessed Preprocessor::process(PlacedText line, const std::string& directory) {
  directory_ = directory;
  Preprocessed result;
  for (size_t pass = 0; pass < kMostPasses; ++pass) {
    line.trim();
    if (line.text.empty()) return result;
    if (line.text[0] == '@') {
      if (!meets_condition(line)) return result;
      continue;
    }
    if (line.text[0] == '$' && define(line)) return result;
    if (is_repetition(line)) {
      result.repetition = read_repetition(line);
      return result;
    }
    if (!expand(line, result.continuations)) {
      warn_about_undefined(line);
      result.line = std::move(line);
      return result;
    }
  }
  problems_.error(line.spot_at(0), "the variables of this line lead back to themselves");
  return {};
}

// @id and @^id: takes the condition off the line; false: the line is not for this configuration id.
bool Preprocessor::meets_condition(PlacedText& line) const {
  const size_t end = line.text.find_first_of(kBlanks);
  if (end == std::string::npos) return false;
  const bool negated = line.text[1] == '^';
  const size_t begin = negated ? 2 : 1;
  const bool same = line.text.substr(begin, end - begin) == options_.config_id;
  if (same == negated) return false;
  line.erase_front(end);
  return true;
}

bool Preprocessor::define(const PlacedText& line) {
  const std::string_view text = line.text;
  const size_t length = name_length(text.substr(1));
  if (length == 0 || length + 1 >= text.size() || text[length + 1] != '=') return false;
  auto definition = std::make_shared<Definition>();
  definition->name = text.substr(1, length);
  const std::string_view value = trimmed(text.substr(length + 2));
  definition->several = value.ends_with('\\');
  definitions_[definition->name] = definition;
  const Spot spot = line.spot_at(0);
  if (definition->several) {
    collected_ = std::move(definition);
    collected_->several = false;  // until there is a second line
    collect(value, spot, true);
    return true;
  }
  definition->lines.emplace_back(value);
  definition->origins.push_back(origin_of(definition->name, spot));
  return true;
}

void Preprocessor::define(const std::string& name, std::string value) {
  auto definition = std::make_shared<Definition>();
  definition->name = name;
  definition->lines.push_back(std::move(value));
  definition->origins.push_back(0);
  definitions_[name] = std::move(definition);
}

// `goes_on`: a backslash ends the line, perhaps behind a comment, which `line` is without.
void Preprocessor::collect(std::string_view line, const Spot& spot, bool goes_on) {
  std::string_view text = trimmed(line);
  if (text.ends_with('\\')) text = trimmed(text.substr(0, text.size() - 1));
  if (!text.empty()) {
    collected_->several = true;
    collected_->lines.emplace_back(text);
    collected_->origins.push_back(origin_of(collected_->name, spot));
  }
  if (!goes_on) collected_.reset();
}

// A definition in another one's value stands where that value does.
uint32_t Preprocessor::origin_of(const std::string& name, const Spot& spot) {
  const Spot place = spot.origin == 0 ? spot : problems_.origin(spot.origin).spot;
  const std::string key = fmt::format("{}:{}:{}", place.file, place.line, name);
  const auto [entry, is_new] = origins_.try_emplace(key, 0);
  if (is_new) entry->second = problems_.add_origin({name, place});
  return entry->second;
}

}  // namespace xlb::parse
