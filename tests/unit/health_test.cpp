#include "core/health.h"

#include <doctest/doctest.h>

namespace xlb {
namespace {

using std::chrono::seconds;

constexpr TimePoint kStart{seconds(1000)};

CheckTiming timing(int retry = 2) {
  CheckTiming result;
  result.delay_loop = seconds(10);
  result.delay_before_retry = seconds(3);
  result.retry = retry;
  return result;
}

const ProbeResult kPass{true, "HTTP 200"};
const ProbeResult kFail{false, "connect: Connection refused"};

// An attempt of no duration, begun when it is due. Returns its end and what changed.
struct Attempt {
  TimePoint at;
  std::optional<bool> verdict;
};
Attempt attempt(Checker& checker, const ProbeResult& result) {
  const TimePoint at = checker.next_attempt().value();
  checker.attempt_started();
  return {at, checker.attempt_finished(result, at)};
}

// A checker whose first attempt passed.
Checker proven(int retry = 2) {
  Checker checker(timing(retry), kStart);
  attempt(checker, kPass);
  return checker;
}

TEST_CASE("a server starts up and is tried at the start") {
  const Checker checker(timing(), kStart);
  CHECK(checker.up());
  CHECK(checker.next_attempt() == kStart);
  CHECK(checker.last_text() == "not checked yet");
  CHECK_FALSE(checker.last_finished());
}

TEST_CASE("the very first attempt takes the server down alone") {
  Checker checker(timing(), kStart);
  CHECK(attempt(checker, kFail).verdict == false);
  CHECK_FALSE(checker.up());
  CHECK(checker.consecutive_failures() == 1);
  CHECK(checker.last_text() == "connect: Connection refused");
  CHECK(checker.next_attempt() == kStart + seconds(10));
}

TEST_CASE("a first attempt that passes changes nothing") {
  Checker checker(timing(), kStart);
  CHECK_FALSE(attempt(checker, kPass).verdict);
  CHECK(checker.up());
  CHECK(checker.last_finished() == kStart);
  CHECK(checker.next_attempt() == kStart + seconds(10));
}

TEST_CASE("later it takes retry + 1 failures, delay_before_retry apart") {
  Checker checker = proven(2);
  const Attempt first = attempt(checker, kFail);
  CHECK_FALSE(first.verdict);
  const Attempt second = attempt(checker, kFail);
  CHECK_FALSE(second.verdict);
  CHECK(second.at - first.at == seconds(3));
  CHECK(checker.up());
  const Attempt third = attempt(checker, kFail);
  CHECK(third.at - second.at == seconds(3));
  CHECK(third.verdict == false);
  CHECK_FALSE(checker.up());
  CHECK(checker.consecutive_failures() == 3);
}

TEST_CASE("retry 0 takes the server down with the first failure") {
  Checker checker = proven(0);
  CHECK(attempt(checker, kFail).verdict == false);
}

TEST_CASE("a success between failures starts the count again") {
  Checker checker = proven(1);
  CHECK_FALSE(attempt(checker, kFail).verdict);
  CHECK_FALSE(attempt(checker, kPass).verdict);
  CHECK(checker.consecutive_failures() == 0);
  CHECK_FALSE(attempt(checker, kFail).verdict);
  CHECK(checker.up());
}

TEST_CASE("a server that is down is tried every delay_loop, and one success brings it back") {
  Checker checker = proven(0);
  const Attempt down = attempt(checker, kFail);
  const Attempt still = attempt(checker, kFail);
  CHECK(still.at - down.at == seconds(10));
  CHECK_FALSE(still.verdict);
  const Attempt back = attempt(checker, kPass);
  CHECK(back.at - still.at == seconds(10));
  CHECK(back.verdict == true);
  CHECK(checker.up());
  CHECK(checker.next_attempt() == back.at + seconds(10));
}

TEST_CASE("a server that is down waits delay_before_retry when that is longer") {
  CheckTiming slow = timing(0);
  slow.delay_before_retry = seconds(30);
  Checker checker(slow, kStart);
  attempt(checker, kFail);
  CHECK(checker.next_attempt() == kStart + seconds(30));
}

TEST_CASE("nothing is due while an attempt runs, and delays count from its end") {
  Checker checker(timing(), kStart);
  checker.attempt_started();
  CHECK_FALSE(checker.next_attempt());
  checker.attempt_finished(kPass, kStart + seconds(4));
  CHECK(checker.next_attempt() == kStart + seconds(14));
}

TEST_CASE("an alpha server is down until its first success, and its first failure is news") {
  CheckTiming alpha = timing(2);
  alpha.alpha = true;
  Checker lucky(alpha, kStart);
  CHECK_FALSE(lucky.up());
  CHECK_FALSE(lucky.decided());
  CHECK(attempt(lucky, kPass).verdict == true);

  Checker unlucky(alpha, kStart);
  CHECK(attempt(unlucky, kFail).verdict == false);
  CHECK(unlucky.decided());
  CHECK_FALSE(attempt(unlucky, kFail).verdict);
  CHECK(attempt(unlucky, kPass).verdict == true);
  CHECK_FALSE(attempt(unlucky, kFail).verdict);  // retries as any other from now on
  CHECK(unlucky.up());
}

TEST_CASE("warmup delays the first attempt by the drawn part of it") {
  CheckTiming slow = timing();
  CHECK(first_attempt(slow, kStart, 0.9) == kStart);
  slow.warmup = seconds(8);
  CHECK(first_attempt(slow, kStart, 0.0) == kStart);
  CHECK(first_attempt(slow, kStart, 0.5) == kStart + seconds(4));
}

TEST_CASE("check_now brings the next attempt forward but needs as many failures") {
  Checker checker = proven(1);
  checker.check_now(kStart + seconds(1));
  CHECK(checker.next_attempt() == kStart + seconds(1));
  CHECK_FALSE(attempt(checker, kFail).verdict);
  CHECK(checker.next_attempt() == kStart + seconds(4));
  CHECK(attempt(checker, kFail).verdict == false);
}

TEST_CASE("check_now never delays an attempt that is overdue") {
  Checker checker(timing(), kStart);
  checker.check_now(kStart + seconds(2));
  CHECK(checker.next_attempt() == kStart);
}

TEST_CASE("check_now does nothing while an attempt runs") {
  Checker checker(timing(), kStart);
  checker.attempt_started();
  checker.check_now(kStart);
  CHECK_FALSE(checker.next_attempt());
}

TEST_CASE("a verdict taken over from a predecessor is not decided by one attempt") {
  const TimePoint start = kStart;
  CheckTiming patient = timing();
  patient.retry = 1;
  Checker up(patient, start);
  up.restore(true, "HTTP 200");
  CHECK(up.last_text() == "HTTP 200");
  up.attempt_started();
  CHECK_FALSE(up.attempt_finished({false, "HTTP 500"}, start).has_value());
  CHECK(up.up());

  Checker down(patient, start);
  down.restore(false, "connect: Connection refused");
  CHECK_FALSE(down.up());
  down.attempt_started();
  CHECK(down.attempt_finished({true, "HTTP 200"}, start) == true);
}

TEST_CASE("each check changes the configured weight by its own difference") {
  using Meaning = WeightWord::Meaning;
  const auto weight = [](int configured, std::vector<WeightWord> words) {
    return effective_weight(configured, words);
  };
  CHECK(weight(100, {}) == 100);
  CHECK(weight(100, {{Meaning::replaces, 10}}) == 10);
  CHECK(weight(100, {{Meaning::adds, 10}}) == 110);
  CHECK(weight(100, {{Meaning::replaces, 10}, {Meaning::adds, -4}}) == 6);
  CHECK(weight(100, {{Meaning::replaces, 10}, {Meaning::replaces, 20}}) == 0);
  CHECK(weight(10, {{Meaning::replaces, 253}, {Meaning::replaces, 253}}) == 496);
  CHECK(weight(1, {{Meaning::adds, -5}}) == 0);
  CHECK(weight(1, {{Meaning::adds, 70'000}}) == 65535);
  CHECK(weight(1, {{Meaning::adds, INT64_MAX}, {Meaning::adds, INT64_MAX}}) == 65535);
  CHECK(weight(1, {{Meaning::adds, INT64_MIN}, {Meaning::adds, INT64_MIN}}) == 0);
}

TEST_CASE("a weight stays until an attempt says another") {
  Checker checker(timing(), kStart);
  CHECK_FALSE(checker.weight().has_value());
  attempt(checker, {true, "exited 5", WeightWord{WeightWord::Meaning::replaces, 3}});
  attempt(checker, kPass);
  attempt(checker, kFail);
  CHECK(checker.weight() == WeightWord{WeightWord::Meaning::replaces, 3});
  CHECK(checker.attempts() == 3);
}

}  // namespace
}  // namespace xlb
