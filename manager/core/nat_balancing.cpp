#include "core/nat_balancing.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>

#include "core/schedule.h"

namespace xlb {
namespace {

std::string name_of_service(const ServiceKey& service) {
  return fmt::format("{}/{}/{}", nat::word_of(service.protocol), service.address, service.port);
}

std::string name_of_server(std::string_view kind, const ServiceKey& service,
                           const Endpoint& real_server) {
  return fmt::format("{}/{}/{}/{}", kind, name_of_service(service), real_server.address,
                     real_server.port);
}

}  // namespace

std::string connection_counter(const ServiceKey& service, const Endpoint& real_server) {
  return name_of_server("connections", service, real_server);
}
std::string packet_counter(const ServiceKey& service, const Endpoint& real_server) {
  return name_of_server("packets", service, real_server);
}
std::string client_set(const ServiceKey& service, const Endpoint& real_server) {
  return name_of_server("clients", service, real_server);
}
Endpoint target_of(const ServiceKey& service, const ForwardedRealServer& server,
                   bool vips_on_loopback) {
  if (server.local && vips_on_loopback) return {service.address, service.port};
  return server.endpoint;
}
bool is_loopback(const IpAddress& address) {
  return address.is_v4() ? address.bytes()[0] == 127 : address == *IpAddress::parse("::1");
}
std::string unserved_counter(const ServiceKey& service) {
  return "unserved/" + name_of_service(service);
}

namespace nat {
namespace {

// One virtual server's chains.
class Service {
 public:
  Service(const ForwardedVirtualServer& service, bool vips_on_loopback)
      : service_(service), vips_on_loopback_(vips_on_loopback) {
    for (const auto& item : service.real_servers) {
      const bool better = local_ == nullptr || (!accepts(*local_) && accepts(item));
      if (item.local && better && translatable(item)) local_ = &item;
    }
  }

  // Nothing leads from one family to the other.
  [[nodiscard]] bool translatable(const ForwardedRealServer& server) const {
    return server.endpoint.address.family() == service_.key.address.family();
  }

  [[nodiscard]] std::string arriving_chain() const {
    return "arriving/" + name_of_service(service_.key);
  }
  [[nodiscard]] std::string balance_chain() const {
    return "balance/" + name_of_service(service_.key);
  }
  [[nodiscard]] std::string server_chain(const ForwardedRealServer& server) const {
    return name_of_server("server", service_.key, server.endpoint);
  }
  [[nodiscard]] std::string count_chain(const ForwardedRealServer& server) const {
    return name_of_server("count", service_.key, server.endpoint);
  }
  // What identifies a client's packet to that real server after translation.
  [[nodiscard]] std::string translated(const ForwardedRealServer& server) const {
    const Endpoint target = target_of(server);
    return fmt::format("{} . {} . {} . {}", service_.key.address, word_of(service_.key.protocol),
                       target.address, target.port);
  }
  // The rule that counts for a real server on a loopback address: no element can name its target.
  [[nodiscard]] std::string count_redirected(const ForwardedRealServer& server) const {
    return fmt::format(
        "ct direction original ct original ip daddr {} meta l4proto {} th dport {} "
        "fib daddr type local goto {}\n",
        service_.key.address, word_of(service_.key.protocol), server.endpoint.port,
        count_chain(server));
  }

  void render(NatRuleset& result) const {
    result.chains[arriving_chain()].rules = arriving_rules();
    result.chains[balance_chain()].rules = balance_rules();
    result.counters.insert(unserved_counter(service_.key));
    for (const auto& server : service_.real_servers) {
      if (!translatable(server)) continue;
      result.chains[server_chain(server)].rules = server_rules(server);
      result.chains[count_chain(server)].rules = count_rules(server);
      result.counters.insert(connection_counter(service_.key, server.endpoint));
      result.counters.insert(packet_counter(service_.key, server.endpoint));
      if (service_.persistence_timeout) {
        result.client_sets[client_set(service_.key, server.endpoint)] = accepts(server);
      }
    }
  }

 private:
  [[nodiscard]] bool accepts(const ForwardedRealServer& server) const {
    return server.forwardable == Forwardable::yes && server.weight > 0 && translatable(server);
  }

  // The client, or as much of its address as persistence goes by.
  [[nodiscard]] std::string client() const {
    if (service_.persistence_prefix >= 32) return "ip saddr";
    const IpAddress mask = IpAddress::v4(255, 255, 255, 255).masked(service_.persistence_prefix);
    return fmt::format("ip saddr & {}", mask);
  }

  // The number of a slot: round robin, or the same for every connection of a client.
  [[nodiscard]] std::string slot(size_t slots) const {
    const std::string_view kind = stands_for(service_.scheduler);
    if (kind == "rr" || kind == "wrr") return fmt::format("numgen inc mod {}", slots);
    return fmt::format("jhash ip saddr{} mod {} seed 0x786c62",
                       service_.hash_port ? " . th sport" : "", slots);
  }

  [[nodiscard]] Endpoint target_of(const ForwardedRealServer& server) const {
    return xlb::target_of(service_.key, server, vips_on_loopback_);
  }

  [[nodiscard]] std::string translation(const ForwardedRealServer& server) const {
    const Endpoint target = target_of(server);
    if (target == Endpoint{service_.key.address, service_.key.port}) return "accept";
    return fmt::format("ip protocol {} {}", word_of(service_.key.protocol), translation_to(target));
  }

  [[nodiscard]] std::string from_peer() const {
    return fmt::format("ether saddr {{ {} }} ", fmt::join(service_.peers, ", "));
  }

  [[nodiscard]] std::string arriving_rules() const {
    std::string rules;
    if (!service_.peers.empty()) {
      rules += from_peer() + (local_ != nullptr ? translation(*local_) : "counter drop") + "\n";
    }
    return rules + "goto " + balance_chain() + "\n";
  }

  [[nodiscard]] std::string balance_rules() const {
    std::string rules;
    auto out = std::back_inserter(rules);
    std::vector<int> weights;
    for (const auto& server : service_.real_servers) {
      weights.push_back(accepts(server) ? server.weight : 0);
      if (!service_.persistence_timeout || !accepts(server)) continue;
      fmt::format_to(out, "{} @{} goto {}\n", client(), client_set(service_.key, server.endpoint),
                     server_chain(server));
    }
    const std::vector<uint32_t> slots = stands_for(service_.scheduler) == "rr"
                                            ? round_robin(weights)
                                            : weighted_round_robin(weights);
    if (slots.empty()) {
      fmt::format_to(out, "counter name {}\n", unserved_counter(service_.key));
      if (local_ != nullptr) rules += translation(*local_) + "\n";
    } else if (slots.size() == 1) {
      fmt::format_to(out, "goto {}\n", server_chain(service_.real_servers[slots.front()]));
    } else {
      fmt::format_to(out, "{} vmap {{ ", slot(slots.size()));
      for (size_t i = 0; i < slots.size(); ++i) {
        fmt::format_to(out, "{}{} : goto {}", i == 0 ? "" : ", ", i,
                       server_chain(service_.real_servers[slots[i]]));
      }
      rules += " }\n";
    }
    return rules;
  }

  [[nodiscard]] std::string remember(const ForwardedRealServer& server) const {
    return fmt::format("update @{} {{ {} timeout {}s }}", client_set(service_.key, server.endpoint),
                       client(), service_.persistence_timeout->count());
  }

  [[nodiscard]] std::string server_rules(const ForwardedRealServer& server) const {
    std::string rules;
    if (service_.persistence_timeout && accepts(server)) rules += remember(server) + "\n";
    return rules + fmt::format("counter name {} {}\n",
                               connection_counter(service_.key, server.endpoint),
                               translation(server));
  }

  // A client with live connections is remembered on, and only where it is remembered.
  [[nodiscard]] std::string count_rules(const ForwardedRealServer& server) const {
    std::string rules;
    if (server.local && !service_.peers.empty()) rules += from_peer() + "return\n";
    rules += fmt::format("counter name {}\n", packet_counter(service_.key, server.endpoint));
    if (service_.persistence_timeout && accepts(server)) {
      rules += fmt::format("{} @{} {}\n", client(), client_set(service_.key, server.endpoint),
                           remember(server));
    }
    return rules;
  }

  const ForwardedVirtualServer& service_;
  bool vips_on_loopback_;
  const ForwardedRealServer* local_ = nullptr;  // one that takes connections, if there is one
};

constexpr std::string_view kTranslated =
    "ct original ip daddr . meta l4proto . ip daddr . th dport";

using Elements = std::map<std::string, std::string>;

std::string joined(const Elements& elements) {
  std::string text;
  for (const auto& [key, verdict] : elements) {
    text += (text.empty() ? "" : ", ") + key + (verdict.empty() ? "" : " : goto " + verdict);
  }
  return text;
}

void add_packet_chains(const Elements& counting, const std::string& redirected,
                       const Elements& elsewhere, const Elements& vips, NatRuleset& result) {
  NatChain received{"{ type filter hook prerouting priority -50; policy accept; }", ""};
  NatChain sent{"{ type filter hook output priority -50; policy accept; }", ""};
  NatChain postrouting{"{ type nat hook postrouting priority srcnat; policy accept; }", ""};
  if (!counting.empty()) {
    const std::string count =
        fmt::format("ct direction original {} vmap {{ {} }}\n", kTranslated, joined(counting)) +
        redirected;
    // What this host's own processes send itself was counted when it was sent.
    received.rules = "iif lo return\n" + count;
    // The client must not learn a way to the VIP past the director.
    sent.rules =
        fmt::format("icmp type redirect ct original ip daddr {{ {} }} drop\n", joined(vips)) +
        count;
  }
  if (!elsewhere.empty()) {
    postrouting.rules =
        fmt::format("ct status dnat {} {{ {} }} masquerade\n", kTranslated, joined(elsewhere));
  }
  result.chains["received"] = std::move(received);
  result.chains["sent"] = std::move(sent);
  result.chains["postrouting"] = std::move(postrouting);
}

}  // namespace

std::string_view stands_for(Scheduler scheduler) {
  switch (scheduler) {
    case Scheduler::rr:
    case Scheduler::lc:
      return "rr";
    case Scheduler::wrr:
    case Scheduler::wlc:
    case Scheduler::sed:
    case Scheduler::nq:
      return "wrr";
    case Scheduler::sh:
    case Scheduler::mh:
    case Scheduler::dh:
      break;
  }
  return "a hash of the client's address";
}

std::string_view word_of(Protocol protocol) {
  return protocol == Protocol::tcp ? "tcp" : "udp";
}

std::string translation_to(const Endpoint& target) {
  if (target.port == 0) {
    return is_loopback(target.address) ? "redirect" : fmt::format("dnat to {}", target.address);
  }
  return is_loopback(target.address) ? fmt::format("redirect to :{}", target.port)
                                     : fmt::format("dnat to {}", target);
}

std::string element_of(const ServiceKey& service) {
  return fmt::format("{} . {} . {}", service.address, word_of(service.protocol), service.port);
}

void render_balancing(const NatState& state, NatChain& prerouting, NatChain& output,
                      NatRuleset& result) {
  Elements arriving;
  Elements own_processes;
  Elements counting;
  std::string redirected;
  Elements elsewhere;
  Elements vips;
  for (const auto& forwarded : state.balanced->virtual_servers) {
    if (!is_balanced_by_nat(forwarded.key)) continue;
    const Service service(forwarded, state.vips_on_loopback);
    service.render(result);
    arriving[element_of(forwarded.key)] = service.arriving_chain();
    own_processes[element_of(forwarded.key)] = service.balance_chain();
    vips[forwarded.key.address.to_string()];
    for (const auto& server : forwarded.real_servers) {
      if (!service.translatable(server)) continue;
      counting.try_emplace(service.translated(server), service.count_chain(server));
      if (is_loopback(server.endpoint.address)) redirected += service.count_redirected(server);
      if (!server.local) elsewhere[service.translated(server)];
    }
  }
  constexpr std::string_view kServices = "ip daddr . meta l4proto . th dport vmap";
  if (!arriving.empty()) {
    prerouting.rules += fmt::format("{} {{ {} }}\n", kServices, joined(arriving));
    output.rules += fmt::format("{} {{ {} }}\n", kServices, joined(own_processes));
  }
  add_packet_chains(counting, redirected, elsewhere, vips, result);
}

}  // namespace nat
}  // namespace xlb
