// What users see: one immutable value, published once a second and on every change, read by the
// HTTP thread and xlbctl. docs/status.md documents the JSON; arrays keep the configuration's order.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/types.h"

namespace xlb {

using WallTime = std::chrono::system_clock::time_point;

struct Traffic {
  uint64_t packets = 0;
  uint64_t bytes = 0;  // IP total length, as IPVS counts
  uint64_t connections = 0;
};

// Over the last seconds; core/rate_estimator.h.
struct Rates {
  double connections_per_s = 0;
  double packets_per_s = 0;
  double bytes_per_s = 0;
};

struct Status {
  struct Interface {
    std::string name;
    std::string mode;    // "native", "generic", "nat"
    std::string reason;  // why not a better one; empty for native
  };
  struct Refusals {
    std::string reason;
    uint64_t count = 0;
  };
  // What a virtual router tracks, or its sync group does.
  struct Tracker {
    std::string kind;  // "interface", "script", "process", "file"
    std::string name;
    std::string state;  // "up", "down", "unknown": no first result yet
    int64_t value = 0;  // file: what it says
    int weight = 0;
    bool reverse = false;
    int priority_change = 0;
    bool fault = false;  // it keeps the router in FAULT
    std::string result;  // last reading in words
  };
  struct NotifyFifo {
    std::string word;  // "notify_fifo", ...
    std::string path;
    uint64_t lines = 0;
    uint64_t lost = 0;
  };
  struct Vrrp {
    std::string instance;
    std::string state;   // "MASTER", "BACKUP", "FAULT"
    std::string reason;  // why FAULT; else empty
    std::string interface;
    std::string family;              // "IPv4", "IPv6": what advertisements are sent by
    std::string mode;                // "multicast", "unicast"
    std::vector<std::string> peers;  // the only senders heeded; empty: whoever is on the link
    int version = 2;
    int priority = 0;            // as configured
    int effective_priority = 0;  // it speaks with: changed by what it tracks
    int virtual_router_id = 0;
    double advert_interval_s = 1;
    std::vector<std::string> virtual_addresses;  // "10.10.0.3/24"
    std::string master_address;  // who is master, when somebody else; empty: unknown or us
    WallTime since;
    uint64_t transitions = 0;
    uint64_t adverts_sent = 0;
    uint64_t adverts_received = 0;
    uint64_t adverts_late = 0;  // sent more than half an interval after they were due
    std::string sync_group;     // empty: none
    std::vector<Tracker> trackers;
    std::vector<Refusals> refused;  // only reasons that occurred
    std::vector<Refusals> alarms;   // valid advertisements that should not exist, by what is wrong
  };
  struct Check {
    std::string kind;    // "HTTP_GET", "SSL_GET", "TCP_CHECK", ...
    std::string target;  // "10.10.0.1:80", a script's command line, a file's name
    bool up = true;
    int consecutive_failures = 0;
    std::string result;  // last attempt in words
    std::optional<WallTime> last_at;
    uint64_t attempts = 0;   // ended, since the check is configured
    bool suspended = false;  // by ha_suspend
  };
  struct RealServer {
    Endpoint endpoint;
    std::string forward;        // "Local", "Route", "Tunnel", "Masq"
    int weight = 1;             // in force
    int configured_weight = 1;  // what the checks may change
    std::string state;          // "up", "down", "draining"
    std::string reason;         // last check's result in words, or why it gets no traffic
    std::string mac;            // empty: unresolved or local
    uint64_t active_connections = 0;
    uint64_t inactive_connections = 0;
    uint64_t persistent_clients = 0;
    Traffic traffic;
    Rates rates;
    std::vector<Check> checks;
  };
  struct Quorum {
    uint32_t needed = 1;
    uint32_t hysteresis = 0;
    uint64_t weight = 0;  // of all live real servers
    bool met = false;
  };
  struct VirtualServer {
    ServiceKey key;
    std::string group;       // whose member it is; empty: it stands alone
    std::string scheduler;   // "rr", "wrr", ...
    std::string forwarding;  // "DR", "TUN", "NAT"
    bool hash_port = false;
    bool one_packet = false;
    std::optional<int64_t> persistence_timeout_s;
    int persistence_prefix = 32;  // bits of the client's address that count
    std::string state;            // "up", "down", "sorry"
    Quorum quorum;
    Traffic traffic;  // every packet that matched, also those no real server could take
    Rates rates;
    std::vector<RealServer> real_servers;
    std::optional<RealServer> sorry_server;  // while it is in use, and no real server besides
  };
  struct Drop {
    std::string reason;
    uint64_t packets = 0;
  };
  // A table of the data plane; what is not known, or has no bound, is absent.
  struct Table {
    std::string name;
    std::optional<uint64_t> used;
    std::optional<uint64_t> size;
    std::optional<uint64_t> memory_bytes;
  };
  struct Loop {
    double max_lag_ms = 0;  // since it was ready: how late the loop served a deadline
    double median_lag_ms = 0;
    double p99_lag_ms = 0;
  };

  std::string version;
  WallTime generated_at;
  bool ready = false;            // data plane attached and configuration applied
  std::string not_ready_reason;  // when not ready
  std::vector<std::string> warnings;
  uint32_t flow_table_size = 0;
  uint64_t flows = 0;  // entries in use at the last sweep
  std::vector<Interface> dataplane;
  std::vector<Vrrp> vrrp;
  std::vector<NotifyFifo> notify_fifos;
  std::vector<VirtualServer> virtual_servers;
  std::vector<Drop> drops;  // every reason, also those at zero
  std::vector<Table> tables;
  Loop loop;
};

// pretty: two spaces a level, as people read it; line: no newline inside, as the control socket
// needs it. Both end in a newline.
enum class JsonStyle : uint8_t { pretty, line };

// The document of GET /v1/status and `xlbctl --json show`. Bytes that are not UTF-8 become U+FFFD:
// reasons and names come from outside.
std::string to_json(const Status& status, JsonStyle style = JsonStyle::pretty);

// The same document, line style, in pieces of about half a millisecond's work: with a thousand real
// servers the whole takes ten.
class StatusDocument {
 public:
  explicit StatusDocument(Status status) : status_(std::move(status)) {}

  // Appends the next piece; false when it was the last.
  bool next(std::string& out);

 private:
  bool next_real_servers(std::string& out);

  Status status_;
  bool begun_ = false;
  size_t service_ = 0;
  size_t real_server_ = 0;  // of that service
};

// RFC 3339 with milliseconds, UTC: "2026-11-22T13:45:00.123Z".
std::string rfc3339(WallTime time);

}  // namespace xlb
