// The nftables table `ip xlb`, through libnftables: makes it hold what core/nat_rules.h renders,
// removes it. It never names another table. A call may take long with many rules: on the loop, use
// io/nat_worker.h.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "base/result.h"
#include "core/nat_rules.h"

struct nft_ctx;

namespace xlb {

class NatTable {
 public:
  static Result<std::unique_ptr<NatTable>> open();
  ~NatTable();
  NatTable(const NatTable&) = delete;
  NatTable& operator=(const NatTable&) = delete;

  // Makes the kernel hold `state`; without a transaction when that is what was applied last.
  Result<void> apply(const NatState& state);
  // Applies the last state again, for a table that somebody else may have changed.
  Result<void> reassert();
  // Deletes the table; absent is fine.
  Result<void> remove();

  // Whether a predecessor's table balances; before the first apply().
  [[nodiscard]] bool balances();
  // The sets of clients that it holds.
  [[nodiscard]] std::set<std::string> client_sets() const;

 private:
  explicit NatTable(nft_ctx* context);
  void list_names();
  Result<void> apply(NatRuleset desired);
  Result<void> remove_if_present();
  void delete_unwanted();
  Result<void> run(const std::string& commands, std::string_view verb);

  nft_ctx* context_;
  NatRuleset applied_;  // empty: nothing, or not known to be in the kernel
  NatNames present_;    // at least what is in the kernel
  bool listed_ = false;
};

}  // namespace xlb
