#include "core/config_parse_block.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

namespace xlb::parse {

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
  append_title(title, line);
  return title;
}

void append_title(std::string& title, const Line& line) {
  for (const Word& word : line.words) {
    if (!title.empty()) title += ' ';
    title += word.text;
    if (title.size() > 64) break;
  }
}

BlockReader::BlockReader(StatementSource& source, Problems& problems, const ParseOptions& options,
                         BraceBalance balance)
    : source_(source),
      problems_(problems),
      options_(options),
      balance_(balance),
      balanced_(balance.missing_closes + balance.extra_closes == 0),
      record_(options.keep_text, options.keep_statements),
      bfd_(problems) {}

// For `xlbctl config report`.
void BlockReader::note(BlockKind block, const Line& line, const Keyword* keyword, bool skipped) {
  if (!record_.keeps_statements() || line.words.empty()) return;
  record_.add({problems_.place_of(line.spot), block, title_of(line), keyword, skipped});
}

void BlockReader::push_recorded(BlockKind kind, const Line& head) {
  push(kind, head);
  innermost().recorded = true;
  record_.open();
}

void BlockReader::push(BlockKind kind, const Line& head) {
  if (depth_ == kDeepestBlock) {
    problems_.error(head.brace, fmt::format("more than {} blocks inside each other", kDeepestBlock),
                    "the rest is not read");
    source_.stop();
    depth_ = 0;
    balance_ = {};
  }
  OpenBlock& block = blocks_[depth_++];
  block.kind = kind;
  block.head = head.spot;
  block.brace = head.opens ? head.brace : head.spot;
  block.title.clear();
  append_title(block.title, head);
  block.last_inner = {};
  block.seen.clear();
  block.recorded = false;
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
  if (depth_ == 0) return false;  // the depth limit was hit
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
  const ClosedBlock closed{innermost().kind, spot};
  --depth_;
  if (blocks_[depth_].recorded) record_.close(depth_);
  (depth_ == 0 ? last_at_top_level_ : innermost().last_inner) = closed;
}

void BlockReader::report_unclosed(const std::string& why) {
  const OpenBlock& block = innermost();
  --depth_;
  if (balance_.missing_closes == 0) {  // reading was stopped, or the balance is not known yet
    met_imbalance_ = true;
    return;
  }
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
  if (!line.begins_line || line.spot.column >= innermost().head.column) return false;
  return std::any_of(blocks_.begin(), blocks_.begin() + static_cast<std::ptrdiff_t>(depth_) - 1,
                     [&](const OpenBlock& block) { return block.head.column == line.spot.column; });
}

// With a `}` missing: the open block further out, or the top level, that this line's first word
// belongs to.
const BlockReader::OpenBlock* BlockReader::outer_block_of(const Line& line) const {
  static const OpenBlock kTopLevel{BlockKind::root, {}, {}, "", {}, {}, {}};
  if (line.words.empty()) return nullptr;
  const std::string& word = line.words[0].text;
  if (find_keyword(innermost().kind, word) != nullptr) return nullptr;
  for (size_t i = depth_ - 1; i-- > 0;) {
    if (find_keyword(blocks_[i].kind, word) != nullptr) return &blocks_[i];
  }
  return find_keyword(BlockKind::root, word) != nullptr ? &kTopLevel : nullptr;
}

bool BlockReader::next_at_top_level(Line& line) {
  while (true) {
    fetch(line);
    if (line.kind != Line::Kind::close) return line.kind == Line::Kind::words;
    if (balance_.extra_closes > 0) {
      --balance_.extra_closes;
    } else {
      met_imbalance_ = true;
    }
    problems_.error(line.spot, "this `}` closes nothing", "remove it");
  }
}

void BlockReader::read_top_level(const Act& act) {
  Line line;
  while (next_at_top_level(line))
    dispatch(BlockKind::root, line, act);
}

void BlockReader::read(BlockKind kind, const Line& head, const Act& act) {
  push_recorded(kind, head);
  Line& line = innermost().line;
  while (next(line))
    dispatch(kind, line, act);
}

void BlockReader::dispatch(BlockKind kind, const Line& line, const Act& act) {
  if (line.words.empty()) {
    reject_stray_brace(line);
    return;
  }
  const Keyword* keyword = find_keyword(kind, line.words[0].text);
  note(kind, line, keyword, false);
  if (keyword == nullptr) {
    unknown_word(kind, line);
    return;
  }
  if (keyword->standing != Standing::acted) {
    not_acted_on(*keyword, line);
    return;
  }
  if (keyword->opens != BlockKind::none && !has_its_brace(*keyword, line)) return;
  if (keyword->repeatable || counts(*keyword, line)) {
    record_.statement(line, depth_);
    act(line, *keyword);
  }
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

void BlockReader::read_lines(BlockKind kind, const Line& head, const ActOn<const Line&>& act) {
  push_recorded(kind, head);
  Line& line = innermost().line;
  while (next(line)) {
    if (line.words.empty()) {
      reject_stray_brace(line);
      continue;
    }
    note(kind, line, nullptr, false);
    record_.statement(line, depth_);
    act(line);
    if (line.opens) {
      problems_.error(line.brace, fmt::format("a line of {} opens no block", name_of(kind)));
      skip(BlockKind::lines, line);
    }
  }
}

void BlockReader::skip(BlockKind kind, const Line& head) {
  if (!head.words.empty()) record_.drop_if(head.words[0].spot);
  const size_t outside = depth_;
  const bool is_tracking = !head.words.empty() && head.words[0].text == "track_bfd";
  if (kind == BlockKind::bfd_instance) bfd_.open(head);
  push(kind, head);
  Line line;
  while (depth_ > outside) {
    const BlockKind innermost_kind = innermost().kind;
    if (!next(line)) {
      if (innermost_kind == BlockKind::bfd_instance) bfd_.close();
      continue;
    }
    const BlockKind block = innermost().kind;
    const bool has_keywords = !keywords_of(block).empty() && !line.words.empty();
    const Keyword* keyword = has_keywords ? find_keyword(block, line.words[0].text) : nullptr;
    note(block, line, keyword, true);
    if (has_keywords && keyword == nullptr) {
      unknown_word(block, line);
      continue;
    }
    if (block == BlockKind::bfd_instance) {
      check_has_value(line);
      bfd_.read(line);
    } else if (block == BlockKind::bfd_check && line.words[0].text == "name" &&
               line.words.size() > 1) {
      bfd_.use(line.words[1]);
    } else if (is_tracking && !line.words.empty()) {
      bfd_.track(line, head.spot);
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

void BlockReader::not_acted_on(const Keyword& keyword, const Line& line) {
  check_has_value(line);
  // What is missing for the same reason is said once.
  const bool by_reason = keyword.standing == Standing::no_effect && !keyword.consequence.empty();
  if (!by_reason || warned_.try_emplace(std::string(keyword.consequence), true).second) {
    warn_once(line.spot, describe(keyword));
  }
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

void BlockReader::tolerated(const Spot& spot, const std::string& text, const std::string& hint) {
  const bool error = options_.unknown_is_error;
  problems_.add(error ? Diagnostic::Severity::error : Diagnostic::Severity::warning, spot, text,
                hint);
}

void BlockReader::unknown_word(BlockKind kind, const Line& line) {
  if (belongs_to_closed_block(line)) return;
  const std::string& word = line.words[0].text;
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
  if (line.opens) skip(BlockKind::lines, line);
}

// With a `}` too many: does this line belong to the block that was closed before it? Then that
// block is read on, so that the braces match again.
bool BlockReader::belongs_to_closed_block(const Line& line) {
  const ClosedBlock closed = depth_ == 0 ? last_at_top_level_ : innermost().last_inner;
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
