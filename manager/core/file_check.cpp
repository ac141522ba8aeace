#include "core/file_check.h"

#include <fmt/format.h>

#include <limits>

namespace xlb {

ProbeResult file_check_result(const FileCheck& check, int64_t number) {
  if (check.weight == 0) {
    const bool down = (number != 0) != check.reverse;
    return {!down, fmt::format("{} in the file", number)};
  }
  // Numbers and weights have 32 bits each: their product has room.
  const int64_t sum = number * check.weight * (check.reverse ? -1 : 1);
  ProbeResult result{sum > std::numeric_limits<int32_t>::min(),
                     fmt::format("{} in the file: {:+} to the weight", number, sum)};
  result.weight = WeightWord{WeightWord::Meaning::adds, sum};
  return result;
}

}  // namespace xlb
