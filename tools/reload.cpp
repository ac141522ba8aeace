#include "reload.h"

#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "io/control_client.h"
#include "show_text.h"

namespace {

using namespace xlb;
using Json = nlohmann::ordered_json;

void print_lines(std::FILE* stream, const Json& lines) {
  for (const auto& line : lines)
    fmt::print(stream, "{}\n", line.get<std::string>());
}

}  // namespace

int reload(const GlobalOptions& options, const std::vector<std::string>& arguments) {
  bool json = options.json;
  ControlRequest request{"reload", {}};
  for (const std::string& argument : arguments) {
    if (argument == "--dry-run") {
      request.arguments["dry_run"] = "yes";
    } else if (argument == "--json") {
      json = true;
    } else {
      return complain(kUsage, fmt::format("cannot understand \"{}\" after reload", argument),
                      "reload knows --dry-run and --json");
    }
  }
  Json document = Json::object();
  const auto answer = control_request(options.run_directory + "/control", request,
                                      [&](std::string_view line) { document = Json::parse(line); });
  if (document.contains("changes")) {
    if (json) {
      fmt::print("{}\n", document.dump(2, ' ', false, Json::error_handler_t::replace));
    } else {
      print_lines(stderr, document.at("errors"));
      print_lines(stderr, document.at("warnings"));
      print_lines(stdout, document.at("changes"));
    }
  }
  switch (answer.outcome) {
    case ControlAnswer::Outcome::answered:
      return kOk;
    case ControlAnswer::Outcome::unreachable:
      return complain(kUnreachable, answer.failure.error, answer.failure.hint);
    default:
      return complain(answer.failure.exit_status, answer.failure.error, answer.failure.hint);
  }
}
