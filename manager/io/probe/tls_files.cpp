#include "io/probe/tls_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/unique_fd.h"

namespace xlb {
namespace {

constexpr size_t kMostBytes = 1UL << 20;

}  // namespace

Result<std::string> read_tls_file(const std::string& path) {
  // Not to wait for the writer of a FIFO.
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) return fail_errno(errno, "cannot open {}", path);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return fail_errno(errno, "cannot read {}", path);
  if (!S_ISREG(status.st_mode)) return fail("cannot read {}: not a file", path);
  std::string bytes(kMostBytes + 1, '\0');
  size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t got = ::read(file.get(), bytes.data() + size, bytes.size() - size);
    if (got < 0) return fail_errno(errno, "cannot read {}", path);
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  if (size > kMostBytes) return fail("cannot read {}: larger than 1 MiB", path);
  bytes.resize(size);
  return bytes;
}

const Result<std::string>& TlsFiles::read(const std::string& path) {
  const auto known = files_.find(path);
  if (known != files_.end()) return known->second;
  return files_.emplace(path, read_tls_file(path)).first->second;
}

}  // namespace xlb
