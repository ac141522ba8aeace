#include "base/log.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

namespace xlb::log {
namespace {

// systemd sets JOURNAL_STREAM to "device:inode" of the stream it connected to stderr.
bool stderr_is_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  if (stream == nullptr) return false;
  struct stat status {};
  if (::fstat(STDERR_FILENO, &status) != 0) return false;
  return fmt::format("{}:{}", status.st_dev, status.st_ino) == stream;
}

std::string_view name_of(Level level) {
  switch (level) {
    case Level::error:
      return "error: ";
    case Level::warning:
      return "warning: ";
    case Level::notice:
    case Level::info:
      return "";
  }
  return "";
}

std::string wall_clock() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  tm broken_down{};
  ::localtime_r(&now.tv_sec, &broken_down);
  char text[32];
  const size_t length = std::strftime(text, sizeof text, "%F %T", &broken_down);
  return fmt::format("{}.{:03}", std::string_view(text, length), now.tv_nsec / 1'000'000);
}

}  // namespace

void write(Level level, std::string_view line) {
  static const bool journal = stderr_is_journal();
  const std::string text = journal ? fmt::format("<{}>{}\n", static_cast<int>(level), line)
                                   : fmt::format("{} {}{}\n", wall_clock(), name_of(level), line);
  // One write(2) a line, so that lines of two processes on one terminal never mix. A lost log line
  // must not stop the daemon.
  (void)!::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace xlb::log
