// Tells when files change: written, replaced, created, removed, or their directory. inotify on the
// loop; the files are read on a worker's thread, as a disk may make one wait. A path whose
// directory does not exist is looked for once a second. It must not know what the files say.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "io/event_loop.h"
#include "io/worker.h"

namespace xlb {

class FileWatch {
 public:
  // The file's first bytes; empty text when it cannot be read, `missing` says why.
  struct Content {
    std::string text;
    std::string missing;
  };
  // Once for every file that is newly followed, then after each change; from the loop.
  using Handler = std::function<void(const std::string& path, const Content& content)>;

  static Result<std::unique_ptr<FileWatch>> create(EventLoop& loop, Handler handler);
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;

  // The file as it is now. Waits for the disk: not while the loop runs.
  static Content look(const std::string& path);

  // These and no others from now on; those followed already go on.
  void follow(const std::set<std::string>& paths);
  // Writes `text` to the file before what follows is read: when there is none, or in any case.
  // A failure is told as the file's content.
  void write_first(const std::string& path, const std::string& text, bool overwrite);

 private:
  struct File {
    std::string directory;
    std::string name;
    int directory_watch = -1;
    int file_watch = -1;  // of what a symbolic link leads to
  };

  FileWatch(EventLoop& loop, Handler handler);
  void readable();
  void settle(const std::string& path, File& file);
  void settle_all();
  void read(const std::string& path);
  void drop_watch(int watch);

  EventLoop& loop_;
  Handler handler_;
  UniqueFd inotify_;
  EventLoop::Watch watch_;
  EventLoop::Timer retry_;
  std::map<std::string, File> files_;  // by path
  Worker worker_;                      // ends before those it tells
};

}  // namespace xlb
