#include "io/health_record.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

using namespace xlb;

namespace {

struct TemporaryFile {
  std::string path =
      (std::filesystem::temp_directory_path() / fmt::format("xlb-health-{}", ::getpid())).string();
  ~TemporaryFile() { std::filesystem::remove(path); }
};

}  // namespace

TEST_CASE("a restarted daemon finds every check's last verdict") {
  const TemporaryFile file;
  const HealthRecord::Verdicts verdicts = {{"one", {true, "HTTP 200"}},
                                           {"two", {false, "connect: Connection refused"}}};
  REQUIRE(HealthRecord(file.path).save(verdicts).ok());
  CHECK(HealthRecord(file.path).verdicts() == verdicts);
}

TEST_CASE("text of a hostile real server stays on its line") {
  const TemporaryFile file;
  REQUIRE(HealthRecord(file.path).save({{"one", {false, "a\nup\ttwo\tb"}}}).ok());
  const auto verdicts = HealthRecord(file.path).verdicts();
  CHECK(verdicts.size() == 1);
  CHECK_FALSE(verdicts.at("one").up);
}

TEST_CASE("damaged lines count as nothing") {
  const TemporaryFile file;
  std::ofstream(file.path) << "up\nmaybe\tone\ttext\ndown\ttwo\ttext\n";
  CHECK(HealthRecord(file.path).verdicts() == HealthRecord::Verdicts{{"two", {false, "text"}}});
}
