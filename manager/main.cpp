// xlbd: arguments, then either check the configuration (-t), clean up (--purge) or run the
// director.
#include <getopt.h>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "base/log.h"
#include "base/version.h"
#include "core/config_parse.h"
#include "core/diagnostic.h"
#include "director/check_config.h"
#include "director/director.h"
#include "io/descriptors.h"
#include "io/run_directory.h"

namespace {

using namespace xlb;

constexpr std::string_view kUsage =
    "usage: xlbd [-f FILE] [-t] [-i ID] [--run-dir DIR] [--status-listen ADDR:PORT|none]\n"
    "       xlbd --purge [--run-dir DIR]\n"
    "       xlbd --version | --help\n";

constexpr std::string_view kHelp =
    "\n"
    "  -f, --file FILE        configuration in keepalived.conf's language; default\n"
    "                         /etc/xlb/xlb.conf, else /etc/keepalived/keepalived.conf\n"
    "  -t, --test             check FILE, print every problem, exit 1 on errors\n"
    "  -i, --config-id ID     which `@ID` lines of FILE count; default: the host's name\n"
    "      --run-dir DIR      control socket, lock and pinned BPF objects; default /run/xlb\n"
    "      --status-listen A  HTTP status at ADDR:PORT, or none; overrides the configuration\n"
    "      --purge            remove whatever a stopped or crashed xlbd left behind\n"
    "\n"
    "Signals: SIGTERM hands over and stops, SIGHUP reloads, SIGUSR1 logs a summary, SIGUSR2 ends\n"
    "for a restart: nothing is handed over, the next start takes everything on.\n";

enum ExitCode { kOk = 0, kFailed = 1, kUsageError = 2 };

struct Arguments {
  std::string file;
  std::string config_id;
  std::string run_directory = "/run/xlb";
  std::optional<std::string> status_listen;
  bool test = false;
  bool purge = false;
};

std::string default_file() {
  constexpr const char* kOwn = "/etc/xlb/xlb.conf";
  constexpr const char* kKeepalived = "/etc/keepalived/keepalived.conf";
  return file_exists(kOwn) || !file_exists(kKeepalived) ? kOwn : kKeepalived;
}

int usage_error(std::string_view what) {
  fmt::print(stderr, "error: {}\n{}", what, kUsage);
  return kUsageError;
}

int check(const std::string& file, const std::string& config_id) {
  const CheckedConfig checked = check_config_file(file, Strictness::test, config_id);
  for (const Diagnostic& diagnostic : checked.diagnostics) {
    fmt::print(stderr, "{}\n", explain(diagnostic));
  }
  return checked.config ? kOk : kFailed;
}

int purge(const std::string& run_directory) {
  const auto result = Director::purge(run_directory);
  if (!result) {
    fmt::print(stderr, "error: {}\n", result.error().text);
    return kFailed;
  }
  return kOk;
}

int run(const Arguments& arguments) {
  DirectorOptions options;
  options.config_file = arguments.file;
  options.config_id = arguments.config_id;
  options.run_directory = arguments.run_directory;
  options.status_listen = arguments.status_listen;
  auto director = Director::create(options);
  if (!director) {
    log::error("{}", director.error().text);
    return kFailed;
  }
  const auto result = (*director)->run();
  if (!result) {
    log::error("{}", result.error().text);
    return kFailed;
  }
  return kOk;
}

// Fills `arguments`; returns an exit code when there is nothing left to do.
std::optional<int> parse(int argc, char** argv, Arguments& arguments) {
  enum { kRunDirectory = 256, kStatusListen, kPurge, kVersion };
  constexpr option kOptions[] = {{"file", required_argument, nullptr, 'f'},
                                 {"config-id", required_argument, nullptr, 'i'},
                                 {"test", no_argument, nullptr, 't'},
                                 {"run-dir", required_argument, nullptr, kRunDirectory},
                                 {"status-listen", required_argument, nullptr, kStatusListen},
                                 {"purge", no_argument, nullptr, kPurge},
                                 {"version", no_argument, nullptr, kVersion},
                                 {"help", no_argument, nullptr, 'h'},
                                 {nullptr, 0, nullptr, 0}};
  int option = 0;
  while ((option = ::getopt_long(argc, argv, "f:i:th", kOptions, nullptr)) != -1) {
    switch (option) {
      case 'f':
        arguments.file = optarg;
        break;
      case 'i':
        arguments.config_id = optarg;
        break;
      case 't':
        arguments.test = true;
        break;
      case kRunDirectory:
        arguments.run_directory = optarg;
        break;
      case kStatusListen:
        arguments.status_listen = optarg;
        break;
      case kPurge:
        arguments.purge = true;
        break;
      case kVersion:
        fmt::print("xlbd {}\n", xlb::kVersion);
        return kOk;
      case 'h':
        fmt::print("{}{}", kUsage, kHelp);
        return kOk;
      default:
        fmt::print(stderr, "{}", kUsage);
        return kUsageError;
    }
  }
  if (optind < argc) return usage_error(fmt::format("unexpected argument '{}'", argv[optind]));
  if (arguments.run_directory.empty()) return usage_error("--run-dir needs a directory");
  if (arguments.purge && arguments.test) return usage_error("--purge and -t exclude each other");
  return std::nullopt;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (const auto code = parse(argc, argv, arguments)) return *code;
  if (arguments.purge) return purge(arguments.run_directory);
  if (arguments.file.empty()) arguments.file = default_file();
  if (!arguments.test) make_room_for_descriptors();
  return arguments.test ? check(arguments.file, arguments.config_id) : run(arguments);
}
