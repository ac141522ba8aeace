#include "core/config_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

namespace xlb {
namespace {

using Json = nlohmann::ordered_json;

// Where a word that is acted on means something else than with keepalived 2.2, whatever its value.
struct Difference {
  BlockKind block;
  std::string_view word;
  std::string_view what;
};
constexpr Difference kDifferences[] = {
    {BlockKind::vrrp_instance, "notify",
     "scripts of an instance run one after the other, in order; keepalived runs them side by side"},
    {BlockKind::vrrp_instance, "notify_master",
     "scripts of an instance run one after the other, in order; keepalived runs them side by side"},
    {BlockKind::vrrp_instance, "notify_backup",
     "scripts of an instance run one after the other, in order; keepalived runs them side by side"},
    {BlockKind::vrrp_instance, "notify_fault",
     "scripts of an instance run one after the other, in order; keepalived runs them side by side"},
    {BlockKind::virtual_server, "sorry_server",
     "existing connections are finished where they are; keepalived cuts them off"},
    {BlockKind::virtual_server, "sorry_server_inhibit",
     "always so: existing connections are finished where they are"},
    {BlockKind::virtual_server, "sh-fallback",
     "always so: whom no real server may take goes to another"},
    {BlockKind::virtual_server, "mh-fallback",
     "always so: whom no real server may take goes to another"},
    {BlockKind::real_server, "notify_up",
     "runs for whatever reason the server goes up; keepalived: for checks alone"},
    {BlockKind::real_server, "notify_down",
     "runs for whatever reason the server goes down; keepalived: for checks alone"},
    {BlockKind::http_get, "url",
     "every url is asked for in each attempt; keepalived asks for one each delay_loop"},
    {BlockKind::http_get, "connect_timeout",
     "one deadline for the whole answer; keepalived starts it anew with each read"},
};

std::string_view difference_of(const SaidStatement& statement) {
  if (statement.keyword == nullptr) return {};
  const auto* const found =
      std::find_if(std::begin(kDifferences), std::end(kDifferences), [&](const Difference& one) {
        return one.block == statement.block && one.word == statement.keyword->name;
      });
  return found == std::end(kDifferences) ? std::string_view() : found->what;
}

using PlaceKey = std::pair<std::string, int>;  // file and line

PlaceKey key_of(const Place& place) {
  return {place.file, place.line};
}

ReportLine judge(const SaidStatement& statement, const Keyword* keyword) {
  ReportLine line;
  line.place = statement.place;
  if (statement.block != BlockKind::root) line.block = name_of(statement.block);
  line.text = statement.text;
  if (keyword != nullptr && keyword->standing != Standing::acted) {
    line.outcome = Outcome::ignored;
    line.what = keyword->consequence;
  } else if (statement.skipped) {
    line.outcome = Outcome::ignored;
    line.what = "its block is";
  } else if (const std::string_view what = difference_of(statement); !what.empty()) {
    line.outcome = Outcome::differently;
    line.what = what;
  }
  return line;
}

// The statement of its line that a diagnostic is about: the last that begins before it.
ReportLine* line_about(std::map<PlaceKey, std::vector<size_t>>& by_place, ConfigReport& report,
                       const Diagnostic& diagnostic) {
  const auto found = by_place.find(key_of(diagnostic.place));
  if (found == by_place.end()) return nullptr;
  ReportLine* result = nullptr;
  for (const size_t i : found->second) {
    ReportLine& line = report.lines[i];
    if (result == nullptr || line.place.column <= diagnostic.place.column) result = &line;
  }
  return result;
}

void add_diagnostic(ReportLine& line, const Diagnostic& diagnostic) {
  const bool error = diagnostic.severity == Diagnostic::Severity::error;
  if (!error && line.outcome != Outcome::honoured && line.outcome != Outcome::differently) return;
  if (error && line.outcome == Outcome::error) {
    line.what += "; " + diagnostic.text;
    return;
  }
  line.outcome = error ? Outcome::error : Outcome::differently;
  line.what = diagnostic.text;
  line.hint = diagnostic.hint;
}

}  // namespace

std::string_view name_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::honoured:
      return "honoured";
    case Outcome::differently:
      return "honoured differently";
    case Outcome::ignored:
      return "ignored";
    case Outcome::error:
      return "error";
  }
  return "";
}

size_t ConfigReport::count(Outcome outcome) const {
  return static_cast<size_t>(std::count_if(
      lines.begin(), lines.end(), [&](const ReportLine& line) { return line.outcome == outcome; }));
}

ConfigReport report_on(const ParseOutcome& outcome) {
  ConfigReport report;
  std::map<PlaceKey, std::vector<size_t>> by_place;
  for (const SaidStatement& statement : outcome.statements) {
    by_place[key_of(statement.place)].push_back(report.lines.size());
    report.lines.push_back(judge(statement, statement.keyword));
  }
  std::vector<ReportLine> others;
  for (const Diagnostic& diagnostic : outcome.diagnostics) {
    ReportLine* const line = line_about(by_place, report, diagnostic);
    if (line != nullptr) {
      add_diagnostic(*line, diagnostic);
      continue;
    }
    ReportLine other;
    other.place = diagnostic.place;
    other.outcome =
        diagnostic.severity == Diagnostic::Severity::error ? Outcome::error : Outcome::differently;
    other.what = diagnostic.text;
    other.hint = diagnostic.hint;
    others.push_back(std::move(other));
  }
  report.lines.insert(report.lines.end(), others.begin(), others.end());
  return report;
}

std::string report_text(const ConfigReport& report, const std::string& file) {
  std::string text = fmt::format("{}: {} statements\n", file, report.lines.size());
  static constexpr Outcome kOrder[] = {Outcome::error, Outcome::ignored, Outcome::differently,
                                       Outcome::honoured};
  for (const Outcome outcome : kOrder) {
    const size_t count = report.count(outcome);
    text += fmt::format("\n{}: {}\n", name_of(outcome), count);
    std::map<std::pair<std::string, std::string>, size_t> words;  // honoured: only counted
    for (const ReportLine& line : report.lines) {
      if (line.outcome != outcome) continue;
      if (outcome == Outcome::honoured) {
        ++words[{line.block, line.text.substr(0, line.text.find(' '))}];
        continue;
      }
      text += fmt::format("  {}: {}{}{}\n", to_string(line.place),
                          line.text.empty() ? "" : xlb::quoted(line.text),
                          line.text.empty() || line.what.empty() ? "" : ": ", line.what);
      if (!line.hint.empty()) text += fmt::format("    hint: {}\n", line.hint);
    }
    for (const auto& [word, times] : words) {
      text += fmt::format("  {}{}{}: {}\n", word.first, word.first.empty() ? "" : " ",
                          xlb::quoted(word.second), times);
    }
  }
  return text;
}

std::string report_json(const ConfigReport& report, const std::string& file) {
  static constexpr std::string_view kNames[] = {"honoured", "differently", "ignored", "error"};
  Json statements = Json::array();
  for (const ReportLine& line : report.lines) {
    Json one{{"outcome", kNames[static_cast<size_t>(line.outcome)]},
             {"file", line.place.file},
             {"line", line.place.line},
             {"column", line.place.column},
             {"block", line.block},
             {"statement", line.text},
             {"what", line.what},
             {"hint", line.hint}};
    statements.push_back(std::move(one));
  }
  Json counts;
  for (const Outcome outcome :
       {Outcome::honoured, Outcome::differently, Outcome::ignored, Outcome::error}) {
    counts[std::string(kNames[static_cast<size_t>(outcome)])] = report.count(outcome);
  }
  return Json{{"file", file}, {"counts", std::move(counts)}, {"statements", std::move(statements)}}
      .dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace xlb
