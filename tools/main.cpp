// xlbctl: global options, then a command. Data goes to stdout, "error:" and "hint:" lines to
// stderr.
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/version.h"
#include "config_command.h"
#include "genhash.h"
#include "reload.h"
#include "show.h"

namespace {

using Arguments = std::vector<std::string>;

struct Command {
  std::string_view name;
  int (*run)(const GlobalOptions& options, const Arguments& arguments);
  bool own_options;  // everything after the name is the command's own
};

const Command kCommands[] = {
    {"show", show, false},
    {"reload", reload, true},
    {"config", config_command, true},
    {"genhash", [](const GlobalOptions&, const Arguments& arguments) { return genhash(arguments); },
     true},
};

constexpr std::string_view kUsageLine = "usage: xlbctl [--run-dir DIR] [--json] COMMAND\n";

int print_help() {
  fmt::print("{}\n{}", kUsageLine, show_help());
  fmt::print(
      "  {:<18} {}\n"
      "  {:<18} {}\n"
      "  {:<18} {}\n"
      "  {:<18} {}\n\n"
      "  --run-dir DIR      the daemon's run directory; default /run/xlb\n"
      "  --json             print a JSON document instead of a table\n"
      "  -h, --help         print this\n"
      "  -V, --version      print the version\n\n"
      "Exit status: 0 done, 1 refused or failed, 2 usage, 3 xlbd unreachable, 4 not found,\n"
      "5 degraded: xlbd answers, but is not ready.\n",
      "reload [--dry-run]", "read the configuration file again and print what differs",
      "config show [-f F]", "the running configuration, or F's, with all defaults filled in",
      "config report F", "what of a keepalived.conf is honoured, what differs, what is ignored",
      "genhash", "the digest of a page, for an HTTP_GET check; see genhash --help");
  return kOk;
}

const Command* find_command(std::string_view name) {
  for (const Command& command : kCommands) {
    if (command.name == name) return &command;
  }
  return nullptr;
}

struct CommandLine {
  GlobalOptions options;
  const Command* command = nullptr;
  Arguments arguments;  // of the command
};

int unknown_command(const std::string& word) {
  std::vector<std::string_view> names;
  for (const Command& command : kCommands)
    names.push_back(command.name);
  std::string hint = did_you_mean(word, names);
  if (hint.empty()) hint = "xlbctl --help lists the commands";
  return complain(kUsage, fmt::format("cannot do \"{}\": no such command", word), hint);
}

// An exit status when the command line was answered or refused already.
std::optional<int> parse(const Arguments& words, CommandLine& line) {
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    const bool option = word.size() > 1 && word[0] == '-';
    if (line.command != nullptr && (line.command->own_options || !option)) {
      line.arguments.push_back(word);
    } else if (word == "-h" || word == "--help") {
      return print_help();
    } else if (word == "-V" || word == "--version") {
      fmt::print("xlbctl {}\n", xlb::kVersion);
      return kOk;
    } else if (word == "--json") {
      line.options.json = true;
    } else if (word == "--run-dir" && i + 1 < words.size()) {
      line.options.run_directory = words[++i];
    } else if (word == "--run-dir") {
      return complain(kUsage, "--run-dir needs a directory");
    } else if (word.compare(0, 10, "--run-dir=") == 0) {
      line.options.run_directory = word.substr(10);
    } else if (option) {
      return complain(kUsage, fmt::format("no such option: {}", word),
                      did_you_mean(word, {"--run-dir", "--json", "--help", "--version"}));
    } else {
      line.command = find_command(word);
      if (line.command == nullptr) return unknown_command(word);
    }
  }
  return std::nullopt;
}

}  // namespace

int main(int argc, char** argv) {
  CommandLine line;
  if (const auto status = parse(Arguments(argv + 1, argv + argc), line)) return *status;
  if (line.command == nullptr) {
    fmt::print(stderr, "{}hint: xlbctl --help lists the commands\n", kUsageLine);
    return kUsage;
  }
  try {
    return line.command->run(line.options, line.arguments);
  } catch (const std::exception& error) {  // a document that is not what docs/status.md says
    return complain(kFailed, fmt::format("cannot read xlbd's answer: {}", error.what()),
                    "are xlbctl and xlbd of the same version?");
  }
}
