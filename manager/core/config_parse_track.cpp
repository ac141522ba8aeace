// vrrp_script, vrrp_track_process and track_file, and the blocks that use them.
#include <fmt/format.h>

#include <algorithm>
#include <climits>
#include <utility>

#include "core/config_parse_sections.h"

namespace xlb::parse {
namespace {

using std::chrono::microseconds;

constexpr uint64_t kMostCount = 1'000'000;
constexpr microseconds kLeastInterval{1'000};
constexpr int kMostWeight = 253;
constexpr int kMostFileWeight = 254;
constexpr size_t kCommLength = 15;  // of a process' name, as the kernel keeps it

struct ScriptDraft {
  TrackScriptConfig config;
};
struct ProcessDraft {
  TrackProcessConfig config;
  std::optional<ParameterMatch> match;
  Spot process_spot;
};
struct FileDraft {
  TrackFileConfig config;
};

// Digits with a sign before them, at most `most` from 0.
std::optional<int> signed_number(Sections& sections, const Word& word, std::string_view keyword,
                                 int64_t most) {
  const bool negative = word.text.starts_with('-');
  const std::string digits = word.text.substr(negative || word.text.starts_with('+') ? 1 : 0);
  const bool well_formed =
      !digits.empty() && digits.find_first_not_of("0123456789") == std::string::npos;
  int64_t value = 0;
  for (const char c : well_formed ? digits : std::string()) {
    value = value * 10 + (c - '0');
    if (value > most) break;
  }
  if (well_formed && value <= most) return static_cast<int>(negative ? -value : value);
  sections.problems.error(
      word.spot,
      fmt::format("{} is {}", quoted(word.text), well_formed ? "out of range" : "not a number"),
      fmt::format("{} takes a number from -{} to {}", keyword, most, most));
  return std::nullopt;
}

int most_weight(TrackKind kind) {
  return kind == TrackKind::file || kind == TrackKind::process ? kMostFileWeight : kMostWeight;
}

// N [reverse|noreverse], after the word `weight`.
std::optional<TrackWeight> read_weight(Sections& sections, Arguments& arguments, TrackKind kind,
                                       std::optional<bool>& reverse, int64_t most) {
  const Word* word = arguments.take("a number");
  if (word == nullptr) return std::nullopt;
  auto value = signed_number(sections, *word, "weight", most);
  if (!value) {
    arguments.ignore_rest();
    return std::nullopt;
  }
  const int bound = most_weight(kind);
  if (most <= kMostFileWeight && std::abs(*value) > bound) {
    sections.problems.warning(word->spot, fmt::format("a weight of {} is used as {}", *value,
                                                      std::clamp(*value, -bound, bound)));
    value = std::clamp(*value, -bound, bound);
  }
  if (const Word* way = arguments.take_if_any()) {
    if (way->text == "reverse") {
      reverse = true;
    } else if (way->text == "noreverse" || way->text == "no_reverse") {
      reverse = false;
    } else {
      sections.blocks.unknown(way->spot,
                              fmt::format("unknown word {} after weight", quoted(way->text)),
                              "reverse or noreverse");
    }
  }
  return TrackWeight{*value, reverse.value_or(false)};
}

template <typename Draft, TrackKind kKind>
void read_own_weight(Sections& sections, Draft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  std::optional<bool> reverse;
  const int64_t most = kKind == TrackKind::file ? INT_MAX : kMostFileWeight;
  const auto weight = read_weight(sections, arguments, kKind, reverse, most);
  if (weight) draft.config.weight = *weight;
}

template <typename Draft, auto kMember>
void read_time(Sections& sections, Draft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a number of seconds");
  if (word == nullptr) return;
  const bool may_be_zero = arguments.keyword().text.ends_with("delay");
  const auto time =
      sections.values.time(*word, arguments.keyword().text,
                           may_be_zero ? microseconds(0) : kLeastInterval, kLongestTime);
  if (!time) return;
  draft.config.*kMember = *time;
  const bool of_script =
      arguments.keyword().text == "interval" || arguments.keyword().text == "timeout";
  if (of_script && *time % std::chrono::seconds(1) != microseconds(0)) {
    sections.problems.warning(
        word->spot, fmt::format("keepalived 2.2 takes whole seconds only, and would ignore {}",
                                quoted(word->text)));
  }
}

template <typename Draft, auto kMember>
void read_count(Sections& sections, Draft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a number");
  if (word == nullptr) return;
  const bool may_be_zero = arguments.keyword().text.starts_with("quorum");
  const auto count =
      sections.values.number(*word, arguments.keyword().text, {may_be_zero ? 0U : 1U, kMostCount});
  if (!count) return;
  draft.config.*kMember = static_cast<uint32_t>(*count);
}

template <int TrackScriptConfig::*kMember>
void read_steps(Sections& sections, ScriptDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a number");
  if (word == nullptr) return;
  const auto count = sections.values.number(*word, arguments.keyword().text, {1, kMostCount});
  if (count) draft.config.*kMember = static_cast<int>(*count);
}

// "<FILE": up while the file can be opened. Of bash's own files none but bash knows.
void read_opening(Sections& sections, ScriptCommand& command, const Word& word) {
  command.argv.front().erase(0, 1);
  if (command.argv.front().empty()) command.argv.erase(command.argv.begin());
  if (command.argv.empty()) return;
  const std::string file = command.argv.front();
  const bool network = file.starts_with("/dev/tcp/") || file.starts_with("/dev/udp/");
  command.argv = network ? std::vector<std::string>{"bash", "-c", "exec <\"$0\"", file}
                         : std::vector<std::string>{"test", "-r", file};
  sections.problems.warning(
      word.spot, fmt::format("`<` before a file is obsolete: {} looks at it", command.argv.front()),
      network ? fmt::format("script \"bash -c '<{}'\"", file)
              : fmt::format("a track_file, or script \"test -r {}\"", file));
}

void read_script(Sections& sections, ScriptDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a command");
  if (word == nullptr) return;
  ScriptCommand& command = draft.config.command;
  command.place = sections.problems.place_of(word->spot);
  command.argv = split_command(word->text);
  if (command.argv.empty() || command.argv.front().empty()) {
    sections.problems.error(word->spot, fmt::format("{} is not a command", quoted(word->text)));
    command.argv.clear();
    return;
  }
  if (command.argv.front().starts_with('<')) read_opening(sections, command, *word);
}

void read_script_user(Sections& sections, ScriptDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  if (const Word* word = arguments.take("a user")) {
    read_user(*word, arguments, draft.config.command.user, draft.config.command.group);
  }
}

void read_init_fail(Sections& sections, ScriptDraft& draft, const Line& line) {
  const Arguments none(line, sections.problems);
  draft.config.init_fail = true;
}

constexpr WordReader<ScriptDraft> kScriptWords[] = {
    {"script", read_script},
    {"interval", read_time<ScriptDraft, &TrackScriptConfig::interval>},
    {"timeout", read_time<ScriptDraft, &TrackScriptConfig::timeout>},
    {"weight", read_own_weight<ScriptDraft, TrackKind::script>},
    {"rise", read_steps<&TrackScriptConfig::rise>},
    {"fall", read_steps<&TrackScriptConfig::fall>},
    {"user", read_script_user},
    {"init_fail", read_init_fail},
};

void read_process(Sections& sections, ProcessDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  draft.process_spot = line.spot;
  const Word* word = arguments.take("the name of a process");
  if (word == nullptr) return;
  draft.process_spot = word->spot;
  std::vector<std::string> words = {word->text};
  if (!word->quoted) words = split_command(word->text);
  while (const Word* more = arguments.take_if_any())
    words.push_back(more->text);
  if (words.empty() || words.front().empty()) {
    sections.problems.error(word->spot, fmt::format("{} is not a process", quoted(word->text)));
    return;
  }
  draft.config.process = words.front();
  draft.config.parameters.assign(words.begin() + 1, words.end());
}

void read_param_match(Sections& sections, ProcessDraft& draft, const Line& line) {
  static constexpr std::string_view kWays[] = {"partial", "initial"};
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("initial or partial");
  if (word == nullptr) return;
  const auto way = sections.values.choice(*word, "param_match", kWays);
  if (way) draft.match = *way == 0 ? ParameterMatch::partial : ParameterMatch::initial;
}

void read_both_delays(Sections& sections, ProcessDraft& draft, const Line& line) {
  read_time<ProcessDraft, &TrackProcessConfig::fork_delay>(sections, draft, line);
  draft.config.terminate_delay = draft.config.fork_delay;
}

void read_full_command(Sections& sections, ProcessDraft& draft, const Line& line) {
  const Arguments none(line, sections.problems);
  draft.config.full_command = true;
}

constexpr WordReader<ProcessDraft> kProcessWords[] = {
    {"process", read_process},
    {"param_match", read_param_match},
    {"weight", read_own_weight<ProcessDraft, TrackKind::process>},
    {"quorum", read_count<ProcessDraft, &TrackProcessConfig::quorum>},
    {"quorum_max", read_count<ProcessDraft, &TrackProcessConfig::quorum_max>},
    {"delay", read_both_delays},
    {"fork_delay", read_time<ProcessDraft, &TrackProcessConfig::fork_delay>},
    {"terminate_delay", read_time<ProcessDraft, &TrackProcessConfig::terminate_delay>},
    {"full_command", read_full_command},
};

void read_file(Sections& sections, FileDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  if (const Word* word = arguments.take("a path")) draft.config.file = word->text;
}

void read_init_file(Sections& sections, FileDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  draft.config.init = FileInit::create;
  while (const Word* word = arguments.take_if_any()) {
    if (word->text == "overwrite") {
      draft.config.init = FileInit::overwrite;
    } else if (const auto value = signed_number(sections, *word, "init_file", INT_MAX)) {
      draft.config.init_value = *value;
    }
  }
}

constexpr WordReader<FileDraft> kFileWords[] = {
    {"file", read_file},
    {"weight", read_own_weight<FileDraft, TrackKind::file>},
    {"init_file", read_init_file},
};

// Reads the name after the block's word.
template <typename Draft>
Spot begin(Sections& sections, Draft& draft, const Line& head) {
  Arguments arguments(head, sections.problems);
  draft.config.place = sections.problems.place_of(head.spot);
  const Word* name = arguments.take("a name");
  if (name == nullptr) return head.spot;
  draft.config.name = name->text;
  return name->spot;
}

// Keeps the first of several trackers with the same name, as keepalived does.
template <typename Config>
void keep(Sections& sections, std::vector<Config>& list, Config config, const Spot& head) {
  const auto other = std::find_if(list.begin(), list.end(),
                                  [&](const Config& item) { return item.name == config.name; });
  if (other == list.end()) {
    list.push_back(std::move(config));
    return;
  }
  sections.problems.warning(head, fmt::format("`{}` stands already at {}: that one counts",
                                              config.name, to_string(other->place)));
}

void finish_process(Sections& sections, ProcessDraft& draft) {
  TrackProcessConfig& config = draft.config;
  const bool with_parameters = !config.parameters.empty() || draft.match.has_value();
  if (with_parameters) {
    config.full_command = true;
    config.match = draft.match.value_or(ParameterMatch::exact);
    if (config.parameters.empty()) config.match = ParameterMatch::exact;
  }
  if (config.quorum_max && *config.quorum_max<config.quorum&& * config.quorum_max> 0) {
    sections.problems.warning(draft.process_spot,
                              fmt::format("quorum_max {} is below quorum {}: it always fails",
                                          *config.quorum_max, config.quorum));
  }
  if (config.quorum_max == 0U) config.quorum = 0;
  if (config.full_command) return;
  if (config.process.find('/') != std::string::npos) {
    sections.problems.warning(
        draft.process_spot,
        fmt::format("{} is never a process' name: without full_command that is compared, which has "
                    "no directory",
                    quoted(config.process)),
        fmt::format("process {}", config.process.substr(config.process.rfind('/') + 1)));
  } else if (config.process.size() > kCommLength) {
    sections.problems.warning(
        draft.process_spot,
        fmt::format("of {} the first {} characters are compared: the kernel keeps no more",
                    quoted(config.process), kCommLength),
        "full_command");
  }
}

}  // namespace

void read_track_script(Sections& sections, const Line& head) {
  ScriptDraft draft;
  const Spot spot = begin(sections, draft, head);
  read_section<ScriptDraft>(sections, BlockKind::vrrp_script, head, draft, kScriptWords);
  if (draft.config.command.argv.empty()) {
    if (!sections.problems.has_errors() && sections.blocks.braces_are_balanced()) {
      sections.blocks.unknown(spot,
                              fmt::format("vrrp_script `{}` has no script", draft.config.name),
                              "script \"/path/to/check\"");
    }
    return;
  }
  keep(sections, sections.track.config.scripts, std::move(draft.config), spot);
}

void read_track_process(Sections& sections, const Line& head) {
  ProcessDraft draft;
  const Spot spot = begin(sections, draft, head);
  read_section<ProcessDraft>(sections, BlockKind::vrrp_track_process, head, draft, kProcessWords);
  if (draft.config.process.empty()) {
    if (!sections.problems.has_errors() && sections.blocks.braces_are_balanced()) {
      sections.blocks.unknown(
          spot, fmt::format("vrrp_track_process `{}` has no process", draft.config.name),
          "process NAME");
    }
    return;
  }
  finish_process(sections, draft);
  keep(sections, sections.track.config.processes, std::move(draft.config), spot);
}

void read_track_file(Sections& sections, const Line& head) {
  FileDraft draft;
  const Spot spot = begin(sections, draft, head);
  if (head.words[0].text == "vrrp_track_file") {
    sections.blocks.warn_once(head.spot, "`vrrp_track_file` is an old name of `track_file`");
  }
  read_section<FileDraft>(sections, BlockKind::track_file, head, draft, kFileWords);
  if (draft.config.file.empty()) {
    if (!sections.problems.has_errors() && sections.blocks.braces_are_balanced()) {
      sections.blocks.unknown(spot, fmt::format("track_file `{}` has no file", draft.config.name),
                              "file \"/path\"");
    }
    return;
  }
  keep(sections, sections.track.config.files, std::move(draft.config), spot);
}

void read_track_uses(Sections& sections, std::vector<TrackUseDraft>& uses, TrackKind kind,
                     const Line& head) {
  { const Arguments none(head, sections.problems); }
  sections.blocks.read_lines(BlockKind::lines, head, [&](const Line& line) {
    Arguments arguments(line, sections.problems);
    TrackUseDraft use;
    use.kind = kind;
    use.name = arguments.keyword();
    use.defined_before = is_defined(sections, use);
    if (const Word* word = arguments.take_if_any()) {
      if (word->text != "weight") {
        sections.blocks.unknown(
            word->spot, fmt::format("unknown word {}", quoted(word->text)),
            fmt::format("{} weight N [reverse], one {} a line", use.name.text, name_of(kind)));
        return arguments.ignore_rest();
      }
      const int64_t most = kind == TrackKind::file ? INT_MAX : kMostFileWeight;
      use.weight = read_weight(sections, arguments, kind, use.reverse, most);
    }
    const bool known = std::any_of(uses.begin(), uses.end(), [&](const TrackUseDraft& other) {
      return other.kind == kind && other.name.text == use.name.text;
    });
    if (known) {
      sections.problems.warning(
          use.name.spot,
          fmt::format("{} stands here already: the first one counts", quoted(use.name.text)));
      return;
    }
    uses.push_back(std::move(use));
  });
}

}  // namespace xlb::parse
