#include "core/config_parse_block.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

namespace xlb::parse {
namespace {

constexpr size_t kDeepestBlock = 32;

bool is_variable_definition(const Word& word) {
  return !word.quoted && word.text.starts_with('$') && word.text.find('=') != std::string::npos;
}

// keepalived's preprocessor, which xlb lacks: guessing what such a line means would be worse than
// refusing it.
std::string_view preprocessor_form(const Line& line) {
  const Word& first = line.words.front();
  if (is_variable_definition(first)) return "a variable definition";
  if (!first.quoted && first.text.starts_with('@')) return "a line for one configuration id (@id)";
  if (!first.quoted && (first.text.starts_with("~SEQ") || first.text.starts_with("~LST"))) {
    return "a repeated line";
  }
  return {};
}

}  // namespace

BraceBalance balance_of(StatementSource& source) {
  BraceBalance result;
  Line line;
  for (source.next(line); line.kind != Line::Kind::end; source.next(line)) {
    if (line.kind == Line::Kind::close) {
      if (result.missing_closes > 0) {
        --result.missing_closes;
      } else {
        ++result.extra_closes;
      }
    } else if (line.opens) {
      ++result.missing_closes;
    }
  }
  return result;
}

std::string title_of(const Line& line) {
  std::string title;
  for (const Word& word : line.words) {
    if (!title.empty()) title += ' ';
    title += word.text;
    if (title.size() > 64) break;
  }
  return title;
}

BlockReader::BlockReader(StatementSource& source, Problems& problems, const ParseOptions& options,
                         BraceBalance balance)
    : source_(source),
      problems_(problems),
      options_(options),
      balance_(balance),
      balanced_(balance.missing_closes + balance.extra_closes == 0) {}

void BlockReader::push(BlockKind kind, const Line& head) {
  if (open_.size() == kDeepestBlock) {
    problems_.error(head.brace, fmt::format("more than {} blocks inside each other", kDeepestBlock),
                    "the rest is not read");
    source_.stop();
    open_.clear();
    balance_ = {};
  }
  open_.push_back({kind, head.spot, head.opens ? head.brace : head.spot, title_of(head)});
}

void BlockReader::fetch(Line& line) {
  if (std::exchange(has_put_back_, false)) {
    std::swap(line, put_back_);
    return;
  }
  source_.next(line);
  if (problems_.too_many()) source_.stop();
}

// The next line of the innermost open block; false, and that block is no longer open, at its end.
bool BlockReader::next(Line& line) {
  fetch(line);
  if (open_.empty()) return false;  // the depth limit was hit
  if (line.kind == Line::Kind::end) {
    report_unclosed("");
    return false;
  }
  const bool at_close = line.kind == Line::Kind::close;
  if (balance_.missing_closes > 0) {
    const OpenBlock* outer = at_close ? nullptr : outer_block_of(line);
    if (outer != nullptr || (at_close && closes_outer_block(line))) {
      report_unclosed(at_close ? fmt::format("before the `}}` on line {}", line.spot.line)
                               : fmt::format("before {} on line {}", quoted(line.words[0].text),
                                             line.spot.line));
      std::swap(line, put_back_);
      has_put_back_ = true;
      return false;
    }
  }
  if (at_close) close(line.spot);
  return !at_close;
}

void BlockReader::close(const Spot& spot) {
  const ClosedBlock closed{open_.back().kind, spot};
  open_.pop_back();
  (open_.empty() ? last_at_top_level_ : open_.back().last_inner) = closed;
}

void BlockReader::report_unclosed(const std::string& why) {
  const OpenBlock block = std::move(open_.back());
  open_.pop_back();
  if (balance_.missing_closes == 0) return;  // reading was stopped
  --balance_.missing_closes;
  problems_.error(block.brace,
                  block.title.empty()
                      ? "this `{` is not closed"
                      : fmt::format("the block of {} is not closed{}{}", quoted(block.title),
                                    why.empty() ? "" : " ", why),
                  "add its `}`");
}

// With a `}` missing: does this one, by its indentation, close a block further out?
bool BlockReader::closes_outer_block(const Line& line) const {
  if (!line.begins_line || line.spot.column >= open_.back().head.column) return false;
  return std::any_of(open_.begin(), open_.end() - 1,
                     [&](const OpenBlock& block) { return block.head.column == line.spot.column; });
}

// With a `}` missing: the open block further out, or the top level, that this line's first word
// belongs to.
const BlockReader::OpenBlock* BlockReader::outer_block_of(const Line& line) const {
  static const OpenBlock kTopLevel{BlockKind::root, {}, {}, ""};
  if (line.words.empty()) return nullptr;
  const std::string& word = line.words[0].text;
  if (find_keyword(open_.back().kind, word) != nullptr) return nullptr;
  for (auto block = open_.rbegin() + 1; block != open_.rend(); ++block) {
    if (find_keyword(block->kind, word) != nullptr) return &*block;
  }
  return find_keyword(BlockKind::root, word) != nullptr ? &kTopLevel : nullptr;
}

bool BlockReader::next_at_top_level(Line& line) {
  while (true) {
    fetch(line);
    if (line.kind != Line::Kind::close) return line.kind == Line::Kind::words;
    if (balance_.extra_closes > 0) --balance_.extra_closes;
    problems_.error(line.spot, "this `}` closes nothing", "remove it");
  }
}

void BlockReader::read_top_level(const Act& act) {
  std::vector<const Keyword*> seen;
  Line line;
  while (next_at_top_level(line))
    dispatch(BlockKind::root, line, seen, act);
}

void BlockReader::read(BlockKind kind, const Line& head, const Act& act) {
  push(kind, head);
  std::vector<const Keyword*> seen;
  Line line;
  while (next(line))
    dispatch(kind, line, seen, act);
}

void BlockReader::dispatch(BlockKind kind, const Line& line, std::vector<const Keyword*>& seen,
                           const Act& act) {
  if (line.words.empty()) {
    reject_stray_brace(line);
    return;
  }
  reject_unsupported_syntax(line);
  const Keyword* keyword = find_keyword(kind, line.words[0].text);
  if (keyword == nullptr) {
    unknown_word(kind, line);
    return;
  }
  if (keyword->standing != Standing::acted) {
    not_acted_on(*keyword, line);
    return;
  }
  if (keyword->opens != BlockKind::none && !has_its_brace(*keyword, line)) return;
  if (!keyword->repeatable) {
    if (std::find(seen.begin(), seen.end(), keyword) != seen.end()) {
      problems_.warning(
          line.spot, fmt::format("`{}` stands here a second time: this one counts", keyword->name));
    }
    seen.push_back(keyword);
  }
  act(line, *keyword);
  if (keyword->opens == BlockKind::none && line.opens) {
    problems_.error(line.brace, fmt::format("`{}` opens no block", keyword->name));
    skip(BlockKind::lines, line);
  }
}

bool BlockReader::has_its_brace(const Keyword& keyword, const Line& line) {
  if (line.opens) return true;
  problems_.error(line.spot, fmt::format("`{}` opens a block, but no `{{` follows", keyword.name),
                  fmt::format("{} {{", title_of(line)));
  if (balance_.extra_closes == 0) return false;
  --balance_.extra_closes;  // its `}` is there: read on as if the `{` were
  return true;
}

void BlockReader::read_lines(BlockKind kind, const Line& head,
                             const std::function<void(const Line&)>& act) {
  push(kind, head);
  Line line;
  while (next(line)) {
    if (line.words.empty()) {
      reject_stray_brace(line);
      continue;
    }
    reject_unsupported_syntax(line);
    act(line);
    if (line.opens) {
      problems_.error(line.brace, fmt::format("a line of {} opens no block", name_of(kind)));
      skip(BlockKind::lines, line);
    }
  }
}

void BlockReader::skip(BlockKind kind, const Line& head) {
  const size_t outside = open_.size();
  push(kind, head);
  Line line;
  while (open_.size() > outside) {
    if (!next(line)) continue;
    const BlockKind block = open_.back().kind;
    const bool has_keywords = !keywords_of(block).empty() && !line.words.empty();
    const Keyword* keyword = has_keywords ? find_keyword(block, line.words[0].text) : nullptr;
    if (has_keywords && keyword == nullptr) {
      unknown_word(block, line);
      continue;
    }
    const BlockKind inner =
        keyword == nullptr || keyword->opens == BlockKind::none ? BlockKind::lines : keyword->opens;
    const bool opens = line.opens || (inner != BlockKind::lines && has_its_brace(*keyword, line));
    if (opens) push(inner, line);
  }
}

void BlockReader::reject_stray_brace(const Line& line) {
  problems_.error(line.brace, "this `{` follows no word");
  skip(BlockKind::lines, line);
}

void BlockReader::reject_unsupported_syntax(const Line& line) {
  for (const Word& word : line.words) {
    if (word.text.find("${_") != std::string::npos) {
      problems_.error(word.spot, fmt::format("{}: predefined variables are not supported yet",
                                             quoted(word.text)));
    }
  }
}

void BlockReader::not_acted_on(const Keyword& keyword, const Line& line) {
  warn_once(line.spot, describe(keyword));
  if (line.opens) {
    skip(keyword.opens == BlockKind::none ? BlockKind::lines : keyword.opens, line);
  } else if (keyword.opens != BlockKind::none && has_its_brace(keyword, line)) {
    skip(keyword.opens, line);
  }
}

void BlockReader::warn_once(const Spot& spot, const std::string& text) {
  if (warned_.try_emplace(text, true).second) problems_.warning(spot, text);
}

void BlockReader::unknown(const Spot& spot, const std::string& text, const std::string& hint) {
  const bool error = options_.unknown_is_error;
  problems_.add(error ? Diagnostic::Severity::error : Diagnostic::Severity::warning, spot,
                error ? text : text + ": skipped", hint);
}

void BlockReader::unknown_word(BlockKind kind, const Line& line) {
  if (belongs_to_closed_block(line)) return;
  const std::string& word = line.words[0].text;
  if (const std::string_view form = preprocessor_form(line); !form.empty()) {
    problems_.error(line.spot, fmt::format("{}: {} is not supported yet", quoted(word), form));
  } else {
    std::string hint;
    if (const std::string_view near = nearest_keyword(kind, word); !near.empty()) {
      hint = fmt::format("did you mean `{}`?", near);
    }
    std::vector<std::string_view> blocks;
    for (const BlockKind block : blocks_with(word))
      blocks.push_back(name_of(block));
    if (blocks.size() > 4) blocks.resize(4);
    if (!blocks.empty()) {
      if (!hint.empty()) hint += ' ';
      hint += fmt::format("`{}` belongs in {}", word, fmt::join(blocks, ", "));
    }
    unknown(line.spot,
            kind == BlockKind::root
                ? fmt::format("unknown word {} outside every block", quoted(word))
                : fmt::format("unknown word {} in {}", quoted(word), name_of(kind)),
            hint);
  }
  if (line.opens) skip(BlockKind::lines, line);
}

// With a `}` too many: does this line belong to the block that was closed before it? Then that
// block is read on, so that the braces match again.
bool BlockReader::belongs_to_closed_block(const Line& line) {
  const ClosedBlock closed = open_.empty() ? last_at_top_level_ : open_.back().last_inner;
  const std::string& word = line.words[0].text;
  const bool belongs = closed.kind == BlockKind::virtual_ipaddress
                           ? blocks_with(word).empty()
                           : find_keyword(closed.kind, word) != nullptr;
  if (balance_.extra_closes == 0 || !belongs) return false;
  --balance_.extra_closes;
  problems_.error(
      closed.close,
      fmt::format("this `}}` closes {} before its {}", name_of(closed.kind), quoted(word)),
      "remove it");
  put_back_ = line;
  has_put_back_ = true;
  Line head;
  head.spot = closed.close;
  skip(closed.kind, head);
  return true;
}

}  // namespace xlb::parse
