// What a crashed daemon cannot clean up itself: the virtual addresses it had put on interfaces,
// kept as one small file in the run directory so that the next start, or --purge without a
// configuration, takes them away.
#pragma once

#include <set>
#include <string>
#include <utility>

#include "base/result.h"
#include "core/types.h"

namespace xlb {

class AddressRecord {
 public:
  using Entry = std::pair<std::string, PrefixedAddress>;  // interface name, address

  // Reads `path`; absent or unreadable lines count as nothing.
  explicit AddressRecord(std::string path);

  [[nodiscard]] const std::set<Entry>& entries() const { return entries_; }
  // Each writes the file whole and renames it into place when something changed.
  Result<void> add(const Entry& entry);
  Result<void> remove(const Entry& entry);

 private:
  [[nodiscard]] Result<void> save() const;

  std::string path_;
  std::set<Entry> entries_;
};

}  // namespace xlb
