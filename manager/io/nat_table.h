// The nftables tables `ip xlb` and `ip6 xlb`: makes them hold what core/nat_rules.h renders,
// removes them. No other table is ever named. A call may take long with many rules: on the loop,
// use io/nat_worker.h.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "base/result.h"
#include "core/nat_rules.h"
#include "io/nat_family_table.h"
#include "io/nat_reader.h"

namespace xlb {

class NatTable {
 public:
  static Result<std::unique_ptr<NatTable>> open();

  // Makes the kernel hold `state`; without a transaction when that is what was applied last.
  Result<void> apply(const NatState& state);
  // Applies the last state again, for tables that somebody else may have changed.
  Result<void> reassert();
  // Deletes the tables; absent is fine.
  Result<void> remove();

  // Whether a predecessor's table balances; before the first apply().
  [[nodiscard]] bool balances() { return four_->balances() || six_->balances(); }
  // The sets of clients that IPv4's holds.
  [[nodiscard]] std::set<std::string> client_sets() const { return four_->client_sets(); }
  // What both count and remember; see io/nat_reader.h.
  [[nodiscard]] Result<NatReading> read(const std::function<bool()>& give_up) const;

 private:
  NatTable() = default;

  std::unique_ptr<NatFamilyTable> four_;
  std::unique_ptr<NatFamilyTable> six_;
};

}  // namespace xlb
