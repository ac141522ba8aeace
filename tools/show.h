// xlbctl show: asks the daemon and prints what it says.
#pragma once

#include <string>
#include <vector>

// xlbctl's exit statuses.
enum ExitStatus {
  kOk = 0,
  kFailed = 1,
  kUsage = 2,
  kUnreachable = 3,
  kNotFound = 4,
  kDegraded = 5,  // answered, but xlbd is not ready
};

// What stands before or after the command.
struct GlobalOptions {
  std::string run_directory = "/run/xlb";
  bool json = false;
};

// `arguments` are those after the word "show".
int show(const GlobalOptions& options, const std::vector<std::string>& arguments);
std::string show_help();

// "error: " and "hint: " lines on stderr, the latter if there is one; returns `status`.
int complain(int status, const std::string& error, const std::string& hint = {});
// "did you mean \"show\"?"; empty when no candidate is near.
std::string did_you_mean(const std::string& word, const std::vector<std::string_view>& candidates);
