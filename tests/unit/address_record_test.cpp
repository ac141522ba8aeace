#include "io/address_record.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

using namespace xlb;

namespace {

struct TemporaryFile {
  std::string path =
      (std::filesystem::temp_directory_path() / fmt::format("xlb-address-record-{}", ::getpid()))
          .string();
  ~TemporaryFile() { std::filesystem::remove(path); }
};

const AddressRecord::Entry kVip{"eth0", {IpAddress::v4(10, 10, 0, 3), 24}};

}  // namespace

TEST_CASE("the next start reads what a crashed daemon had added") {
  const TemporaryFile file;
  {
    AddressRecord record(file.path);
    REQUIRE(record.add(kVip).ok());
  }
  CHECK(AddressRecord(file.path).entries() == std::set<AddressRecord::Entry>{kVip});
}

TEST_CASE("nothing is left on disk when every address is gone") {
  const TemporaryFile file;
  AddressRecord record(file.path);
  REQUIRE(record.add(kVip).ok());
  REQUIRE(record.remove(kVip).ok());
  CHECK_FALSE(std::filesystem::exists(file.path));
}

TEST_CASE("a damaged record loses its damaged lines only") {
  const TemporaryFile file;
  std::ofstream(file.path) << "eth0\neth0 10.10.0.3 24\neth0 10.10.0.3 999\neth0 junk 24\n";
  CHECK(AddressRecord(file.path).entries() == std::set<AddressRecord::Entry>{kVip});
}
