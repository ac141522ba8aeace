#include "core/config_parse_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace xlb::parse {
namespace {

constexpr size_t kDeepestInclude = 16;
constexpr size_t kMostInclusions = 4096;
constexpr size_t kMostBytes = size_t{64}
                              << 20;  // of all files together, counted each time one is included

// What keepalived's include words ask for beyond `include`, which asks for nothing.
struct IncludeWord {
  std::string_view name;
  bool must_read = false;   // a file that matches can be read
  bool must_match = false;  // something matches
};
constexpr IncludeWord kIncludeWords[] = {
    {"include", false, false}, {"includer", true, false}, {"includem", false, true},
    {"includew", false, true}, {"includeb", false, true}, {"includea", true, true},
};

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

StatementSource::StatementSource(const std::string& path, SourceCache& cache, Problems& problems)
    : cache_(cache), problems_(problems) {
  last_ = Spot{problems_.add_file(path), 1, 1, 0};
  open(path, last_, true);
}

void StatementSource::open(const std::string& path, const Spot& include, bool must_read) {
  const bool recursion = std::any_of(files_.begin(), files_.end(),
                                     [&](const OpenFile& file) { return file.path == path; });
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
  if (!within_limits(path, text.value().size(), include)) return;
  const uint32_t number = files_.empty() ? include.file : problems_.add_file(path);
  files_.push_back({path, Lexer(text.value(), number), {}, {}, false});
}

bool StatementSource::within_limits(const std::string& path, size_t size, const Spot& include) {
  bytes_ += size;
  ++inclusions_;
  if (files_.size() >= kDeepestInclude) {
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

void StatementSource::include(const Line& line) {
  const IncludeWord& word = *include_word(line);
  const Spot& spot = line.words[0].spot;
  if (line.words.size() < 2) {
    problems_.error(spot, fmt::format("`{}` needs a file or a pattern", word.name));
    return;
  }
  const Spot& place = line.words[1].spot;
  const std::string& pattern = line.words[1].text;
  if (pattern.find('\0') != std::string::npos || pattern.empty()) {
    problems_.error(place, fmt::format("{} is not a file name", quoted(pattern)));
    return;
  }
  if (line.words.size() > 2) {
    problems_.warning(line.words[2].spot, fmt::format("{} is ignored: `{}` takes one pattern",
                                                      quoted(line.words[2].text), word.name));
  }
  OpenFile& current = files_.back();
  current.pending = cache_.glob(pattern, current.path);
  current.include = place;
  current.include_must_read = word.must_read;
  if (current.pending.empty()) {
    problems_.add(word.must_match ? Diagnostic::Severity::error : Diagnostic::Severity::warning,
                  place, fmt::format("no file matches {}", quoted(pattern)), "");
  }
  std::reverse(current.pending.begin(), current.pending.end());
}

void StatementSource::next(Line& line) {
  while (!files_.empty()) {
    OpenFile& current = files_.back();
    if (!current.pending.empty()) {
      const std::string path = std::move(current.pending.back());
      current.pending.pop_back();
      const Spot spot = current.include;
      open(path, spot, current.include_must_read);
      continue;
    }
    current.lexer.next(line, lex_problems_);
    ++order_;
    line.spot.order = line.brace.order = order_;
    for (Word& word : line.words)
      word.spot.order = order_;
    for (LexProblem& problem : lex_problems_) {
      problem.spot.order = order_;
      problems_.add(problem.error ? Diagnostic::Severity::error : Diagnostic::Severity::warning,
                    problem.spot, std::move(problem.text), std::move(problem.hint));
    }
    lex_problems_.clear();
    last_ = line.spot;
    if (line.kind == Line::Kind::end) {
      files_.pop_back();
    } else if (include_word(line) != nullptr) {
      include(line);
    } else {
      return;
    }
  }
  line.kind = Line::Kind::end;
  line.words.clear();
  line.opens = false;
  line.spot = last_;
}

}  // namespace xlb::parse
