#include "io/sysctl.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "io/loopback_delivery.h"

using namespace xlb;

namespace {

constexpr const char* kName = "net/ipv4/conf/eth0/arp_ignore";

// A directory that stands for /proc/sys, and the record beside it.
class Host {
 public:
  Host() { set("0"); }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  ~Host() { std::filesystem::remove_all(directory_); }

  [[nodiscard]] SysctlRecord record() const {
    return SysctlRecord((directory_ / "record").string(), (directory_ / "sys").string());
  }
  [[nodiscard]] bool has_record() const { return std::filesystem::exists(directory_ / "record"); }
  void set(const std::string& value) const {
    std::filesystem::create_directories(setting().parent_path());
    std::ofstream(setting()) << value << '\n';
  }
  [[nodiscard]] std::string value() const {
    std::string text;
    std::ifstream(setting()) >> text;
    return text;
  }
  void remove_interface() const { std::filesystem::remove_all(setting().parent_path()); }

 private:
  [[nodiscard]] std::filesystem::path setting() const { return directory_ / "sys" / kName; }

  std::filesystem::path directory_ =
      std::filesystem::temp_directory_path() / fmt::format("xlb-sysctl-{}", ::getpid());
};

}  // namespace

TEST_CASE("a setting is put back to what it was before the first change") {
  const Host host;
  SysctlRecord record = host.record();
  REQUIRE(record.set(kName, 1).ok());
  REQUIRE(record.set(kName, 2).ok());
  CHECK(host.value() == "2");
  REQUIRE(record.restore(kName).ok());
  CHECK(host.value() == "0");
  CHECK(!host.has_record());
}

TEST_CASE("the run after a crash knows what a setting was") {
  const Host host;
  REQUIRE(host.record().set(kName, 1).ok());
  SysctlRecord next = host.record();
  REQUIRE(next.set(kName, 1).ok());
  REQUIRE(next.restore(kName).ok());
  CHECK(host.value() == "0");
}

TEST_CASE("a value that somebody else has set since is left alone") {
  const Host host;
  SysctlRecord record = host.record();
  REQUIRE(record.set(kName, 1).ok());
  host.set("8");
  REQUIRE(record.restore(kName).ok());
  CHECK(host.value() == "8");
  CHECK(!host.has_record());
}

TEST_CASE("a setting that went with its interface is forgotten, and missing before that") {
  const Host host;
  SysctlRecord record = host.record();
  REQUIRE(record.set(kName, 1).ok());
  host.remove_interface();
  REQUIRE(record.restore(kName).ok());
  CHECK(!host.has_record());
  const auto missing = record.set(kName, 1);
  REQUIRE(!missing.ok());
  CHECK(missing.error().code == ENOENT);
  CHECK(!host.has_record());
}

TEST_CASE("an interface is made quiet only where nothing at least as quiet is in force") {
  CHECK(needs_change(0, 0, 1));
  CHECK(!needs_change(1, 0, 1));  // "all" is in force
  CHECK(!needs_change(0, 2, 1));  // an administrator's stricter choice
  CHECK(needs_change(1, 1, 2));
}
