// What becomes of each statement of a keepalived.conf: for those who migrate.
#pragma once

#include <string>
#include <vector>

#include "core/config_parse.h"

namespace xlb {

enum class Outcome : uint8_t {
  honoured,     // as keepalived does
  differently,  // and what differs
  ignored,      // and what will not happen
  error,        // xlbd refuses the file for it
};
std::string_view name_of(Outcome outcome);

struct ReportLine {
  Outcome outcome = Outcome::honoured;
  Place place;
  std::string block;  // that it stands in; empty at the top level
  std::string text;   // the statement
  std::string what;   // what differs, what will not happen, what is wrong; may be empty
  std::string hint;
};

struct ConfigReport {
  std::vector<ReportLine> lines;  // in reading order
  [[nodiscard]] size_t count(Outcome outcome) const;
};

// `outcome` with its statements kept.
ConfigReport report_on(const ParseOutcome& outcome);

std::string report_text(const ConfigReport& report, const std::string& file);
std::string report_json(const ConfigReport& report, const std::string& file);

}  // namespace xlb
