// The plan of the house, enforced: base <- core <- io <- director, and core reads no clock, makes
// no system call, logs nothing.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

std::vector<fs::path> sources_below(const fs::path& folder) {
  std::vector<fs::path> result;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string extension = entry.path().extension().string();
    if (extension == ".h" || extension == ".cpp") result.push_back(entry.path());
  }
  return result;
}

std::vector<std::string> lines_of(const fs::path& path) {
  std::ifstream file(path);
  std::vector<std::string> result;
  for (std::string line; std::getline(file, line);)
    result.push_back(line);
  return result;
}

}  // namespace

TEST_CASE("nothing includes against the direction base <- core <- io <- director") {
  const fs::path manager = fs::path(XLB_SOURCE_DIR) / "manager";
  const std::map<std::string, std::set<std::string>> allowed = {
      {"base", {"base"}},
      {"core", {"base", "core"}},
      {"io", {"base", "core", "io", "xlb"}},
      {"director", {"base", "core", "io", "director"}}};
  const std::regex include(R"(^\s*#\s*include\s*"([a-z_]+)/.*")");
  for (const auto& [module, targets] : allowed) {
    const auto sources = sources_below(manager / module);
    CHECK_FALSE(sources.empty());
    for (const fs::path& path : sources) {
      for (const std::string& line : lines_of(path)) {
        std::smatch found;
        if (!std::regex_search(line, found, include)) continue;
        INFO(path.string(), ": ", line);
        CHECK(targets.count(found[1].str()) == 1);
      }
    }
  }
}

TEST_CASE("core reads no clock, makes no system call and logs nothing") {
  const std::regex forbidden(
      R"(::now\(\)|\bsleep|clock_gettime|std::cerr|std::cout|\bprintf|base/log\.h|)"
      R"(#include <(sys/|unistd|fcntl|net/|netinet/|linux/|fstream|filesystem|thread|iostream))");
  for (const fs::path& path : sources_below(fs::path(XLB_SOURCE_DIR) / "manager" / "core")) {
    for (const std::string& line : lines_of(path)) {
      INFO(path.string(), ": ", line);
      CHECK_FALSE(std::regex_search(line, forbidden));
    }
  }
}

TEST_CASE("base and io log nothing: they return errors") {
  for (const char* module : {"base", "io"}) {
    for (const fs::path& path : sources_below(fs::path(XLB_SOURCE_DIR) / "manager" / module)) {
      if (path.stem() == "log") continue;
      for (const std::string& line : lines_of(path)) {
        INFO(path.string(), ": ", line);
        CHECK(line.find("base/log.h") == std::string::npos);
      }
    }
  }
}
