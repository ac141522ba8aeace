#include "core/tracking.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace xlb::tracking {
namespace {

using namespace std::chrono_literals;

TrackUse use_of(TrackKind kind, int weight, bool reverse = false) {
  return {kind, "x", {weight, reverse}, {}};
}
Reading up() {
  return {true, true, 0, "exited 0"};
}
Reading down() {
  return {true, false, 0, "exited 1"};
}
Reading number(int64_t value) {
  return {true, value != 0, value, std::to_string(value)};
}

std::string words(const Effect& effect) {
  if (effect.pending) return "pending";
  return effect.fault ? "fault" : std::to_string(effect.change);
}

TEST_CASE("tracking: a weight adds while up or takes while down; none means FAULT") {
  struct Row {
    int weight;
    bool reverse;
    const char* while_up;
    const char* while_down;
  };
  const Row rows[] = {
      {0, false, "0", "fault"}, {0, true, "fault", "0"},  {20, false, "20", "0"},
      {20, true, "-20", "0"},   {-20, false, "0", "-20"}, {-20, true, "0", "20"},
  };
  for (const TrackKind kind : {TrackKind::script, TrackKind::process, TrackKind::interface}) {
    for (const Row& row : rows) {
      CAPTURE(row.weight);
      CAPTURE(row.reverse);
      CHECK(words(effect_of(use_of(kind, row.weight, row.reverse), up())) == row.while_up);
      CHECK(words(effect_of(use_of(kind, row.weight, row.reverse), down())) == row.while_down);
      CHECK(words(effect_of(use_of(kind, row.weight, row.reverse), {})) == "pending");
    }
  }
}

TEST_CASE("tracking: a file's number is multiplied; below -253 it is FAULT") {
  const auto effect = [](int weight, int64_t value, bool reverse = false) {
    return words(effect_of(use_of(TrackKind::file, weight, reverse), number(value)));
  };
  CHECK(effect(1, 17) == "17");
  CHECK(effect(-2, 5) == "-10");
  CHECK(effect(2, 5, true) == "-10");
  CHECK(effect(1, 254) == "253");
  CHECK(effect(1, -253) == "-253");
  CHECK(effect(1, -254) == "fault");
  CHECK(effect(2147483647, 2147483647) == "253");
  CHECK(effect(2147483647, -2147483648LL) == "fault");
  CHECK(effect(0, 0) == "0");
  CHECK(effect(0, 7) == "fault");
  CHECK(effect(0, 7, true) == "0");
  CHECK(effect(0, 0, true) == "fault");
}

TEST_CASE("tracking: the priority stays between 1 and 254, an owner's as it is") {
  const TrackUse plus = use_of(TrackKind::script, 200);
  const TrackUse minus = use_of(TrackKind::script, -200);
  const Reading is_up = up();
  const Reading is_down = down();
  CHECK(judge(100, {}).priority == 100);
  const Judged added[] = {{&plus, &is_up}};
  CHECK(judge(100, added).priority == 254);
  CHECK(judge(255, added).priority == 255);
  const Judged taken[] = {{&minus, &is_down}};
  CHECK(judge(100, taken).priority == 1);
  // The sum is bounded, not each step.
  const Judged both[] = {{&plus, &is_up}, {&minus, &is_down}};
  CHECK(judge(100, both).priority == 100);
}

TEST_CASE("tracking: the first failure is the reason, in words") {
  const TrackUse chk{TrackKind::script, "chk", {}, {}};
  const TrackUse eth{TrackKind::interface, "eth1", {}, {}};
  const TrackUse file{TrackKind::file, "f", {0, true}, {}};
  const Reading is_down = down();
  const Reading link{true, false, 0, "is down"};
  const Reading zero = number(0);
  const Judged script[] = {{&chk, &is_down}, {&eth, &link}};
  CHECK(judge(100, script).fault == "script chk: exited 1");
  const Judged interface[] = {{&eth, &link}};
  CHECK(judge(100, interface).fault == "interface eth1 is down");
  const Judged reversed[] = {{&file, &zero}};
  CHECK(judge(100, reversed).fault == "file f (reverse): 0");
  const Reading unknown;
  const Judged waiting[] = {{&chk, &unknown}};
  CHECK(judge(100, waiting) == Verdict{100, "", true});
}

TEST_CASE("tracking: of a tracker in both the group's weight counts, unless the member's is 0") {
  SyncGroupConfig group;
  group.uses = {{TrackKind::script, "a", {10, false}, {}},
                {TrackKind::script, "b", {20, false}, {}}};
  const auto merged = uses_of(
      {{TrackKind::script, "a", {0, false}, {}}, {TrackKind::script, "b", {5, false}, {}}}, &group);
  REQUIRE(merged.size() == 2);
  CHECK(merged[0].weight.value == 0);
  CHECK(merged[1].weight.value == 20);
  CHECK(uses_of({}, &group).size() == 2);
  CHECK(uses_of({}, nullptr).empty());
}

TrackScriptConfig script(int rise, int fall, bool init_fail = false) {
  TrackScriptConfig config;
  config.rise = rise;
  config.fall = fall;
  config.init_fail = init_fail;
  return config;
}

// 'U'/'u': up after a change or without one; 'D'/'d' down.
std::string verdicts(ScriptCounter counter, const std::string& results) {
  std::string text;
  for (const char result : results) {
    const bool changed = counter.record(result == '+');
    text += counter.up() ? (changed ? 'U' : 'u') : (changed ? 'D' : 'd');
  }
  return text;
}

TEST_CASE("tracking: a script's first result alone decides, then rise and fall do") {
  CHECK_FALSE(ScriptCounter(script(3, 3)).known());
  CHECK(verdicts(ScriptCounter(script(1, 1)), "+-+-") == "UDUD");
  CHECK(verdicts(ScriptCounter(script(3, 3)), "+---+++") == "UuuDddU");
  CHECK(verdicts(ScriptCounter(script(3, 2)), "-++-+++") == "DdddddU");
  // A success resets the count of failures.
  CHECK(verdicts(ScriptCounter(script(1, 3)), "+--+--+---") == "UuuuuuuuuD");
}

TEST_CASE("tracking: with init_fail a script has failed before it ran") {
  ScriptCounter counter(script(2, 1, true));
  CHECK(counter.known());
  CHECK_FALSE(counter.up());
  CHECK(verdicts(counter, "-++-") == "ddUD");
}

TEST_CASE("tracking: a reload keeps a script's verdict; another command's first result decides") {
  ScriptCounter counter(script(3, 3));
  (void)counter.record(true);
  counter.reconfigure(script(2, 2), true);
  CHECK(counter.up());
  CHECK_FALSE(counter.record(false));
  CHECK(counter.record(false));
  counter.reconfigure(script(5, 2), false);
  CHECK_FALSE(counter.up());
  CHECK(counter.record(true));
}

TrackProcessConfig process(uint32_t quorum, std::optional<uint32_t> most = std::nullopt) {
  TrackProcessConfig config;
  config.quorum = quorum;
  config.quorum_max = most;
  config.fork_delay = 2s;
  config.terminate_delay = 5s;
  return config;
}

TEST_CASE("tracking: a process quorum, with its delays") {
  TimePoint now{};
  ProcessQuorum quorum(process(2));
  CHECK_FALSE(quorum.known());
  CHECK(quorum.count(1, now));  // the first count waits for nothing
  CHECK_FALSE(quorum.up());
  CHECK_FALSE(quorum.count(2, now));
  CHECK(quorum.deadline() == now + 2s);
  CHECK_FALSE(quorum.expire(now + 1s));
  CHECK(quorum.expire(now + 2s));
  CHECK(quorum.up());
  now += 10s;
  CHECK_FALSE(quorum.count(1, now));
  CHECK(quorum.deadline() == now + 5s);
  CHECK_FALSE(quorum.count(0, now + 1s));  // the first loss counts
  CHECK(quorum.deadline() == now + 5s);
  CHECK_FALSE(quorum.count(2, now + 4s));  // back in time
  CHECK_FALSE(quorum.deadline().has_value());
  CHECK(quorum.up());
}

TEST_CASE("tracking: too many processes are as bad as too few, after fork_delay") {
  const TimePoint now{};
  ProcessQuorum quorum(process(1, 1));
  (void)quorum.count(1, now);
  CHECK(quorum.up());
  CHECK_FALSE(quorum.count(2, now));
  CHECK(quorum.deadline() == now + 2s);
  CHECK(quorum.expire(now + 2s));
  CHECK_FALSE(quorum.up());
}

TEST_CASE("tracking: which processes are meant") {
  using Words = std::vector<std::string>;
  TrackProcessConfig config;
  config.process = "nginx";
  CHECK(matches(config, "nginx", {}));
  CHECK_FALSE(matches(config, "nginx2", {}));
  config.process = "a-very-long-process-name";
  CHECK(matches(config, "a-very-long-pro", {}));
  config.full_command = true;
  config.process = "/bin/x";
  CHECK(matches(config, "y", Words{"/bin/x", "-a"}));
  CHECK_FALSE(matches(config, "x", Words{"x"}));
  CHECK_FALSE(matches(config, "x", {}));
  config.match = ParameterMatch::exact;
  CHECK(matches(config, "x", Words{"/bin/x"}));
  CHECK_FALSE(matches(config, "x", Words{"/bin/x", "-a"}));
  config.parameters = {"-a", "-bee"};
  CHECK(matches(config, "x", Words{"/bin/x", "-a", "-bee"}));
  CHECK_FALSE(matches(config, "x", Words{"/bin/x", "-a", "-bee", "-c"}));
  config.match = ParameterMatch::partial;
  CHECK(matches(config, "x", Words{"/bin/x", "-a", "-bee", "-c"}));
  CHECK_FALSE(matches(config, "x", Words{"/bin/x", "-a", "-beet"}));
  config.match = ParameterMatch::initial;
  CHECK(matches(config, "x", Words{"/bin/x", "-a", "-beet"}));
  CHECK_FALSE(matches(config, "x", Words{"/bin/x", "-a"}));
}

TEST_CASE("tracking: a file's number is read as strtol(3) reads it") {
  CHECK(file_value("") == 0);
  CHECK(file_value("\n") == 0);
  CHECK(file_value("x") == 0);
  CHECK(file_value(" 17 and more") == 17);
  CHECK(file_value("-254\n") == -254);
  CHECK(file_value("+3") == 3);
  CHECK(file_value("0x1F") == 31);
  CHECK(file_value("0x") == 0);
  CHECK(file_value("010") == 8);
  CHECK(file_value("089") == 0);
  CHECK(file_value("2147483647") == 2147483647);
  CHECK(file_value("-2147483648") == -2147483648LL);
  CHECK_FALSE(file_value("2147483648").has_value());
  CHECK_FALSE(file_value("99999999999999999999999999").has_value());
}

}  // namespace
}  // namespace xlb::tracking
