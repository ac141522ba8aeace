#include "io/peer_filter.h"

#include <doctest/doctest.h>
#include <xlb/hash.h>

#include <cstring>
#include <vector>

namespace xlb {
namespace {

MacAddress numbered(uint32_t number) {
  MacAddress mac{{2, 0}};
  std::memcpy(&mac.bytes[2], &number, sizeof number);
  return mac;
}

struct Filter {
  std::vector<uint64_t> words = std::vector<uint64_t>(XLB_PEER_FILTER_WORDS);
  PeerFilter filter{words};

  // As the program asks.
  [[nodiscard]] bool may_be_peer(const MacAddress& mac) const {
    uint32_t low = 0;
    std::memcpy(&low, &mac.bytes[2], sizeof low);
    const uint32_t bit = xlb_peer_bit(low);
    return (words.at(bit / 64) >> bit % 64 & 1) != 0;
  }
};

}  // namespace

TEST_CASE("a peer may be one until it is no virtual server's") {
  Filter filter;
  CHECK_FALSE(filter.may_be_peer(numbered(1)));
  filter.filter.add(numbered(1));
  filter.filter.add(numbered(1));  // of another virtual server
  filter.filter.add(numbered(2));
  CHECK(filter.may_be_peer(numbered(1)));
  filter.filter.remove(numbered(1));
  CHECK(filter.may_be_peer(numbered(1)));
  filter.filter.remove(numbered(1));
  CHECK_FALSE(filter.may_be_peer(numbered(1)));
  CHECK(filter.may_be_peer(numbered(2)));
  filter.filter.remove(numbered(1));  // was none
  CHECK_FALSE(filter.may_be_peer(numbered(1)));
}

TEST_CASE("addresses that share a bit do not take it from each other") {
  Filter filter;
  const MacAddress one = numbered(1);
  filter.filter.add(one);
  uint32_t number = 2;
  while (!filter.may_be_peer(numbered(number)))
    ++number;
  const MacAddress other = numbered(number);
  filter.filter.add(other);
  filter.filter.remove(one);
  CHECK(filter.may_be_peer(other));
  filter.filter.remove(other);
  CHECK_FALSE(filter.may_be_peer(other));
}

TEST_CASE("many peers may all be one, few others may") {
  Filter filter;
  for (uint32_t number = 0; number < 1000; ++number)
    filter.filter.add(numbered(number));
  size_t others = 0;
  for (uint32_t number = 0; number < 11'000; ++number) {
    if (number < 1000) {
      CHECK(filter.may_be_peer(numbered(number)));
    } else {
      others += filter.may_be_peer(numbered(number)) ? 1 : 0;
    }
  }
  CHECK(others < 300);  // of 10,000, with one bit of 65 set
}

TEST_CASE("a predecessor's bits go when nobody claims them") {
  Filter filter;
  filter.filter.add(numbered(1));
  filter.filter.add(numbered(2));
  PeerFilter next(filter.words);
  next.add(numbered(2));
  CHECK(filter.may_be_peer(numbered(1)));  // until it is known who is left
  next.clear_others();
  CHECK_FALSE(filter.may_be_peer(numbered(1)));
  CHECK(filter.may_be_peer(numbered(2)));
}

}  // namespace xlb
