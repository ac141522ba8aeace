#include "core/hash_table.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>

namespace xlb {
namespace {

std::string letters(const std::vector<uint32_t>& slots) {
  std::string text;
  for (const uint32_t position : slots)
    text += static_cast<char>('A' + position);
  return text;
}

std::map<uint32_t, size_t> shares(const std::vector<uint32_t>& slots) {
  std::map<uint32_t, size_t> result;
  for (const uint32_t position : slots)
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

TEST_CASE("a table changed many times is the one that would be made from nothing") {
  std::minstd_rand random(7);
  auto servers = candidates(std::vector<int>(30, 1));
  HashTable table;
  for (int round = 0; round < 200; ++round) {
    auto& changed = servers[random() % servers.size()];
    changed.weight = static_cast<int>(random() % 4);  // 0: it is away
    if (round % 10 == 0) std::shuffle(servers.begin(), servers.end(), random);
    if (round % 50 == 49) {
      for (auto& server : servers)
        server.weight = 0;
    }
    const size_t size = round < 100 ? 256 : 512;
    REQUIRE(table.update(servers, size) == hash_slots(servers, size));
  }
}

}  // namespace xlb
