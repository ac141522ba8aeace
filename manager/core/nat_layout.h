// The real servers of a balanced table, found by what the kernel tells: names of counters and sets,
// addresses of tracked connections. Made once for each desired state, so that reading the kernel
// every second costs look-ups alone.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/forwarding.h"
#include "core/types.h"

namespace xlb {

class NatLayout {
 public:
  struct Server {
    ServiceKey service;
    Endpoint endpoint;
    bool usable = false;  // for existing connections
    // As core/nat_rules.h names them.
    std::string connection_counter;
    std::string packet_counter;
    std::string client_set;
  };
  struct Service {
    ServiceKey key;
    bool served = false;  // somebody takes new connections
    std::string unserved_counter;
    uint32_t first = 0;  // its servers' positions: first, ... end - 1
    uint32_t end = 0;
  };

  NatLayout() = default;
  NatLayout(const ForwardingTable& table, bool vips_on_loopback);

  [[nodiscard]] const std::vector<Service>& services() const { return services_; }  // table's order
  [[nodiscard]] const std::vector<Server>& servers() const { return servers_; }
  // Who balances what is addressed so; nullptr: nobody, or only services by mark, which no address
  // tells.
  [[nodiscard]] const Service* service(const ServiceKey& addressed) const;
  // Positions in servers(): by its own address, and by the address that answers the clients.
  [[nodiscard]] std::optional<uint32_t> position(const ServiceKey& service,
                                                 const Endpoint& endpoint) const;
  [[nodiscard]] std::optional<uint32_t> answering(const ServiceKey& service,
                                                  const Endpoint& endpoint) const;
  // Of the services by mark: connection tracking does not tell the mark, so this is a usable one
  // that answers so, else any.
  [[nodiscard]] std::optional<uint32_t> answering_marked(const Endpoint& endpoint) const;

 private:
  using Positions = std::map<std::pair<ServiceKey, Endpoint>, uint32_t>;

  std::vector<Service> services_;
  std::vector<Server> servers_;
  std::map<ServiceKey, uint32_t> service_positions_;
  Positions positions_;
  Positions answering_;
  std::vector<ServiceKey> marked_;
};

}  // namespace xlb
