#include "core/file_check.h"

#include <doctest/doctest.h>

using namespace xlb;

namespace {

FileCheck weighing(int weight, bool reverse = false) {
  FileCheck check;
  check.weight = weight;
  check.reverse = reverse;
  return check;
}

}  // namespace

TEST_CASE("a file's number times the weight is added to the server's") {
  const ProbeResult result = file_check_result(weighing(2), 15);
  CHECK(result.ok);
  CHECK(result.weight == WeightWord{WeightWord::Meaning::adds, 30});
  CHECK(result.text == "15 in the file: +30 to the weight");
  CHECK(file_check_result(weighing(-2), 15).weight->value == -30);
  CHECK(file_check_result(weighing(2, true), 15).weight->value == -30);
  CHECK(file_check_result(weighing(2), 0).weight->value == 0);
}

TEST_CASE("with weight 0 the number is a verdict") {
  CHECK(file_check_result(weighing(0), 0).ok);
  CHECK_FALSE(file_check_result(weighing(0), 1).ok);
  CHECK_FALSE(file_check_result(weighing(0), -1).ok);
  CHECK_FALSE(file_check_result(weighing(0, true), 0).ok);
  CHECK(file_check_result(weighing(0, true), 5).ok);
  CHECK_FALSE(file_check_result(weighing(0), 1).weight.has_value());
}

TEST_CASE("a sum at the bottom of its range takes the server down") {
  CHECK_FALSE(file_check_result(weighing(1), INT32_MIN).ok);
  CHECK_FALSE(file_check_result(weighing(2147483647), INT32_MIN).ok);
  CHECK_FALSE(file_check_result(weighing(1, true), int64_t{INT32_MAX} + 1).ok);
  CHECK(file_check_result(weighing(1), INT32_MIN + 1).ok);
}
