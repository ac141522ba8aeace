#include "io/probe/body_pattern.h"

#include <doctest/doctest.h>

using namespace xlb;

namespace {

BodyPattern pattern(std::string expression, std::vector<std::string> options = {}) {
  BodyPattern result;
  result.expression = std::move(expression);
  result.options = std::move(options);
  return result;
}

bool matches(const BodyPattern& wanted, std::string_view body) {
  const auto search = BodySearch::create(wanted);
  REQUIRE(search.ok());
  const auto found = (*search)->matches(body);
  REQUIRE(found.ok());
  return *found;
}

}  // namespace

TEST_CASE("a regular expression is searched for in a body, zero bytes and all") {
  CHECK(matches(pattern("status: (ok|fine)"), "<p>status: fine</p>"));
  CHECK_FALSE(matches(pattern("status: (ok|fine)"), "status: bad"));
  CHECK(matches(pattern("b$"), std::string_view("a\0b", 3)));
  CHECK_FALSE(matches(pattern("x"), ""));
}

TEST_CASE("regex_options are PCRE2's") {
  CHECK_FALSE(matches(pattern("OK"), "ok"));
  CHECK(matches(pattern("OK", {"caseless"}), "ok"));
  CHECK(matches(pattern("^b$", {"multiline"}), "a\nb\nc"));
  CHECK_FALSE(matches(pattern("a.b"), "a\nb"));
  CHECK(matches(pattern("a.b", {"dotall"}), "a\nb"));
  CHECK(matches(pattern("a b", {"extended"}), "ab"));
}

TEST_CASE("a match begins within the offsets") {
  BodyPattern wanted = pattern("b");
  wanted.first_offset = 2;
  CHECK_FALSE(matches(wanted, "ab"));
  CHECK_FALSE(matches(wanted, "a"));  // shorter than the offset
  CHECK(matches(wanted, "aab"));
  wanted.last_offset = 3;
  CHECK(matches(wanted, "aaab"));
  CHECK_FALSE(matches(wanted, "aaaab"));
}

TEST_CASE("regex_stack gives a search the memory it needs") {
  BodyPattern wanted = pattern("(a|b)*c");
  wanted.stack_start = 32768;
  wanted.stack_most = 1UL << 20;
  CHECK(matches(wanted, std::string(5000, 'a') + "c"));
}

TEST_CASE("what is no regular expression is told with its place") {
  const auto search = BodySearch::create(pattern("a(b"));
  REQUIRE_FALSE(search.ok());
  CHECK(search.error().text == "missing closing parenthesis (at 3)");
}

TEST_CASE("a body made to take forever is given up soon") {
  for (const char* expression : {"(a+)+$", "(a|aa)+$", "(.*)*x"}) {
    const auto search = BodySearch::create(pattern(expression));
    REQUIRE(search.ok());
    const auto found = (*search)->matches(std::string(100'000, 'a') + "b");
    CAPTURE(expression);
    if (found) {
      CHECK_FALSE(*found);
    } else {
      CHECK(found.error().text.find("search given up: ") == 0);
    }
  }
}

TEST_CASE("patterns are compiled once") {
  BodySearches searches;
  const auto& first = searches.of(pattern("a"));
  CHECK(&first == &searches.of(pattern("a")));
  CHECK(&first != &searches.of(pattern("a", {"caseless"})));
}
