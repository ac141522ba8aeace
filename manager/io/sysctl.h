// Kernel settings below /proc/sys that are changed for a while: written, with the value that was
// there before kept in a file of the run directory, and put back. It knows no setting's meaning.
#pragma once

#include <map>
#include <string>

#include "base/result.h"

namespace xlb {

class SysctlRecord {
 public:
  struct Change {
    int before = 0;  // what restore() puts back
    int ours = 0;

    bool operator==(const Change&) const = default;
  };

  // Reads the record at `path`; absent or unreadable lines count as nothing. Settings are looked
  // for below `root`.
  explicit SysctlRecord(std::string path, std::string root = "/proc/sys");

  // By name, which is a path: "net/ipv4/conf/eth0/arp_ignore".
  [[nodiscard]] const std::map<std::string, Change>& changes() const { return changes_; }
  // The error's code is ENOENT when there is no such setting, as of an interface that is gone.
  [[nodiscard]] Result<int> read(const std::string& name) const;
  // The record is on disk before the setting changes; the value from before the first change is
  // the one that is kept.
  Result<void> set(const std::string& name, int value);
  // Leaves a value alone that somebody else has set since. A setting that is gone, or was never
  // set here, is success.
  Result<void> restore(const std::string& name);

 private:
  [[nodiscard]] Result<void> write(const std::string& name, int value) const;
  [[nodiscard]] Result<void> save() const;

  std::string path_;
  std::string root_;
  std::map<std::string, Change> changes_;
};

}  // namespace xlb
