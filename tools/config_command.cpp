#include "config_command.h"

#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <string_view>

#include "core/config_report.h"
#include "core/config_statements.h"
#include "io/config_file.h"
#include "io/control_client.h"

namespace {

using namespace xlb;
using Json = nlohmann::ordered_json;

constexpr std::string_view kHelp =
    "usage: xlbctl config show [-f FILE] [-i ID] [--json]\n"
    "       xlbctl config report FILE [-i ID] [--json]\n\n"
    "show    the configuration xlbd runs with, or FILE's, without variables and includes\n"
    "        and with all defaults filled in; xlbd can read it again\n"
    "report  each statement of FILE: honoured as keepalived does, honoured differently,\n"
    "        ignored, or an error; exits 1 when there are errors\n\n"
    "  -f, --file FILE     a file instead of the running xlbd\n"
    "  -i, --config-id ID  which `@ID` lines count; default: the host's name\n";

struct Request {
  std::string verb;
  std::string file;
  std::string config_id;
  bool json = false;
};

std::optional<int> parse(const std::vector<std::string>& words, Request& request) {
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    const bool takes_value =
        word == "-f" || word == "--file" || word == "-i" || word == "--config-id";
    if (takes_value && i + 1 == words.size()) {
      return complain(kUsage, fmt::format("{} needs a value", word));
    }
    if (word == "-h" || word == "--help") {
      fmt::print("{}", kHelp);
      return kOk;
    }
    if (word == "--json") {
      request.json = true;
    } else if (word == "-f" || word == "--file") {
      request.file = words[++i];
    } else if (takes_value) {
      request.config_id = words[++i];
    } else if (request.verb.empty() && (word == "show" || word == "report")) {
      request.verb = word;
    } else if (request.verb == "report" && request.file.empty() && !word.starts_with('-')) {
      request.file = word;
    } else {
      return complain(kUsage, fmt::format("cannot understand \"{}\" after config", word),
                      "xlbctl config --help");
    }
  }
  if (request.verb.empty()) return complain(kUsage, "config needs show or report");
  if (request.verb == "report" && request.file.empty()) {
    return complain(kUsage, "config report needs a file");
  }
  return std::nullopt;
}

ParseOutcome parse_file(const Request& request, bool unknown_is_error) {
  ConfigFileReader reader;
  ParseOptions options;
  options.unknown_is_error = unknown_is_error;
  options.config_id = request.config_id.empty() ? default_config_id() : request.config_id;
  options.random_seed = std::random_device()();
  options.keep_text = request.verb == "show";
  options.keep_statements = request.verb == "report";
  return parse_config(request.file, reader, options);
}

int print_effective(const Request& request, std::string_view text) {
  Statement root = read_statements(text);
  fill_in_defaults(root);
  fmt::print("{}{}", request.json ? statements_json(root) : statements_text(root),
             request.json ? "\n" : "");
  return kOk;
}

int show_file(const Request& request) {
  const ParseOutcome outcome = parse_file(request, false);
  for (const Diagnostic& diagnostic : outcome.diagnostics) {
    if (outcome.config && diagnostic.severity == Diagnostic::Severity::warning) continue;
    fmt::print(stderr, "{}\n", explain(diagnostic));
  }
  if (!outcome.config) {
    return complain(kFailed, fmt::format("cannot show {}: it has errors", request.file),
                    fmt::format("xlbctl config report {}", request.file));
  }
  return print_effective(request, outcome.text);
}

int show_running(const GlobalOptions& options, const Request& request) {
  std::string text;
  const auto answer = control_request(
      options.run_directory + "/control", ControlRequest{"config", {}},
      [&](std::string_view line) { text += Json::parse(line).at("text").get<std::string>(); });
  switch (answer.outcome) {
    case ControlAnswer::Outcome::answered:
      return print_effective(request, text);
    case ControlAnswer::Outcome::unreachable:
      return complain(kUnreachable, answer.failure.error, answer.failure.hint);
    default:
      return complain(answer.failure.exit_status, answer.failure.error, answer.failure.hint);
  }
}

int report_file(const Request& request) {
  const ConfigReport report = report_on(parse_file(request, true));
  if (request.json) {
    fmt::print("{}\n", report_json(report, request.file));
  } else {
    fmt::print("{}", report_text(report, request.file));
  }
  return report.count(Outcome::error) == 0 ? kOk : kFailed;
}

}  // namespace

int config_command(const GlobalOptions& options, const std::vector<std::string>& arguments) {
  Request request;
  request.json = options.json;
  if (const auto status = parse(arguments, request)) return *status;
  if (request.verb == "report") return report_file(request);
  return request.file.empty() ? show_running(options, request) : show_file(request);
}
