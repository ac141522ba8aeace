#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "io/probe/md5.h"

namespace xlb {
namespace {

std::string md5_of(const std::vector<std::string_view>& parts) {
  Result<Md5> md5 = Md5::create();
  REQUIRE(md5.ok());
  for (const std::string_view part : parts)
    md5->update(part);
  return md5->finish();
}

TEST_CASE("MD5 is that of RFC 1321's examples") {
  CHECK(md5_of({}) == "d41d8cd98f00b204e9800998ecf8427e");
  CHECK(md5_of({"abc"}) == "900150983cd24fb0d6963f7d28e17f72");
  CHECK(md5_of({"message digest"}) == "f96b697d7cb7938d525a2f31aaf161d0");
}

TEST_CASE("a body digested in pieces has the digest of the whole") {
  CHECK(md5_of({"mess", "", "age digest"}) == md5_of({"message digest"}));
}

}  // namespace
}  // namespace xlb
