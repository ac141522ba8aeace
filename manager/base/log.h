// The daemon's log: one line an event, on stderr, with a journald priority prefix ("<4>") when
// stderr is the journal. Only the director and main log; base, core and io return errors instead.
//
// Levels by who must act: error = somebody now, warning = somebody soon, notice = a state changed,
// info = progress.
#pragma once

#include <fmt/format.h>

#include <string_view>

namespace xlb::log {

enum class Level { error = 3, warning = 4, notice = 5, info = 6 };  // syslog(3) numbers

void write(Level level, std::string_view line);

template <typename... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::error, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::warning, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void notice(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::notice, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::info, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace xlb::log
