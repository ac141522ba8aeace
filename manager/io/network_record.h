// What a crashed daemon cannot clean up itself, beside addresses: the routes, rules and interfaces
// it had made, kept as one small file in the run directory so that the next start, or --purge
// without a configuration, takes them away. Lines are "route ...", "rule ..." and "macvlan NAME".
#pragma once

#include <set>
#include <string>

#include "base/result.h"

namespace xlb {

class NetworkRecord {
 public:
  // Reads `path`; an absent file counts as nothing.
  explicit NetworkRecord(std::string path);

  [[nodiscard]] const std::set<std::string>& lines() const { return lines_; }
  // Each writes the file whole and renames it into place when something changed.
  Result<void> add(const std::string& line);
  Result<void> remove(const std::string& line);

 private:
  [[nodiscard]] Result<void> save() const;

  std::string path_;
  std::set<std::string> lines_;
};

}  // namespace xlb
