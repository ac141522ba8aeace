#include "core/config_parse_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace xlb::parse {
namespace {

constexpr size_t kDeepestInclude = 16;
constexpr size_t kMostInclusions = 4096;
constexpr size_t kMostPreprocessedLines = 2'000'000;
constexpr size_t kMostLayers = 96;  // files, definitions and repetitions inside each other
constexpr size_t kMostBytes = size_t{64}
                              << 20;  // of all files together, counted each time one is included

// keepalived's include words, and what each asks for beyond the `include_check` in force.
struct IncludeWord {
  std::string_view name;
  IncludeChecks checks{};
};
constexpr IncludeWord kIncludeWords[] = {
    {"include", {}},
    {"includer", {true, false, false, false}},
    {"includem", {true, true, false, false}},
    {"includew", {true, false, true, false}},
    {"includeb", {true, false, false, true}},
    {"includea", {true, true, true, true}},
};

constexpr size_t kMostAlternatives = 256;

bool has_wildcards(std::string_view pattern) {
  return pattern.find_first_of("*?[") != std::string_view::npos;
}

// What the first braces of the pattern stand for; the pattern itself when there are none.
std::vector<std::string> alternatives_of(const std::string& pattern) {
  const size_t open = pattern.find('{');
  int depth = 0;
  size_t close = open;
  for (; close < pattern.size(); ++close) {
    if (pattern[close] == '{') ++depth;
    if (pattern[close] == '}' && --depth == 0) break;
  }
  if (open == std::string::npos || close >= pattern.size()) return {pattern};
  std::vector<std::string> result;
  size_t begin = open + 1;
  depth = 0;
  for (size_t i = begin; i <= close && result.size() < kMostAlternatives; ++i) {
    if (pattern[i] == '{') ++depth;
    if (i < close && pattern[i] == '}') --depth;
    if (i < close && (pattern[i] != ',' || depth > 0)) continue;
    result.push_back(pattern.substr(0, open) + pattern.substr(begin, i - begin) +
                     pattern.substr(close + 1));
    begin = i + 1;
  }
  return result;
}

const IncludeWord* include_word(const Line& line) {
  if (line.kind != Line::Kind::words || line.words.empty() || line.words[0].quoted) return nullptr;
  const auto* const found =
      std::find_if(std::begin(kIncludeWords), std::end(kIncludeWords),
                   [&](const IncludeWord& word) { return word.name == line.words[0].text; });
  return found == std::end(kIncludeWords) ? nullptr : found;
}

}  // namespace

const Result<std::string>& SourceCache::read(const std::string& path) {
  auto& text = texts_[path];
  if (!text) text = std::make_unique<Result<std::string>>(reader_.read(path));
  return *text;
}

const std::vector<std::string>& SourceCache::glob(const std::string& pattern,
                                                  const std::string& relative_to) {
  const auto [entry, is_new] = globs_.try_emplace(relative_to + '\0' + pattern);
  if (is_new) entry->second = reader_.glob(pattern, relative_to);
  return entry->second;
}

StatementSource::StatementSource(const std::string& path, SourceCache& cache, Problems& problems,
                                 const ParseOptions& options)
    : cache_(cache), problems_(problems), preprocessor_(problems, cache.reader(), options) {
  last_ = Spot{problems_.add_file(path), 1, 1, 0, 0};
  open(path, last_, true);
}

void StatementSource::stop() {
  layers_.clear();
  has_ahead_ = false;
  depth_ = 0;
}

const StatementSource::OpenFile* StatementSource::current_file() const {
  for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer) {
    if (const auto* file = std::get_if<OpenFile>(&*layer)) return file;
  }
  return nullptr;
}

void StatementSource::open(const std::string& path, const Spot& include, bool must_read) {
  const bool recursion = std::any_of(layers_.begin(), layers_.end(), [&](const Layer& layer) {
    const auto* file = std::get_if<OpenFile>(&layer);
    return file != nullptr && file->path == path;
  });
  if (recursion) {
    problems_.error(include, fmt::format("{} includes itself", quoted(path)));
    return;
  }
  const auto& text = cache_.read(path);
  if (!text.ok()) {
    problems_.add(must_read ? Diagnostic::Severity::error : Diagnostic::Severity::warning, include,
                  text.error().text, "");
    return;
  }
  const std::string& content = text.value();
  if (!within_limits(path, content.size(), include)) return;
  const uint32_t number = depth_ == 0 ? include.file : problems_.add_file(path);
  const bool plain = content.find('$') == std::string::npos &&
                     content.find('@') == std::string::npos &&
                     content.find('~') == std::string::npos;
  layers_.emplace_back(
      OpenFile{path, cache_.reader().directory_of(path), include_checks_,
               Lexer(content, number, plain ? Lexer::Input::words : Lexer::Input::preprocessed)});
  ++depth_;
}

bool StatementSource::within_limits(const std::string& path, size_t size, const Spot& include) {
  bytes_ += size;
  ++inclusions_;
  if (depth_ >= kDeepestInclude) {
    problems_.error(include, fmt::format("cannot include {}: more than {} files deep", quoted(path),
                                         kDeepestInclude));
    return false;
  }
  if (bytes_ > kMostBytes || inclusions_ > kMostInclusions) {
    problems_.error(include,
                    fmt::format("the configuration is too large: more than {} MiB or {} files",
                                kMostBytes >> 20, kMostInclusions));
    stop();
    return false;
  }
  return true;
}

bool StatementSource::within_lines(const Spot& spot) {
  if (++preprocessed_lines_ <= kMostPreprocessedLines) return true;
  problems_.error(spot, fmt::format("the configuration is too large: variables, ~SEQ and ~LST make "
                                    "more than {} lines of it",
                                    kMostPreprocessedLines));
  stop();
  return false;
}

// Whether the line is an `include`; then its files are read next.
bool StatementSource::include(const Line& line) {
  const IncludeWord* const word = include_word(line);
  if (word == nullptr) return false;
  const Spot& spot = line.words[0].spot;
  if (line.words.size() < 2) {
    problems_.error(spot, fmt::format("`{}` needs a file or a pattern", word->name));
    return true;
  }
  const Spot& place = line.words[1].spot;
  const std::string& pattern = line.words[1].text;
  if (pattern.find('\0') != std::string::npos || pattern.empty()) {
    problems_.error(place, fmt::format("{} is not a file name", quoted(pattern)));
    return true;
  }
  if (line.words.size() > 2) {
    problems_.warning(line.words[2].spot, fmt::format("{} is ignored: `{}` takes one pattern",
                                                      quoted(line.words[2].text), word->name));
  }
  const OpenFile* const file = current_file();
  const std::string relative_to = file == nullptr ? "" : file->path;
  const IncludeChecks checks = include_checks_ | word->checks;
  Inclusion inclusion{cache_.glob(pattern, relative_to), place, checks.read};
  if (checks.braces) {
    for (const std::string& alternative : alternatives_of(pattern)) {
      if (alternative == pattern || !cache_.glob(alternative, relative_to).empty()) continue;
      problems_.error(place, fmt::format("no file matches {}", quoted(alternative)));
    }
  }
  if (inclusion.paths.empty()) {
    const bool must_match = has_wildcards(pattern) ? checks.wildcards : checks.match;
    problems_.add(must_match ? Diagnostic::Severity::error : Diagnostic::Severity::warning, place,
                  fmt::format("no file matches {}", quoted(pattern)), "");
    return true;
  }
  std::reverse(inclusion.paths.begin(), inclusion.paths.end());
  layers_.emplace_back(std::move(inclusion));
  return true;
}

void StatementSource::take_lex_problems(const PlacedText* text) {
  for (LexProblem& problem : lex_problems_) {
    if (text != nullptr) problem.spot = text->spot_at(problem.spot.column - 1);
    problem.spot.order = order_;
    problems_.add(problem.error ? Diagnostic::Severity::error : Diagnostic::Severity::warning,
                  problem.spot, std::move(problem.text), std::move(problem.hint));
  }
  lex_problems_.clear();
}

bool StatementSource::read(OpenFile& file, Line& line) {
  if (preprocessor_.collecting()) {
    collect(file);
    return false;
  }
  file.lexer.next(line, lex_problems_);
  ++order_;
  line.spot.order = line.brace.order = order_;
  for (Word& word : line.words)
    word.spot.order = order_;
  if (!lex_problems_.empty()) take_lex_problems(nullptr);
  last_ = line.spot;
  if (line.kind == Line::Kind::end) {
    include_checks_ = file.checks_before;
    layers_.pop_back();
    --depth_;
    return false;
  }
  if (line.kind == Line::Kind::raw) {
    const std::string_view text = line.raw.substr(0, comment_start(line.raw));
    if (within_lines(line.spot)) preprocess(PlacedText(text, line.spot, false));
    return false;
  }
  from_expansion_ = false;
  return !include(line);
}

void StatementSource::collect(OpenFile& file) {
  std::string_view text;
  Spot spot;
  while (preprocessor_.collecting()) {
    if (!file.lexer.next_raw(text, spot)) return preprocessor_.end_collecting();
    const size_t blanks = std::min(text.find_first_not_of(" \t"), text.size());
    spot.column += static_cast<uint32_t>(blanks);
    const size_t last = text.find_last_not_of(" \t\r");
    const bool goes_on = last != std::string_view::npos && text[last] == '\\';
    preprocessor_.collect(text.substr(0, comment_start(text)), spot, goes_on);
  }
}

bool StatementSource::read(Inclusion& inclusion, Line&) {
  if (inclusion.paths.empty()) {
    layers_.pop_back();
    return false;
  }
  const std::string path = std::move(inclusion.paths.back());
  inclusion.paths.pop_back();
  open(path, inclusion.directive, inclusion.must_read);
  return false;
}

bool StatementSource::read(ExpandedLine& expanded, Line& line) {
  expanded.lexer.next(line, lex_problems_);
  ++order_;
  const auto place = [&](Spot& spot) {
    spot = expanded.text.spot_at(spot.column - 1);
    spot.order = order_;
  };
  place(line.spot);
  if (line.opens) place(line.brace);
  for (Word& word : line.words)
    place(word.spot);
  if (!lex_problems_.empty()) take_lex_problems(&expanded.text);
  if (line.kind == Line::Kind::end) {
    layers_.pop_back();
    return false;
  }
  last_ = line.spot;
  from_expansion_ = true;
  return !include(line);
}

bool StatementSource::read(Body& body, Line&) {
  const Definition& definition = *body.continuation.definition;
  if (body.next == definition.lines.size()) {
    layers_.pop_back();
    return false;
  }
  const size_t i = body.next++;
  Spot spot = body.continuation.use;
  spot.origin = definition.origins[i];
  if (within_lines(spot)) preprocess(PlacedText(definition.lines[i], spot, true));
  return false;
}

bool StatementSource::read(Repetition& repetition, Line&) {
  if (!preprocessor_.turn(repetition)) {
    layers_.pop_back();
  } else if (within_lines(repetition.line.spot_at(0))) {
    preprocess(repetition.line);
  }
  return false;
}

void StatementSource::add(Layer layer) {
  if (layers_.size() >= kMostLayers) {
    problems_.error(last_, fmt::format("variables, ~SEQ and ~LST are more than {} deep in each "
                                       "other: does a `$NAME` stand in its own value?",
                                       kMostLayers));
    stop();
    return;
  }
  layers_.push_back(std::move(layer));
}

void StatementSource::preprocess(PlacedText line) {
  ++order_;
  for (PlacedText::Part& part : line.parts)
    part.spot.order = order_;
  last_ = line.spot_at(0);
  const OpenFile* const file = current_file();
  Preprocessed result =
      preprocessor_.process(std::move(line), file == nullptr ? "." : file->directory);
  for (Continuation& continuation : result.continuations)
    add(Body{std::move(continuation)});
  if (result.repetition) add(std::move(*result.repetition));
  if (result.line && layers_.size() < kMostLayers) {
    layers_.emplace_back(std::in_place_type<ExpandedLine>, std::move(*result.line));
  }
}

void StatementSource::fetch(Line& line) {
  while (!layers_.empty()) {
    if (std::visit([&](auto& layer) { return read(layer, line); }, layers_.back())) return;
  }
  line.kind = Line::Kind::end;
  line.words.clear();
  line.opens = false;
  line.spot = last_;
}

// After an expanded line its `{` may stand on the next one, which only the next layer knows.
void StatementSource::next(Line& line) {
  if (std::exchange(has_ahead_, false)) {
    std::swap(line, ahead_);
  } else {
    fetch(line);
  }
  if (!from_expansion_ || line.kind != Line::Kind::words || line.opens) return;
  fetch(ahead_);
  if (ahead_.kind == Line::Kind::words && ahead_.words.empty()) {
    line.opens = true;
    line.brace = ahead_.brace;
  } else {
    has_ahead_ = true;
  }
}

}  // namespace xlb::parse
