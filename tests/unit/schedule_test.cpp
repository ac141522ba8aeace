#include "core/schedule.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <string>

namespace xlb {
namespace {

std::string letters(const std::vector<uint32_t>& ring) {
  std::string text;
  for (const uint32_t position : ring)
    text += static_cast<char>('A' + position);
  return text;
}

std::string weighted(const std::vector<int>& weights) {
  return letters(weighted_round_robin(weights));
}

std::map<uint32_t, size_t> shares(const std::vector<uint32_t>& ring) {
  std::map<uint32_t, size_t> result;
  for (const uint32_t position : ring)
    ++result[position];
  return result;
}

}  // namespace

TEST_CASE("round robin ignores every weight but 0") {
  CHECK(letters(round_robin(std::vector<int>{100, 1, 0, 7})) == "ABD");
  CHECK(round_robin(std::vector<int>{0, 0}).empty());
  CHECK(round_robin(std::vector<int>{}).empty());
}

TEST_CASE("weighted round robin is the sequence of IPVS") {
  CHECK(weighted({4, 3, 2}) == "AABABCABC");
  CHECK(weighted({3, 1}) == "AAAB");
  CHECK(weighted({1, 3}) == "BBAB");
  CHECK(weighted({400, 300, 200}) == "AABABCABC");
  CHECK(weighted({100, 100}) == "AB");
  CHECK(weighted({5}) == "A");
  CHECK(weighted({0, 2, 1}) == "BBC");
  CHECK(weighted({0, 0}).empty());
  CHECK(weighted({}).empty());
}

TEST_CASE("weights that would make a ring too long keep their proportions") {
  const auto ring = weighted_round_robin(std::vector<int>{65535, 32767, 1, 0});
  CHECK(ring.size() <= kMaxRingLength + 4);
  auto share = shares(ring);
  CHECK(share[2] == 1);
  CHECK(share.count(3) == 0);
  const double proportion = static_cast<double>(share[0]) / static_cast<double>(share[1]);
  CHECK(proportion == doctest::Approx(2.0).epsilon(0.01));
}

TEST_CASE("a ring of many servers with the greatest weight stays bounded") {
  const std::vector<int> weights(1000, 65535);
  CHECK(weighted_round_robin(weights).size() == 1000);
}

}  // namespace xlb
