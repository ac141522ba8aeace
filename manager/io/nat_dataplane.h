// The data plane of the nat table: connections are balanced by the nftables tables `ip xlb` and
// `ip6 xlb` and carried on by connection tracking. It puts the tables' thread and connection
// tracking together; the rules are core/nat_rules.h's.
//
// apply() returns at once, the table follows on its thread, and what the table counted is read back
// there once a second. Each sweep is a pass over connection tracking: it counts connections, and
// makes those forget their real server that may not have it any more, so that their next packet is
// balanced anew.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/nat_layout.h"
#include "io/conntrack.h"
#include "io/dataplane.h"
#include "io/nat_worker.h"

namespace xlb {

class NatDataplane : public Dataplane {
 public:
  // `table` must outlive this.
  explicit NatDataplane(NatWorker& table);

  Result<void> apply(const ForwardingTable& desired) override;
  bool sweep_step(TimePoint now) override;
  DataplaneCounters counters() override;
  std::vector<Status::Table> tables() override;
  // From the last sweep and the last reading.
  uint64_t visit_connections(uint64_t cursor, size_t limit, TimePoint now,
                             const std::function<void(const Connection&)>& visit) override;
  uint64_t visit_persistence(uint64_t cursor, size_t limit, TimePoint now,
                             const std::function<void(const PersistentClient&)>& visit) override;
  // It balances nothing more: the tables keep local delivery alone.
  void end();
  // Why connections or counters cannot be read; empty: they can.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }

 private:
  struct Count {
    uint64_t active = 0;
    uint64_t inactive = 0;
  };
  // Compact: there may be a million.
  struct Remembered {
    IpAddress client;
    uint16_t port;
    Endpoint addressed;  // as the client did
    TrackedState state;
    uint32_t server;  // position in the layout
    uint32_t expires_in_s;
  };
  // What one pass over connection tracking found.
  struct Pass {
    std::shared_ptr<const NatLayout> layout;
    std::vector<Count> counts;  // by position
    std::vector<Remembered> connections;
    TimePoint at;
  };

  void begin_pass(TimePoint now);
  bool end_pass();
  void meet(const TrackedConnection& connection);
  void forget_stale(const TrackedConnection& connection, const NatLayout::Service* service);
  void read_table(TimePoint now);
  void took_reading(const NatWorker::Reading& reading, TimePoint asked);
  [[nodiscard]] RealServerCounters counters_of(const NatLayout::Server& server) const;
  [[nodiscard]] NatReading::Count counted(const std::string& counter) const;
  [[nodiscard]] const std::vector<NatReading::Client>& clients_in(const std::string& set) const;

  NatWorker& table_;
  std::optional<Conntrack> conntrack_;  // absent: cannot be read
  ForwardingTable desired_;
  bool vips_on_loopback_ = false;
  std::shared_ptr<const NatLayout> layout_ = std::make_shared<const NatLayout>();
  bool thorough_ = true;  // the next pass looks at untranslated connections too
  std::optional<Pass> current_;
  Pass last_;
  NatWorker::Reading reading_;  // the last that succeeded; null at first
  TimePoint reading_at_{};
  TimePoint next_reading_{};
  std::string trouble_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace xlb
