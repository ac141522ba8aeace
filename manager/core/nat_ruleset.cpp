#include "core/nat_ruleset.h"

#include <fmt/format.h>

#include <iterator>
#include <string_view>

namespace xlb {
namespace {

// Clients remembered for one real server at most. The kernel takes the low 16 bits for the size of
// the empty hash table, so this one begins small.
constexpr int kMostClients = 1 << 20;

bool differs(const NatRuleset& present, const std::string& name, const NatChain& chain) {
  const auto found = present.chains.find(name);
  return found == present.chains.end() || found->second != chain;
}

void add_objects(std::string& text, const NatRuleset& present, const NatRuleset& desired) {
  auto out = std::back_inserter(text);
  for (const std::string& name : desired.counters) {
    if (!present.counters.contains(name))
      fmt::format_to(out, "add counter {} xlb {}\n", desired.family, name);
  }
  for (const auto& [name, keeps] : desired.client_sets) {
    if (present.client_sets.contains(name)) continue;
    fmt::format_to(out, "add set {} xlb {} {{ type {}; size {}; flags dynamic,timeout; }}\n",
                   desired.family, name, desired.family == "ip" ? "ipv4_addr" : "ipv6_addr",
                   kMostClients);
  }
}

void add_rules(std::string& text, std::string_view family, const std::string& chain,
               std::string_view rules) {
  while (!rules.empty()) {
    const std::string_view rule = rules.substr(0, rules.find('\n'));
    rules.remove_prefix(std::min(rules.size(), rule.size() + 1));
    fmt::format_to(std::back_inserter(text), "add rule {} xlb {} {}\n", family, chain, rule);
  }
}

}  // namespace

std::string transaction(const NatRuleset& present, const NatRuleset& desired) {
  std::string text;
  auto out = std::back_inserter(text);
  add_objects(text, present, desired);
  for (const auto& [name, chain] : desired.chains) {
    if (!differs(present, name, chain)) continue;
    fmt::format_to(out, "add chain {} xlb {}{}{}\n", desired.family, name,
                   chain.hook.empty() ? "" : " ", chain.hook);
  }
  for (const auto& [name, chain] : desired.chains) {
    if (differs(present, name, chain))
      fmt::format_to(out, "flush chain {} xlb {}\n", desired.family, name);
  }
  // What is no longer wanted must not go on; it is deleted later.
  for (const auto& [name, chain] : present.chains) {
    if (!desired.chains.contains(name))
      fmt::format_to(out, "flush chain {} xlb {}\n", desired.family, name);
  }
  for (const auto& [name, chain] : desired.chains) {
    if (differs(present, name, chain)) add_rules(text, desired.family, name, chain.rules);
  }
  for (const auto& [name, keeps] : desired.client_sets) {
    const auto before = present.client_sets.find(name);
    const bool empty_already = before != present.client_sets.end() && !before->second;
    if (!keeps && !empty_already)
      fmt::format_to(out, "flush set {} xlb {}\n", desired.family, name);
  }
  return text.empty() ? text : fmt::format("add table {} xlb\n", desired.family) + text;
}

std::string deletion(const NatNames& present, const NatRuleset& desired) {
  std::string text;
  auto out = std::back_inserter(text);
  // A rule of one chain may lead to the next: first all are emptied.
  for (const char* command : {"flush", "delete"}) {
    for (const std::string& name : present.chains) {
      if (!desired.chains.contains(name)) {
        fmt::format_to(out, "{} chain {} xlb {}\n", command, desired.family, name);
      }
    }
  }
  for (const std::string& name : present.sets) {
    if (!desired.client_sets.contains(name))
      fmt::format_to(out, "delete set {} xlb {}\n", desired.family, name);
  }
  for (const std::string& name : present.counters) {
    if (!desired.counters.contains(name))
      fmt::format_to(out, "delete counter {} xlb {}\n", desired.family, name);
  }
  return text;
}

NatNames names_of(const NatRuleset& ruleset) {
  NatNames names;
  for (const auto& [name, chain] : ruleset.chains)
    names.chains.insert(name);
  for (const auto& [name, keeps] : ruleset.client_sets)
    names.sets.insert(name);
  names.counters = ruleset.counters;
  return names;
}

}  // namespace xlb
