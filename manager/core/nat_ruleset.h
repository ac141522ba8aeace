// A desired content of the nftables table `ip xlb`, or `ip6 xlb`, as a value, and the commands that
// lead from one content to another. It knows nft's syntax for objects, not what the rules mean.
//
// Chains are refilled one by one and only where they differ, so a change costs what it changes;
// nothing is deleted in the transaction that changes the rules. Deleting the table would reset the
// connections that it translates and forget the clients in its sets.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

namespace xlb {

struct NatChain {
  std::string hook;   // "{ type nat hook ... }" of a base chain; else empty
  std::string rules;  // one rule a line, without "add rule"

  bool operator==(const NatChain&) const = default;
};

struct NatRuleset {
  std::string_view family = "ip";  // or "ip6"
  std::map<std::string, NatChain> chains;
  std::map<std::string, bool> client_sets;  // false: must hold nobody
  std::set<std::string> counters;

  bool operator==(const NatRuleset&) const = default;
};

// Names of what a table holds.
struct NatNames {
  std::set<std::string> chains;
  std::set<std::string> sets;
  std::set<std::string> counters;
};

// Commands that, run as one transaction on a table that holds `present` (default: anything), make
// it forward by `desired`. Counters and sets that are there already keep their content.
std::string transaction(const NatRuleset& present, const NatRuleset& desired);

// Commands that delete what `desired` does not have; to be run after its transaction. Older kernels
// hold a chain in use until the rules that led to it are gone for good.
std::string deletion(const NatNames& present, const NatRuleset& desired);

NatNames names_of(const NatRuleset& ruleset);

}  // namespace xlb
