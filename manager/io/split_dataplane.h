// Two data planes side by side: XDP forwards frames as they are, the nat table translates for the
// virtual servers that need it. Which takes which is core/forwarding.h's `translated`; no
// connection of one stands in the tables of the other. XDP passes frames it knows no virtual server
// for, so they reach the nat table.
//
// A virtual server that changes sides is forwarded by XDP until the nat table has it, or from the
// moment XDP has it: there is always somebody.
#pragma once

#include <vector>

#include "io/nat_dataplane.h"
#include "io/nat_worker.h"
#include "io/xdp_dataplane.h"

namespace xlb {

class SplitDataplane : public Dataplane {
 public:
  // Both must outlive this.
  SplitDataplane(XdpDataplane& xdp, NatWorker& table) : xdp_(xdp), table_(table), nat_(table) {}

  // Until now the tables hold what a predecessor left there: nobody is left alone before XDP is
  // attached.
  void begin_translation();
  // Some virtual server is translated.
  [[nodiscard]] bool translates() const { return !translated_.virtual_servers.empty(); }
  // To be called when the tables have settled: whether apply() is to be called again.
  [[nodiscard]] bool waiting() const { return waiting_ && table_.settled(); }
  [[nodiscard]] const std::string& trouble() const { return nat_.trouble(); }

  Result<void> apply(const ForwardingTable& desired) override;
  bool sweep_step(TimePoint now) override;
  DataplaneCounters counters() override;
  std::vector<Status::Table> tables() override { return xdp_.tables(); }
  uint64_t visit_connections(uint64_t cursor, size_t limit, TimePoint now,
                             const std::function<void(const Connection&)>& visit) override;
  uint64_t visit_persistence(uint64_t cursor, size_t limit, TimePoint now,
                             const std::function<void(const PersistentClient&)>& visit) override;

 private:
  template <typename Item>
  using Visit = uint64_t (Dataplane::*)(uint64_t, size_t, TimePoint,
                                        const std::function<void(const Item&)>&);
  template <typename Item>
  uint64_t visit_both(Visit<Item> visit_one, uint64_t cursor, size_t limit, TimePoint now,
                      const std::function<void(const Item&)>& visit);
  void apply_translated();
  Result<void> apply_split(const ForwardingTable& desired);
  void keep_until_translated(ForwardingTable& forwarded);

  XdpDataplane& xdp_;
  NatWorker& table_;
  NatDataplane nat_;
  bool begun_ = false;
  bool waiting_ = false;
  ForwardingTable translated_;  // by the tables
  std::vector<bool> sides_;     // of the desired table's services: translated; empty: none is
  bool xdp_swept_ = false;
};

}  // namespace xlb
