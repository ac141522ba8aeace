#include "io/config_file.h"

#include <fcntl.h>
#include <glob.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "base/unique_fd.h"

namespace xlb {
namespace {

constexpr size_t kLargestFile = size_t{16} << 20;

std::string prefix_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

}  // namespace

Result<std::string> ConfigFileReader::read(const std::string& path) {
  // Opening a FIFO must not wait for a writer; a pipe given as /dev/fd/N has one.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd.valid()) return fail_errno(errno, "cannot read {}", xlb::quoted(path));
  const int flags = ::fcntl(fd.get(), F_GETFL);
  (void)::fcntl(fd.get(), F_SETFL, flags & ~O_NONBLOCK);
  std::string text;
  std::array<char, 65536> buffer{};
  while (true) {
    const ssize_t count = ::read(fd.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno(errno, "cannot read {}", xlb::quoted(path));
    if (count == 0) return text;
    text.append(buffer.data(), static_cast<size_t>(count));
    if (text.size() > kLargestFile) {
      return fail("cannot read {}: larger than {} MiB", xlb::quoted(path), kLargestFile >> 20);
    }
  }
}

std::vector<std::string> ConfigFileReader::glob(const std::string& pattern,
                                                const std::string& relative_to) {
  const std::string path = pattern.starts_with('/') ? pattern : prefix_of(relative_to) + pattern;
  glob_t found{};
  std::vector<std::string> result;
  if (::glob(path.c_str(), GLOB_BRACE | GLOB_MARK, nullptr, &found) == 0) {
    for (size_t i = 0; i < found.gl_pathc; ++i) {
      std::string file = found.gl_pathv[i];
      if (!file.ends_with('/')) result.push_back(std::move(file));  // directories are not files
    }
  }
  ::globfree(&found);
  return result;
}

// keepalived's is the working directory, which it changes to the file's: absolute.
std::string ConfigFileReader::directory_of(const std::string& path) {
  std::error_code failure;
  const auto absolute = std::filesystem::absolute(path, failure);
  return failure ? SourceReader::directory_of(path) : absolute.parent_path().string();
}

std::optional<std::string> ConfigFileReader::environment(const std::string& name) {
  const char* const value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return value;
}

std::string default_config_id() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return {};
  const std::string_view host = name.data();
  return std::string(host.substr(0, host.find('.')));
}

}  // namespace xlb
