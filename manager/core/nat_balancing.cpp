#include "core/nat_balancing.h"

#include <fmt/format.h>

#include <map>

#include "core/nat_service.h"

namespace xlb::nat {
namespace {

constexpr auto kKindsOfTranslated = {Translated::mark_port, Translated::mark,
                                     Translated::address_port, Translated::address};

std::string words_of(Translated kind, std::string_view family) {
  switch (kind) {
    case Translated::mark_port:
      return fmt::format("meta mark . {} daddr . th dport", family);
    case Translated::mark:
      return fmt::format("meta mark . {} daddr", family);
    case Translated::address_port:
      return fmt::format("ct original {0} daddr . meta l4proto . {0} daddr . th dport", family);
    case Translated::address:
      return fmt::format("ct original {0} daddr . meta l4proto . {0} daddr", family);
  }
  return "";
}

using Elements = std::map<std::string, std::string>;
using Kinds = std::map<Translated, Elements>;

std::string joined(const Elements& elements) {
  std::string text;
  for (const auto& [key, verdict] : elements) {
    text += (text.empty() ? "" : ", ") + key + (verdict.empty() ? "" : " : goto " + verdict);
  }
  return text;
}

// What the packets of all services of one family are looked up in.
struct Lookups {
  std::map<std::string, Elements> arriving;  // by what is looked up
  std::map<std::string, Elements> own_processes;
  Kinds counting;
  std::string redirected;
  Kinds elsewhere;  // real servers of other hosts that would answer past this one
  Elements vips;
};

// One rule for each kind there is.
std::string rules_of(const Kinds& kinds, std::string_view family, std::string_view before,
                     std::string_view marked, std::string_view verb, std::string_view after) {
  std::string rules;
  for (const Translated kind : kKindsOfTranslated) {
    const auto found = kinds.find(kind);
    if (found == kinds.end()) continue;
    const bool by_mark = kind == Translated::mark || kind == Translated::mark_port;
    rules += fmt::format("{}{}{}{} {{ {} }}{}\n", before, by_mark ? marked : "",
                         words_of(kind, family), verb, joined(found->second), after);
  }
  return rules;
}

void add_packet_chains(const Lookups& lookups, std::string_view family, NatRuleset& result) {
  NatChain received{"{ type filter hook prerouting priority -50; policy accept; }", ""};
  NatChain sent{"{ type filter hook output priority -50; policy accept; }", ""};
  NatChain postrouting{"{ type nat hook postrouting priority srcnat; policy accept; }", ""};
  if (!lookups.counting.empty()) {
    const std::string count = rules_of(lookups.counting, family, "ct direction original ",
                                       "ct status dnat ", " vmap", "") +
                              lookups.redirected;
    // What this host's own processes send itself was counted when it was sent.
    received.rules = "iif lo return\n" + count;
    // The client must not learn a way to the VIP past the director.
    if (!lookups.vips.empty()) {
      sent.rules = fmt::format("{} ct original {} daddr {{ {} }} drop\n",
                               family == "ip" ? "icmp type redirect" : "icmpv6 type nd-redirect",
                               family, joined(lookups.vips));
    }
    sent.rules += count;
  }
  postrouting.rules = rules_of(lookups.elsewhere, family, "ct status dnat ", "", "", " masquerade");
  result.chains["received"] = std::move(received);
  result.chains["sent"] = std::move(sent);
  result.chains["postrouting"] = std::move(postrouting);
}

// What a new connection's packet is looked up by: its mark, its address and port, its address. The
// first that is known decides, so they are in this order.
std::string lookup_of(const ServiceKey& key, std::string_view family) {
  if (key.mark != 0) return "meta l4proto { tcp, udp } meta mark";
  return fmt::format("{} daddr . meta l4proto{}", family, key.port != 0 ? " . th dport" : "");
}

std::string key_in_lookup(const ServiceKey& key) {
  return key.mark != 0 ? fmt::format("{}", key.mark) : element_of(key);
}

void add_lookups(const ForwardedVirtualServer& forwarded, const Service& service,
                 std::string_view family, Lookups& lookups) {
  const std::string lookup = lookup_of(forwarded.key, family);
  const std::string key = key_in_lookup(forwarded.key);
  lookups.arriving[lookup][key] = service.arriving_chain();
  lookups.own_processes[lookup][key] = service.balance_chain();
  if (forwarded.key.mark == 0) lookups.vips[forwarded.key.address.to_string()];
  for (const auto& server : forwarded.real_servers) {
    if (!service.translatable(server)) continue;
    const auto kind = service.kind_of(server);
    lookups.counting[kind].try_emplace(service.translated(server), service.count_chain(server));
    if (is_loopback(server.endpoint.address)) {
      lookups.redirected += service.count_redirected(server);
    }
    if (!server.local && !server.translated) lookups.elsewhere[kind][service.translated(server)];
  }
}

std::string vmaps(const std::map<std::string, Elements>& lookups, std::string_view family) {
  std::string rules;
  const ServiceKey by_mark{{}, 0, Protocol::tcp, 1};
  const ServiceKey by_port{{}, 1, Protocol::tcp};
  for (const ServiceKey& kind : {by_mark, by_port, ServiceKey()}) {
    const std::string lookup = lookup_of(kind, family);
    const auto found = lookups.find(lookup);
    if (found == lookups.end()) continue;
    rules += fmt::format("{} vmap {{ {} }}\n", lookup, joined(found->second));
  }
  return rules;
}

}  // namespace

void render_balancing(const NatState& state, AddressFamily family, NatChain& prerouting,
                      NatChain& output, NatRuleset& result) {
  Lookups lookups;
  const std::string_view word = word_of(family);
  for (const auto& forwarded : state.balanced->virtual_servers) {
    if (forwarded.key.address.family() != family) continue;
    const Service service(forwarded, state.vips_on_loopback);
    service.render(result);
    add_lookups(forwarded, service, word, lookups);
  }
  prerouting.rules += vmaps(lookups.arriving, word);
  output.rules += vmaps(lookups.own_processes, word);
  add_packet_chains(lookups, word, result);
}

}  // namespace xlb::nat
