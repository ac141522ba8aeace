// The PEM files of the SSL block, read once and kept: an attempt waits for no disk.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/result.h"

namespace xlb {

class TlsFiles {
 public:
  // The file's bytes; the first use reads it. A failure is kept too.
  const Result<std::string>& read(const std::string& path);
  void forget() { files_.clear(); }

 private:
  std::map<std::string, Result<std::string>> files_;
};

// At most 1 MiB: what is longer is no certificate.
Result<std::string> read_tls_file(const std::string& path);

}  // namespace xlb
