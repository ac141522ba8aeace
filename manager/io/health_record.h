// The last verdict of every check, in a file of the run directory: a restarted daemon does not put
// a dead real server back in, nor take a good one out for one failure. It must not know what a
// check is.
#pragma once

#include <map>
#include <string>

#include "base/result.h"

namespace xlb {

class HealthRecord {
 public:
  struct Verdict {
    bool up = true;
    std::string text;  // the last result in words

    bool operator==(const Verdict&) const = default;
  };
  using Verdicts = std::map<std::string, Verdict>;  // by a name of the check, without line breaks

  // Reads `path`; absent, or lines that are no verdict, count as nothing.
  explicit HealthRecord(std::string path);

  [[nodiscard]] const Verdicts& verdicts() const { return verdicts_; }
  // Writes the file whole and renames it into place when something changed.
  Result<void> save(const Verdicts& verdicts);

 private:
  std::string path_;
  Verdicts verdicts_;
};

}  // namespace xlb
