// Searches simulated links for what must not happen (judge.h), one scenario a seed.
//
//   lan_search                            10,000 seeds that are always the same, 10,000 that never
//   are lan_search --from SEED --runs N       N seeds from SEED on; failing seeds are named
//   lan_search --seed SEED                one seed: its scenario and everything that happened
//
// The last line counts: "N passed, N failed".
#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <optional>
#include <random>
#include <string_view>

#include "lan.h"

namespace {

using namespace xlb::vrrp::lan;

constexpr uint64_t kRuns = 10'000;
constexpr uint64_t kMostTold = 20;

std::optional<uint64_t> number_of(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

int replay(uint64_t seed) {
  const Scenario scenario = scenario_of(seed);
  fmt::print("{}", to_text(scenario));
  Lan lan(scenario, [](xlb::Duration now, const std::string& line) {
    fmt::print("{:12.2f} ms  {}\n", std::chrono::duration<double, std::milli>(now).count(), line);
  });
  const auto violation = lan.run();
  if (violation) fmt::print("{}\n", *violation);
  fmt::print("{} passed, {} failed\n", violation ? 0 : 1, violation ? 1 : 0);
  return violation ? 1 : 0;
}

// How many failed.
uint64_t search(uint64_t from, uint64_t runs) {
  uint64_t failed = 0;
  for (uint64_t seed = from; seed < from + runs; ++seed) {
    const auto violation = Lan(scenario_of(seed)).run();
    if (!violation) continue;
    if (++failed <= kMostTold) fmt::print("--seed {}: {}\n", seed, *violation);
  }
  return failed;
}

int report(uint64_t runs, uint64_t failed) {
  fmt::print("{} passed, {} failed\n", runs - failed, failed);
  return failed > 0 ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::optional<uint64_t> from;
  uint64_t runs = kRuns;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view option = argv[i];
    const auto number = i + 1 < argc ? number_of(argv[i + 1]) : std::nullopt;
    if (number && option == "--seed") return replay(*number);
    if (number && option == "--from") {
      from = *number;
    } else if (number && option == "--runs") {
      runs = *number;
    } else {
      fmt::print(stderr, "usage: {} [--from SEED] [--runs N] | --seed SEED\n", argv[0]);
      return 2;
    }
  }
  if (from) return report(runs, search(*from, runs));
  const uint64_t fresh = std::random_device{}();
  return report(2 * runs, search(1, runs) + search(fresh << 16, runs));
}
