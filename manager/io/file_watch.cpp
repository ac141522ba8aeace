#include "io/file_watch.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstring>
#include <utility>

namespace xlb {
namespace {

constexpr size_t kMostBytes = 127;  // of a file
constexpr auto kRetry = std::chrono::seconds(1);
constexpr uint32_t kDirectoryEvents =
    IN_CLOSE_WRITE | IN_DELETE | IN_MOVE | IN_DELETE_SELF | IN_MOVE_SELF | IN_CREATE | IN_ONLYDIR;
constexpr uint32_t kFileEvents = IN_CLOSE_WRITE | IN_DELETE_SELF | IN_MOVE_SELF;

FileWatch::Content content_of(const std::string& path) {
  // A FIFO in its place must not hold up the reader.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  if (!fd.valid()) return {"", fail_errno(errno, "cannot read it").text};
  std::array<char, kMostBytes> buffer{};
  const ssize_t count = ::read(fd.get(), buffer.data(), buffer.size());
  if (count < 0) return {"", fail_errno(errno, "cannot read it").text};
  return {std::string(buffer.data(), static_cast<size_t>(count)), ""};
}

// Never through a symbolic link that somebody else may have laid out, nor into a device.
void write_file(const std::string& path, const std::string& text, bool overwrite) {
  const int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY |
                    (overwrite ? 0 : O_EXCL);
  const UniqueFd fd(::open(path.c_str(), flags, 0644));
  struct stat found {};
  if (!fd.valid() || ::fstat(fd.get(), &found) != 0 || !S_ISREG(found.st_mode)) return;
  if (::ftruncate(fd.get(), 0) == 0) (void)!::write(fd.get(), text.data(), text.size());
}

}  // namespace

FileWatch::FileWatch(EventLoop& loop, Handler handler)
    : loop_(loop), handler_(std::move(handler)), worker_(loop) {}

Result<std::unique_ptr<FileWatch>> FileWatch::create(EventLoop& loop, Handler handler) {
  std::unique_ptr<FileWatch> result(new FileWatch(loop, std::move(handler)));
  result->inotify_.reset(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!result->inotify_.valid()) return fail_errno(errno, "cannot watch files");
  auto watch = loop.watch(result->inotify_.get(), EPOLLIN,
                          [raw = result.get()](uint32_t) { raw->readable(); });
  if (!watch) return watch.error();
  result->watch_ = std::move(*watch);
  result->retry_ =
      loop.timer(EventLoop::Urgency::normal, [raw = result.get()] { raw->settle_all(); });
  return result;
}

FileWatch::Content FileWatch::look(const std::string& path) {
  return content_of(path);
}

void FileWatch::follow(const std::set<std::string>& paths) {
  for (auto file = files_.begin(); file != files_.end();) {
    if (paths.contains(file->first)) {
      ++file;
      continue;
    }
    const File gone = std::move(file->second);
    file = files_.erase(file);
    drop_watch(gone.file_watch);
    drop_watch(gone.directory_watch);
  }
  for (const std::string& path : paths) {
    const auto [file, is_new] = files_.try_emplace(path);
    if (!is_new) continue;
    const size_t slash = path.rfind('/');
    file->second.directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    file->second.name = slash == std::string::npos ? path : path.substr(slash + 1);
    settle(path, file->second);
    read(path);
  }
  settle_all();
}

// One inotify watch serves every file of its directory.
void FileWatch::drop_watch(int watch) {
  if (watch < 0) return;
  const bool shared = std::any_of(files_.begin(), files_.end(), [&](const auto& item) {
    return item.second.directory_watch == watch || item.second.file_watch == watch;
  });
  if (!shared) (void)::inotify_rm_watch(inotify_.get(), watch);
}

void FileWatch::settle(const std::string& path, File& file) {
  file.directory_watch =
      ::inotify_add_watch(inotify_.get(), file.directory.c_str(), kDirectoryEvents);
  file.file_watch = ::inotify_add_watch(inotify_.get(), path.c_str(), kFileEvents | IN_MASK_ADD);
}

void FileWatch::settle_all() {
  bool all = true;
  for (auto& [path, file] : files_) {
    if (file.directory_watch >= 0) continue;
    settle(path, file);
    if (file.directory_watch < 0) {
      all = false;
    } else {
      read(path);
    }
  }
  if (!all) retry_.arm(loop_.now() + kRetry);
}

void FileWatch::readable() {
  alignas(inotify_event) std::array<char, 64 * (sizeof(inotify_event) + NAME_MAX + 1)> buffer{};
  std::set<std::string> touched;
  while (true) {
    const ssize_t count = ::read(inotify_.get(), buffer.data(), buffer.size());
    if (count <= 0) break;
    for (size_t at = 0; at < static_cast<size_t>(count);) {
      inotify_event event{};
      std::memcpy(&event, buffer.data() + at, sizeof event);
      const std::string name = event.len > 0 ? buffer.data() + at + sizeof event : "";
      at += sizeof event + event.len;
      const bool overflow = (event.mask & IN_Q_OVERFLOW) != 0;
      const bool gone = (event.mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) != 0;
      for (auto& [path, file] : files_) {
        const bool in_directory = event.wd == file.directory_watch && (gone || name == file.name);
        if (!in_directory && event.wd != file.file_watch && !overflow) continue;
        if (gone && event.wd == file.directory_watch) file.directory_watch = -1;
        touched.insert(path);
      }
    }
  }
  for (const std::string& path : touched) {
    if (File& file = files_.at(path); file.directory_watch >= 0) settle(path, file);
    read(path);
  }
  settle_all();
}

void FileWatch::read(const std::string& path) {
  auto content = std::make_shared<Content>();
  worker_.run([content, path] { *content = content_of(path); },
              [this, content, path] {
                if (files_.contains(path)) handler_(path, *content);
              });
}

void FileWatch::write_first(const std::string& path, const std::string& text, bool overwrite) {
  worker_.run([path, text, overwrite] { write_file(path, text, overwrite); }, [] {});
}

}  // namespace xlb
