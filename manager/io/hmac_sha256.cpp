#include "io/hmac_sha256.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/unique_fd.h"

namespace xlb {
namespace {

constexpr size_t kLongestKeyFile = 256;  // 64 bytes in hexadecimal, and room
constexpr mode_t kForbidden = S_IWGRP | S_IRWXO;

}  // namespace

std::array<uint8_t, 32> hmac_sha256(std::span<const uint8_t> key,
                                    std::span<const uint8_t> message) {
  std::array<uint8_t, 32> result{};
  unsigned length = 0;
  ::HMAC(::EVP_sha256(), key.data(), static_cast<int>(key.size()), message.data(), message.size(),
         result.data(), &length);
  return result;
}

Result<std::string> read_key_file(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file.valid()) return fail_errno(errno, "cannot read key file {}", path);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return fail_errno(errno, "cannot read key file {}", path);
  if (!S_ISREG(status.st_mode)) return fail("cannot use key file {}: not a regular file", path);
  if ((status.st_mode & kForbidden) != 0) {
    return fail("cannot use key file {}: others may read or write it: chmod 600", path);
  }
  std::string text(kLongestKeyFile + 1, '\0');
  const ssize_t size = ::read(file.get(), text.data(), text.size());
  if (size < 0) return fail_errno(errno, "cannot read key file {}", path);
  text.resize(static_cast<size_t>(size));
  if (text.size() > kLongestKeyFile) return fail("cannot use key file {}: too long", path);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r'))
    text.pop_back();
  return text;
}

}  // namespace xlb
