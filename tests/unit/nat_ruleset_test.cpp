#include "core/nat_ruleset.h"

#include <doctest/doctest.h>

#include <string>

namespace xlb {
namespace {

NatRuleset sample() {
  NatRuleset ruleset;
  ruleset.chains["entry"] = {"{ type nat hook prerouting priority dstnat; }", "goto a\n"};
  ruleset.chains["a"] = {"", "counter name c\naccept\n"};
  ruleset.client_sets["s"] = true;
  ruleset.counters = {"c"};
  return ruleset;
}

TEST_CASE("nat ruleset: a table that may hold anything is made to forward as desired") {
  CHECK(transaction({}, sample()) ==
        "add table ip xlb\n"
        "add counter ip xlb c\n"
        "add set ip xlb s { type ipv4_addr; size 1048576; flags dynamic,timeout; }\n"
        "add chain ip xlb a\n"
        "add chain ip xlb entry { type nat hook prerouting priority dstnat; }\n"
        "flush chain ip xlb a\n"
        "flush chain ip xlb entry\n"
        "add rule ip xlb a counter name c\n"
        "add rule ip xlb a accept\n"
        "add rule ip xlb entry goto a\n");
}

TEST_CASE(
    "nat ruleset: a change touches the chains that differ, and nothing needs no transaction") {
  CHECK(transaction(sample(), sample()).empty());
  NatRuleset changed = sample();
  changed.chains["a"].rules = "drop\n";
  CHECK(transaction(sample(), changed) ==
        "add table ip xlb\nadd chain ip xlb a\nflush chain ip xlb a\nadd rule ip xlb a drop\n");
}

TEST_CASE("nat ruleset: the clients of a real server are forgotten when it goes, once") {
  NatRuleset without = sample();
  without.client_sets["s"] = false;
  CHECK(transaction(sample(), without) == "add table ip xlb\nflush set ip xlb s\n");
  CHECK(transaction(without, without).empty());
  CHECK(transaction(without, sample()).empty());
}

TEST_CASE("nat ruleset: what is not wanted stops with the change and is deleted after it") {
  NatRuleset less = sample();
  less.chains["entry"].rules = "accept\n";
  less.chains.erase("a");
  less.counters.clear();
  less.client_sets.clear();
  CHECK(transaction(sample(), less).find("flush chain ip xlb a\n") != std::string::npos);
  CHECK(transaction(sample(), less).find("delete") == std::string::npos);
  CHECK(deletion(names_of(sample()), less) ==
        "flush chain ip xlb a\ndelete chain ip xlb a\ndelete set ip xlb s\ndelete counter ip xlb "
        "c\n");
  CHECK(deletion(names_of(less), less).empty());
}

TEST_CASE("nat ruleset: every command names the table ip xlb and no other") {
  const std::string text = transaction({}, sample()) + deletion(names_of(sample()), {});
  for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
    const std::string line = text.substr(at, text.find('\n', at) - at);
    CAPTURE(line);
    CHECK(line.find(" ip xlb") != std::string::npos);
  }
}

}  // namespace
}  // namespace xlb
