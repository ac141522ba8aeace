#include "io/bpf_directory.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>

namespace xlb {
namespace {

constexpr std::string_view kLinkPrefix = "link_";

Result<void> make_directories(const std::string& path) {
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (mkdir(part.c_str(), 0755) != 0 && errno != EEXIST) {
      return fail_errno(errno, "cannot make directory {}", part);
    }
    if (end == std::string::npos) return {};
  }
}

bool is_bpffs(const std::string& path) {
  struct statfs status {};
  return statfs(path.c_str(), &status) == 0 &&
         static_cast<unsigned long>(status.f_type) == BPF_FS_MAGIC;
}

bool is_mount_point(const std::string& path) {
  struct stat own {};
  struct stat above {};
  if (stat(path.c_str(), &own) != 0 || stat((path + "/..").c_str(), &above) != 0) return false;
  return own.st_dev != above.st_dev;
}

// Full paths of what is pinned in a directory; empty when it is none. Only the kernel makes names
// with dots in a bpffs
// ("maps.debug"), and nobody can remove them.
std::vector<std::string> entries_of(const std::string& path) {
  const auto close = [](DIR* directory) { closedir(directory); };
  const std::unique_ptr<DIR, decltype(close)> directory(opendir(path.c_str()), close);
  std::vector<std::string> result;
  if (!directory) return result;
  while (const dirent* const entry = readdir(directory.get())) {  // NOLINT(concurrency-mt-unsafe)
    const std::string_view name = entry->d_name;
    if (name.find('.') == std::string_view::npos) result.push_back(path + "/" + std::string(name));
  }
  std::sort(result.begin(), result.end());
  return result;
}

std::string without_trailing_slash(std::string path) {
  while (path.size() > 1 && path.back() == '/')
    path.pop_back();
  return path;
}

}  // namespace

Result<BpfDirectory> BpfDirectory::prepare(std::string path) {
  path = without_trailing_slash(std::move(path));
  if (auto made = make_directories(path); !made) return made.error();
  if (!is_bpffs(path) &&
      mount("bpf", path.c_str(), "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") != 0) {
    return fail_errno(errno, "cannot mount a BPF file system on {}", path);
  }
  return BpfDirectory(std::move(path));
}

Result<void> BpfDirectory::purge(const std::string& given) {
  const std::string path = without_trailing_slash(given);
  if (!is_bpffs(path)) return {};
  const BpfDirectory directory(path);
  for (const auto& link : directory.links()) {
    // A process that still holds the link would keep it attached.
    if (auto fd = open_pin(link); fd && fd->valid()) (void)bpf_link_detach(fd->get());
  }
  for (const auto& entry : entries_of(path)) {
    if (auto removed = remove_pins(entry); !removed) return removed;
  }
  if (is_mount_point(path) && umount2(path.c_str(), MNT_DETACH) != 0) {
    return fail_errno(errno, "cannot unmount {}", path);
  }
  return {};
}

std::string BpfDirectory::link(std::string_view interface) const {
  std::string name(interface);
  std::replace(name.begin(), name.end(), '.', ':');  // bpffs refuses dots, interface names colons
  return fmt::format("{}/{}{}", path_, kLinkPrefix, name);
}

std::vector<std::string> BpfDirectory::links() const {
  auto result = entries_of(path_);
  const std::string prefix = fmt::format("{}/{}", path_, kLinkPrefix);
  std::erase_if(result, [&](const std::string& name) { return !name.starts_with(prefix); });
  return result;
}

Result<UniqueFd> open_pin(const std::string& path) {
  const int fd = bpf_obj_get(path.c_str());
  if (fd >= 0) return UniqueFd(fd);
  if (fd == -ENOENT) return UniqueFd();
  return fail_errno(fd, "cannot open pin {}", path);
}

Result<void> pin(int fd, const std::string& path) {
  const int failed = bpf_obj_pin(fd, path.c_str());
  if (failed != 0) return fail_errno(failed, "cannot pin {}", path);
  return {};
}

Result<bool> pin_if_missing(int fd, const std::string& path) {
  if (access(path.c_str(), F_OK) == 0) return false;
  if (auto pinned = pin(fd, path); !pinned) return pinned.error();
  return true;
}

Result<void> replace_pin(int fd, const std::string& path) {
  const std::string fresh = path + "_new";
  if (auto removed = remove_pins(fresh); !removed) return removed;
  if (auto pinned = pin(fd, fresh); !pinned) return pinned;
  return rename_pins(fresh, path);
}

Result<void> make_pin_directory(const std::string& path) {
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail_errno(errno, "cannot make directory {}", path);
  }
  return {};
}

Result<void> remove_pins(const std::string& path) {
  for (const auto& entry : entries_of(path)) {
    if (auto removed = remove_pins(entry); !removed) return removed;
  }
  if (remove(path.c_str()) != 0 && errno != ENOENT)
    return fail_errno(errno, "cannot remove {}", path);
  return {};
}

Result<void> rename_pins(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) != 0) {
    return fail_errno(errno, "cannot rename {} to {}", from, to);
  }
  return {};
}

}  // namespace xlb
