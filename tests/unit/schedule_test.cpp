#include "core/schedule.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>

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

std::vector<HashCandidate> candidates(const std::vector<int>& weights) {
  std::vector<HashCandidate> result;
  for (size_t i = 0; i < weights.size(); ++i) {
    const auto last = static_cast<uint8_t>(i + 1);
    result.push_back({{IpAddress::v4(10, 10, 0, last), 80}, weights[i]});
  }
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

TEST_CASE("the hash table is the same whatever the order of the configuration") {
  const auto forward = candidates({1, 5, 3, 2});
  auto backward = forward;
  std::reverse(backward.begin(), backward.end());
  const auto one = hash_slots(forward, 512);
  const auto other = hash_slots(backward, 512);
  REQUIRE(one.size() == 512);
  for (size_t i = 0; i < one.size(); ++i) {
    REQUIRE(forward[one[i]].endpoint == backward[other[i]].endpoint);
  }
}

TEST_CASE("a server that goes frees only its own hash slots") {
  const auto before = candidates({1, 5, 3, 2});
  auto after = before;
  after[1].weight = 0;
  const auto full = hash_slots(before, 1024);
  const auto rest = hash_slots(after, 1024);
  for (size_t i = 0; i < full.size(); ++i) {
    CHECK(rest[i] != 1);
    if (full[i] != 1) REQUIRE(rest[i] == full[i]);
  }
}

TEST_CASE("hash slots follow the weights") {
  auto share = shares(hash_slots(candidates({1, 3}), 8192));
  CHECK(static_cast<double>(share[1]) / 8192 == doctest::Approx(0.75).epsilon(0.03));
  share = shares(hash_slots(candidates({65535, 65535}), 8192));
  CHECK(static_cast<double>(share[0]) / 8192 == doctest::Approx(0.5).epsilon(0.03));
  share = shares(hash_slots(candidates({1, 1, 1, 1}), 8192));
  for (uint32_t i = 0; i < 4; ++i) {
    CHECK(static_cast<double>(share[i]) / 8192 == doctest::Approx(0.25).epsilon(0.06));
  }
}

TEST_CASE("the hash table of two servers never changes its values") {
  // Directors of different versions must agree; a change here moves connections during an upgrade.
  const auto slots = hash_slots(candidates({1, 1}), 32);
  CHECK(letters(slots) == "BBAAABABBBBBBAAAABBBAAAAAABABBBA");
}

TEST_CASE("nobody to choose makes no hash slots") {
  CHECK(hash_slots({}, 128).empty());
  CHECK(hash_slots(candidates({0, 0}), 128).empty());
}

TEST_CASE("the hash table's size depends on the number of configured servers alone") {
  CHECK(hash_table_size(0) == 128);
  CHECK(hash_table_size(2) == 128);
  CHECK(hash_table_size(9) == 256);
  CHECK(hash_table_size(100'000) == 8192);
}

}  // namespace xlb
