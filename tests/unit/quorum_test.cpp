// When a quorum is gained and lost, and which scripts that runs in which order.
#include "core/quorum.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace xlb;

namespace {

constexpr Life kLive = Life::live;
constexpr Life kDead = Life::dead;
constexpr Life kUndecided = Life::undecided;

ScriptCommand script(std::string name) {
  ScriptCommand command;
  command.argv = {std::move(name)};
  return command;
}

// Real servers 10.0.0.1, .2, ... of these weights; every script is named after its event.
VirtualServerConfig service(const std::vector<int>& weights, uint32_t quorum = 1,
                            uint32_t hysteresis = 0) {
  VirtualServerConfig config;
  config.key = {IpAddress::v4(10, 0, 0, 100), 80, Protocol::tcp};
  for (const int weight : weights) {
    RealServerConfig real_server;
    const auto number = static_cast<uint8_t>(config.real_servers.size() + 1);
    real_server.endpoint = {IpAddress::v4(10, 0, 0, number), 80};
    real_server.weight = weight;
    real_server.notify_up = script("up" + std::to_string(number));
    real_server.notify_down = script("down" + std::to_string(number));
    config.real_servers.push_back(std::move(real_server));
  }
  config.quorum = quorum;
  config.hysteresis = hysteresis;
  config.quorum_up = script("quorum_up");
  config.quorum_down = script("quorum_down");
  return config;
}

VirtualServerConfig with_sorry_server(VirtualServerConfig config) {
  config.sorry_server = Endpoint{IpAddress::v4(10, 0, 0, 9), 80};
  return config;
}

using Scripts = std::vector<std::string>;

Scripts scripts(const std::vector<QuorumEvent>& events) {
  Scripts result;
  for (const QuorumEvent& event : events)
    result.push_back(event.script ? event.script->argv.front() : "none");
  return result;
}

Scripts update(Quorum& quorum, const std::vector<Life>& lives) {
  return scripts(quorum.update(lives));
}

}  // namespace

TEST_CASE("a start with living real servers gains the quorum, and says nothing of each") {
  Quorum quorum(service({1, 1}));
  CHECK(update(quorum, {kLive, kLive}) == Scripts{"quorum_up"});
  CHECK(quorum.met());
  CHECK(quorum.weight() == 2);
  CHECK(update(quorum, {kLive, kLive}).empty());
}

TEST_CASE("the last real server takes the quorum with it, its own script first") {
  Quorum quorum(service({1, 1}));
  update(quorum, {kLive, kLive});
  CHECK(update(quorum, {kDead, kLive}) == Scripts{"down1"});
  CHECK(quorum.met());
  CHECK(update(quorum, {kDead, kDead}) == Scripts{"down2", "quorum_down"});
  CHECK_FALSE(quorum.met());
  CHECK(update(quorum, {kDead, kDead}).empty());
  CHECK(update(quorum, {kLive, kLive}) == Scripts{"up1", "up2", "quorum_up"});
}

TEST_CASE("the quorum is gained at quorum + hysteresis and lost below quorum - hysteresis") {
  struct Step {
    int live;  // of ten real servers of weight 1
    bool met;
  };
  // quorum 5, hysteresis 2: gained at 7, lost below 3
  const std::vector<Step> steps = {{6, false}, {7, true},  {5, true}, {3, true}, {2, false},
                                   {5, false}, {6, false}, {7, true}, {0, false}};
  Quorum quorum(service(std::vector<int>(10, 1), 5, 2));
  for (const Step& step : steps) {
    std::vector<Life> lives(10, kDead);
    std::fill(lives.begin(), lives.begin() + step.live, kLive);
    const bool before = quorum.met();
    const std::vector<QuorumEvent> events = quorum.update(lives);
    CAPTURE(step.live);
    CHECK(quorum.met() == step.met);
    const bool changed = !events.empty() && (events.back().kind == QuorumEvent::Kind::gained ||
                                             events.back().kind == QuorumEvent::Kind::lost);
    CHECK(changed == (before != step.met));
  }
}

TEST_CASE("without a live real server the quorum is lost whatever the hysteresis") {
  Quorum quorum(service({5}, 2, 1));
  update(quorum, {kLive});
  CHECK(update(quorum, {kDead}) == Scripts{"down1", "quorum_down"});
}

TEST_CASE("weights count, not heads, and a real server of weight 0 counts nothing") {
  Quorum quorum(service({100, 1, 0}, 50));
  CHECK(update(quorum, {kLive, kLive, kLive}) == Scripts{"quorum_up"});
  CHECK(update(quorum, {kDead, kLive, kLive}) == Scripts{"down1", "quorum_down"});
}

TEST_CASE(
    "a real server whose first check fails goes down; one whose first passes was up already") {
  Quorum quorum(service({1, 1}));
  update(quorum, {kLive, kLive});
  CHECK(update(quorum, {kLive, kDead}) == Scripts{"down2"});
}

TEST_CASE("alpha: the first verdict of a real server is news either way") {
  Quorum quorum(service({1, 1}));
  CHECK(update(quorum, {kUndecided, kUndecided}).empty());
  CHECK_FALSE(quorum.met());
  CHECK(update(quorum, {kDead, kUndecided}) == Scripts{"down1"});
  CHECK(update(quorum, {kDead, kLive}) == Scripts{"up2", "quorum_up"});
}

TEST_CASE("a start below the quorum is silent, unless there is a sorry server to put in") {
  Quorum plain(service({1}));
  CHECK(update(plain, {kUndecided}).empty());
  CHECK_FALSE(plain.sorry());

  Quorum quorum(with_sorry_server(service({1})));
  CHECK_FALSE(quorum.sorry());  // nothing is known yet
  CHECK(update(quorum, {kUndecided}) == Scripts{"quorum_down"});
  CHECK(quorum.sorry());
  CHECK(update(quorum, {kLive}) == Scripts{"up1", "quorum_up"});
  CHECK_FALSE(quorum.sorry());
}

TEST_CASE("omega: a stop takes down what is up, once, and nothing happens afterwards") {
  VirtualServerConfig config = service({1, 1});
  config.omega = true;
  Quorum quorum(config);
  update(quorum, {kLive, kDead});
  CHECK(scripts(quorum.stop()) == Scripts{"down1", "quorum_down"});
  CHECK(quorum.stop().empty());
  CHECK(update(quorum, {kDead, kDead}).empty());
}

TEST_CASE("without omega a stop runs nothing") {
  Quorum quorum(service({1, 1}));
  update(quorum, {kLive, kLive});
  CHECK(quorum.stop().empty());
  CHECK(update(quorum, {kDead, kDead}).empty());
}

TEST_CASE("another configuration keeps what is known; a live real server that is gone goes down") {
  Quorum quorum(service({1, 1, 1}));
  update(quorum, {kLive, kLive, kDead});
  CHECK(scripts(quorum.reconfigure(service({1}))) == Scripts{"down2"});
  CHECK(quorum.met());
  CHECK(update(quorum, {kLive}).empty());
  CHECK(quorum.reconfigure(service({1}, 1)).empty());
}

TEST_CASE("a quorum raised above what lives is lost with the next look") {
  Quorum quorum(service({1, 1}));
  update(quorum, {kLive, kDead});
  CHECK(quorum.reconfigure(service({1, 1}, 2)).empty());
  CHECK(update(quorum, {kLive, kDead}) == Scripts{"quorum_down"});
}

TEST_CASE("a quorum counts the weights in force") {
  Quorum quorum(service({5, 5}, 10));
  CHECK(scripts(quorum.update(std::vector{kLive, kLive}, std::vector{5, 5})) ==
        Scripts{"quorum_up"});
  CHECK(scripts(quorum.update(std::vector{kLive, kLive}, std::vector{5, 4})) ==
        Scripts{"quorum_down"});
  CHECK(quorum.weight() == 9);
  CHECK(scripts(quorum.update(std::vector{kLive, kLive}, std::vector{1, 200})) ==
        Scripts{"quorum_up"});
}

TEST_CASE("rs_init_notifies: a server that is up from the start runs notify_up") {
  VirtualServerConfig config = service({5, 5}, 1);
  config.rs_init_notifies = true;
  Quorum quorum(config);
  CHECK(update(quorum, {kLive, kDead}) == Scripts{"up1", "down2", "quorum_up"});
  CHECK(update(quorum, {kLive, kLive}) == Scripts{"up2"});
}
