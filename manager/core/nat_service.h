// The chains of one virtual server in the nat rules (core/nat_rules.h shows the way through them).
#pragma once

#include <fmt/format.h>

#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "core/nat_balancing.h"
#include "core/schedule.h"

namespace xlb::nat {

// As parts of nft's names.
std::string name_of_service(const ServiceKey& service);
std::string name_of_server(std::string_view kind, const ServiceKey& service,
                           const Endpoint& real_server);

// What tells packets of one real server from others' after translation: by mark before by address,
// by port before without.
enum class Translated : uint8_t { mark_port, mark, address_port, address };
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
  // What identifies a client's packet to that real server after translation; kTranslated of its
  // kind says what the parts are.
  [[nodiscard]] std::string translated(const ForwardedRealServer& server) const {
    const Endpoint target = target_of(server);
    const std::string service =
        service_.key.mark != 0
            ? fmt::format("{}", service_.key.mark)
            : fmt::format("{} . {}", service_.key.address, word_of(service_.key.protocol));
    return fmt::format("{} . {}", service, target.address) +
           (target.port == 0 ? "" : fmt::format(" . {}", target.port));
  }
  [[nodiscard]] Translated kind_of(const ForwardedRealServer& server) const {
    const bool any_port = target_of(server).port == 0;
    if (service_.key.mark != 0) return any_port ? Translated::mark : Translated::mark_port;
    return any_port ? Translated::address : Translated::address_port;
  }
  // The rule that counts for a real server on a loopback address: no element can name its target.
  [[nodiscard]] std::string count_redirected(const ForwardedRealServer& server) const {
    const std::string port =
        server.endpoint.port == 0 ? "" : fmt::format("th dport {} ", server.endpoint.port);
    const std::string service =
        service_.key.mark != 0 ? fmt::format("ct status dnat meta mark {}", service_.key.mark)
                               : fmt::format("ct original {} daddr {} meta l4proto {}", family(),
                                             service_.key.address, word_of(service_.key.protocol));
    return fmt::format("ct direction original {} {}fib daddr type local goto {}\n", service, port,
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
  [[nodiscard]] std::string_view family() const { return word_of(service_.key.address.family()); }

  [[nodiscard]] bool accepts(const ForwardedRealServer& server) const {
    return server.forwardable == Forwardable::yes && server.weight > 0 && translatable(server);
  }

  // The client, or as much of its address as persistence goes by.
  [[nodiscard]] std::string client() const {
    const bool is_v4 = service_.key.address.is_v4();
    if (service_.persistence_prefix >= (is_v4 ? 32 : 128)) return std::string(family()) + " saddr";
    const IpAddress ones =
        *IpAddress::parse(is_v4 ? "255.255.255.255" : "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    return fmt::format("{} saddr & {}", family(), ones.masked(service_.persistence_prefix));
  }

  // The number of a slot: round robin, or the same for every connection of a client.
  [[nodiscard]] std::string slot(size_t slots) const {
    const std::string_view kind = stands_for(service_.scheduler);
    if (kind == "rr" || kind == "wrr") return fmt::format("numgen inc mod {}", slots);
    return fmt::format("jhash {} saddr{} mod {} seed 0x786c62", family(),
                       service_.hash_port ? " . th sport" : "", slots);
  }

  [[nodiscard]] Endpoint target_of(const ForwardedRealServer& server) const {
    return xlb::target_of(service_.key, server, vips_on_loopback_);
  }

  [[nodiscard]] std::string translation(const ForwardedRealServer& server) const {
    const Endpoint target = target_of(server);
    if (target == Endpoint{service_.key.address, service_.key.port}) return "accept";
    const std::string_view protocols =
        service_.key.mark != 0 ? "{ tcp, udp }" : word_of(service_.key.protocol);
    return fmt::format("meta l4proto {} {}", protocols, translation_to(target));
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

}  // namespace xlb::nat
