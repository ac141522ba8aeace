// What the director asks of a data plane, whatever forwards the packets: apply a desired state,
// tell what happened. The XDP data plane implements it; the nat table's balancer will.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "core/forwarding.h"
#include "core/status.h"
#include "core/types.h"

namespace xlb {

struct RealServerCounters {
  Endpoint endpoint;
  Traffic traffic;
  // From the last complete sweep of the flow table.
  uint64_t active_connections = 0;    // TCP, established
  uint64_t inactive_connections = 0;  // every other state, and UDP, as IPVS counts
  uint64_t persistent_clients = 0;    // persistence entries not yet expired
};

struct ServiceCounters {
  ServiceKey key;
  Traffic unserved;  // matched, but no real server could take them
  std::vector<RealServerCounters> real_servers;
};

struct DataplaneCounters {
  std::vector<ServiceCounters> services;  // order of the applied table
  std::vector<Status::Drop> drops;        // every reason, also those at zero
  uint64_t flows = 0;                     // flow table entries in use at the last sweep
};

// One remembered connection.
struct Connection {
  Protocol protocol = Protocol::tcp;
  std::string_view state;  // IPVS's words: "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE", "UDP"
  std::chrono::seconds expires_in{};
  Endpoint client;
  Endpoint virtual_server;
  Endpoint real_server;
};

// One remembered client of a persistent virtual server.
struct PersistentClient {
  Protocol protocol = Protocol::tcp;
  std::chrono::seconds expires_in{};  // as long as it has live connections it is kept beyond 0
  bool live = false;
  IpAddress client;
  Endpoint virtual_server;
  Endpoint real_server;
};

class Dataplane {
 public:
  Dataplane() = default;
  Dataplane(const Dataplane&) = delete;
  Dataplane& operator=(const Dataplane&) = delete;
  virtual ~Dataplane() = default;  // leaves the kernel forwarding

  // Makes the kernel forward by `desired`, writing only what differs from the last applied table.
  // On an error some of it may be applied; call again with the whole desired state.
  virtual Result<void> apply(const ForwardingTable& desired) = 0;

  // Looks at the next part of the flow and persistence tables: expires entries, counts connections.
  // Bounded work (about 1 ms); true when a whole pass has just been completed.
  virtual bool sweep_step(TimePoint now) = 0;

  virtual DataplaneCounters counters() = 0;
  // How full its tables are, always in the same order. Cheap: asked with every status.
  virtual std::vector<Status::Table> tables() { return {}; }

  // Visits at most `limit` entries that are not expired, from `cursor` on; returns the cursor to go
  // on from, 0 at the end.
  virtual uint64_t visit_connections(uint64_t cursor, size_t limit, TimePoint now,
                                     const std::function<void(const Connection&)>& visit) = 0;
  virtual uint64_t visit_persistence(uint64_t cursor, size_t limit, TimePoint now,
                                     const std::function<void(const PersistentClient&)>& visit) = 0;
};

}  // namespace xlb
