// The balancing part of the nat rules (core/nat_rules.h shows the way through the chains).
#pragma once

#include <string>
#include <string_view>

#include "core/nat_rules.h"

namespace xlb::nat {

std::string_view word_of(Protocol protocol);     // "tcp", "udp"
std::string_view word_of(AddressFamily family);  // "ip", "ip6"
// "10.10.0.3 . tcp . 80"; of any port "10.10.0.3 . tcp".
std::string element_of(const ServiceKey& service);
// "dnat to 10.10.0.1:80". The kernel refuses to translate what comes from outside to a loopback
// address: that goes to the address of the interface it came in by, "redirect to :80".
std::string translation_to(const Endpoint& target);  // port 0: the port stays

// The scheduler that this table balances by instead: it cannot count connections.
std::string_view stands_for(Scheduler scheduler);

// Adds the chains, sets and counters of the family's balanced services to `result`, and to the base
// chains the rules that lead to them.
void render_balancing(const NatState& state, AddressFamily family, NatChain& prerouting,
                      NatChain& output, NatRuleset& result);

}  // namespace xlb::nat
