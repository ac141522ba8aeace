#include "core/config_parse_problems.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

namespace xlb::parse {

uint32_t Problems::add_file(std::string name) {
  files_.push_back(std::move(name));
  return static_cast<uint32_t>(files_.size() - 1);
}

Place Problems::place_of(const Spot& spot) const {
  return Place{files_[spot.file], static_cast<int>(spot.line), static_cast<int>(spot.column)};
}

uint32_t Problems::add_origin(TextOrigin origin) {
  origins_.push_back(std::move(origin));
  return static_cast<uint32_t>(origins_.size());
}

void Problems::error(const Spot& spot, std::string text, std::string hint) {
  add(Diagnostic::Severity::error, spot, std::move(text), std::move(hint));
}

void Problems::warning(const Spot& spot, std::string text, std::string hint) {
  add(Diagnostic::Severity::warning, spot, std::move(text), std::move(hint));
}

void Problems::add(Diagnostic::Severity severity, const Spot& spot, std::string text,
                   std::string hint) {
  const bool error = severity == Diagnostic::Severity::error;
  size_t& count = error ? errors_ : warnings_;
  const size_t most = error ? kMostErrors : kMostWarnings;
  if (count == most) return;
  ++count;
  if (count == most) {
    text += fmt::format("; this is number {}, further {} are not shown", most,
                        error ? "errors" : "warnings");
  }
  Diagnostic diagnostic{severity, place_of(spot), std::move(text), std::move(hint), {}, {}};
  if (spot.origin != 0) {
    const TextOrigin& written = origin(spot.origin);
    diagnostic.definition = DefinitionPlace{place_of(written.spot), written.variable, {}};
  }
  entries_.push_back({spot, std::move(diagnostic)});
}

std::vector<Diagnostic> Problems::take_in_order() {
  const auto key = [](const Entry& entry) {
    return std::tuple(entry.spot.order, entry.spot.line, entry.spot.column);
  };
  std::stable_sort(entries_.begin(), entries_.end(),
                   [&](const Entry& a, const Entry& b) { return key(a) < key(b); });
  std::vector<Diagnostic> result;
  result.reserve(entries_.size());
  for (Entry& entry : entries_)
    result.push_back(std::move(entry.diagnostic));
  entries_.clear();
  return result;
}

}  // namespace xlb::parse
