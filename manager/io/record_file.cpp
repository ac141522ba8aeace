#include "io/record_file.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>

namespace xlb {

Result<void> save_record(const std::string& path, const std::string& text) {
  if (text.empty()) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
      return fail_errno(errno, "cannot remove {}", path);
    }
    return {};
  }
  const std::string aside = path + ".new";
  {
    std::ofstream file(aside, std::ios::trunc);
    file << text;
    if (!file.flush()) return fail("cannot write {}", aside);
  }
  if (std::rename(aside.c_str(), path.c_str()) != 0) {
    return fail_errno(errno, "cannot rename {} to {}", aside, path);
  }
  return {};
}

}  // namespace xlb
