#include "io/advert_record.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

using namespace xlb;
using namespace std::chrono_literals;

namespace {

struct TemporaryFile {
  std::string path =
      (std::filesystem::temp_directory_path() / fmt::format("xlb-adverts-{}", ::getpid())).string();
  ~TemporaryFile() { std::filesystem::remove(path); }
};

}  // namespace

TEST_CASE("a restarted daemon finds when it last spoke as master") {
  const TemporaryFile file;
  const TimePoint spoke = TimePoint() + 1234567891ns;
  {
    auto record = AdvertRecord::open(file.path);
    REQUIRE(record.ok());
    (*record)->stamp("VI_1", spoke);
    (*record)->stamp("VI_2", spoke);
    (*record)->clear("VI_2");
  }
  auto record = AdvertRecord::open(file.path);
  REQUIRE(record.ok());
  CHECK((*record)->last("VI_1") == spoke);
  CHECK_FALSE((*record)->last("VI_2").has_value());
  CHECK_FALSE((*record)->last("VI_3").has_value());
}

TEST_CASE("more instances than there is room for are not remembered, and harm nothing") {
  const TemporaryFile file;
  auto record = AdvertRecord::open(file.path);
  REQUIRE(record.ok());
  for (size_t i = 0; i < AdvertRecord::kInstances + 5; ++i) {
    (*record)->stamp(std::to_string(i), TimePoint() + 1s);
  }
  CHECK((*record)->last("0").has_value());
  CHECK_FALSE((*record)->last(std::to_string(AdvertRecord::kInstances + 1)).has_value());
}
