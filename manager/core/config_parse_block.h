// The grammar of blocks: which lines belong to which, where an unbalanced brace went wrong, and
// what happens to words that are unknown or not acted on. Knows the keyword tables but no keyword's
// meaning.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include "core/config_parse.h"
#include "core/config_parse_bfd.h"
#include "core/config_parse_problems.h"
#include "core/config_parse_record.h"
#include "core/config_parse_source.h"
#include "core/keywords.h"

namespace xlb::parse {

// How many braces of the whole text have no partner. Only when there are such, the text is read
// once more knowing it, so that a word in the wrong block can be told from the consequence of a
// missing brace.
struct BraceBalance {
  size_t missing_closes = 0;
  size_t extra_closes = 0;
};

// Refers to a callable that outlives the call it is passed to.
template <typename... Arguments>
class ActOn {
 public:
  template <typename Callable,
            typename = std::enable_if_t<!std::is_same_v<std::decay_t<Callable>, ActOn>>>
  // NOLINTNEXTLINE(google-explicit-constructor): a lambda is written where it is used
  ActOn(Callable&& callable)
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(callable)))),
        call_([](void* object, Arguments... arguments) {
          (*static_cast<std::remove_reference_t<Callable>*>(object))(arguments...);
        }) {}
  void operator()(Arguments... arguments) const { call_(object_, arguments...); }

 private:
  void* object_;
  void (*call_)(void*, Arguments...);
};

class BlockReader {
 public:
  BlockReader(StatementSource& source, Problems& problems, const ParseOptions& options,
              BraceBalance balance);

  using Act = ActOn<const Line&, const Keyword&>;

  // Reads to the block's `}` and calls `act` for each word that is acted on. When that word opens a
  // block, `act` reads it. `head` is the line that opened this one.
  void read(BlockKind kind, const Line& head, const Act& act);
  void read_top_level(const Act& act);
  // Reads a block whose lines begin with no keyword.
  void read_lines(BlockKind kind, const Line& head, const ActOn<const Line&>& act);
  // Reads past a block that is not acted on; of a block with keywords the words are still checked.
  void skip(BlockKind kind, const Line& head);

  // A warning given once however often `word` stands in such blocks.
  void warn_once(const Spot& spot, const std::string& text);
  // The unknown-word rule for words inside a line.
  void unknown(const Spot& spot, const std::string& text, const std::string& hint);

  // What keepalived says and goes on from: an error in a check, a warning at run time.
  void tolerated(const Spot& spot, const std::string& text, const std::string& hint = {});

  Record& record() { return record_; }
  StatementSource& source() { return source_; }

  // What a block lacks may be the braces' fault when they are unbalanced.
  [[nodiscard]] bool braces_are_balanced() const { return balanced_; }
  // A brace without a partner was met that the balance did not announce.
  [[nodiscard]] bool met_imbalance() const { return met_imbalance_; }

 private:
  struct ClosedBlock {
    BlockKind kind = BlockKind::none;
    Spot close;
  };
  struct OpenBlock {
    BlockKind kind = BlockKind::none;
    Spot head;
    Spot brace;
    std::string title;                   // its line, for messages
    ClosedBlock last_inner{};            // the last block inside it
    std::vector<const Keyword*> seen{};  // that may stand once
    Line line{};                         // the one being read
    bool recorded = false;
  };
  static constexpr size_t kDeepestBlock = 32;

  void push(BlockKind kind, const Line& head);
  void push_recorded(BlockKind kind, const Line& head);
  void note(BlockKind block, const Line& line, const Keyword* keyword, bool skipped);
  bool next(Line& line);
  bool next_at_top_level(Line& line);
  void fetch(Line& line);  // what was put back, else the source's next
  void close(const Spot& spot);
  void report_unclosed(const std::string& why);
  bool closes_outer_block(const Line& line) const;
  const OpenBlock* outer_block_of(const Line& line) const;
  void dispatch(BlockKind kind, const Line& line, const Act& act);
  [[nodiscard]] OpenBlock& innermost() { return blocks_[depth_ - 1]; }
  [[nodiscard]] const OpenBlock& innermost() const { return blocks_[depth_ - 1]; }
  bool counts(const Keyword& keyword, const Line& line);
  bool has_its_brace(const Keyword& keyword, const Line& line);
  void reject_stray_brace(const Line& line);
  void not_acted_on(const Keyword& keyword, const Line& line);
  void check_has_value(const Line& line);
  void unknown_word(BlockKind kind, const Line& line);
  bool belongs_to_closed_block(const Line& line);

  StatementSource& source_;
  Problems& problems_;
  const ParseOptions& options_;
  BraceBalance balance_;  // not yet explained
  bool balanced_;
  bool met_imbalance_ = false;
  Record record_;
  std::array<OpenBlock, kDeepestBlock> blocks_;  // `depth_` of them open; they keep their memory
  size_t depth_ = 0;
  Line put_back_;
  bool has_put_back_ = false;
  ClosedBlock last_at_top_level_;
  std::vector<const Keyword*> seen_at_top_level_;
  std::unordered_map<std::string, bool> warned_;
  BfdWords bfd_;
};

// Counts the braces of a whole configuration.
BraceBalance balance_of(StatementSource& source);

// The words of a line as the user wrote them, for messages.
std::string title_of(const Line& line);
void append_title(std::string& title, const Line& line);

}  // namespace xlb::parse
