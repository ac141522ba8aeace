#include "io/config_file.h"

#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <net/if.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <set>

#include "base/unique_fd.h"

namespace xlb {
namespace {

constexpr size_t kLargestFile = size_t{16} << 20;

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

class HostChecker {
 public:
  void check_interface(const std::string& name, const Place& place) {
    if (name.empty() || !interfaces_.insert(name).second || ::if_nametoindex(name.c_str()) != 0)
      return;
    warn(place, fmt::format("interface {} does not exist on this host", quoted(name)));
  }

  void check_script(const std::optional<ScriptCommand>& script) {
    if (!script) return;
    const std::string& program = script->argv.front();
    if (program.find('/') != std::string::npos && programs_.insert(program).second) {
      check_program(program, script->place);
    }
    check_user(script->user, script->group, script->place);
  }

  void check_user(const std::string& user, const std::string& group, const Place& place) {
    if (!user.empty() && users_.insert(user).second && ::getpwnam(user.c_str()) == nullptr) {
      warn(place, fmt::format("user {} does not exist on this host", quoted(user)));
    }
    if (!group.empty() && groups_.insert(group).second && ::getgrnam(group.c_str()) == nullptr) {
      warn(place, fmt::format("group {} does not exist on this host", quoted(group)));
    }
  }

  std::vector<Diagnostic> take() { return std::move(found_); }

 private:
  void check_program(const std::string& program, const Place& place) {
    struct stat status {};
    if (::stat(program.c_str(), &status) != 0) {
      const int code = errno;
      warn(place, fail_errno(code, "cannot run {}", quoted(program)).text);
    } else if (!S_ISREG(status.st_mode) || (status.st_mode & 0111) == 0) {
      warn(place, fmt::format("cannot run {}: not an executable file", quoted(program)));
    }
  }

  void warn(const Place& place, std::string text) {
    found_.push_back({Diagnostic::Severity::warning, place, std::move(text), ""});
  }

  std::vector<Diagnostic> found_;
  std::set<std::string> interfaces_;
  std::set<std::string> programs_;
  std::set<std::string> users_;
  std::set<std::string> groups_;
};

}  // namespace

Result<std::string> ConfigFileReader::read(const std::string& path) {
  // Opening a FIFO must not wait for a writer; a pipe given as /dev/fd/N has one.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd.valid()) return fail_errno(errno, "cannot read {}", quoted(path));
  const int flags = ::fcntl(fd.get(), F_GETFL);
  (void)::fcntl(fd.get(), F_SETFL, flags & ~O_NONBLOCK);
  std::string text;
  std::array<char, 65536> buffer{};
  while (true) {
    const ssize_t count = ::read(fd.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno(errno, "cannot read {}", quoted(path));
    if (count == 0) return text;
    text.append(buffer.data(), static_cast<size_t>(count));
    if (text.size() > kLargestFile) {
      return fail("cannot read {}: larger than {} MiB", quoted(path), kLargestFile >> 20);
    }
  }
}

std::vector<std::string> ConfigFileReader::glob(const std::string& pattern,
                                                const std::string& relative_to) {
  const std::string path = pattern.starts_with('/') ? pattern : directory_of(relative_to) + pattern;
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

std::vector<Diagnostic> absent_on_this_host(const Config& config) {
  HostChecker checker;
  for (const VrrpInstanceConfig& instance : config.vrrp_instances) {
    checker.check_interface(instance.interface, instance.interface_place);
    for (const VirtualAddress& address : instance.virtual_addresses) {
      checker.check_interface(address.device, instance.place);
    }
    for (const auto* script : {&instance.notify_master, &instance.notify_backup,
                               &instance.notify_fault, &instance.notify_stop, &instance.notify}) {
      checker.check_script(*script);
    }
  }
  return checker.take();
}

}  // namespace xlb
