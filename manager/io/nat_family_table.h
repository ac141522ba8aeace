// One nftables table, `ip xlb` or `ip6 xlb`, through libnftables. Internal to io/nat_table.h.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "base/result.h"
#include "core/nat_rules.h"

struct nft_ctx;

namespace xlb {

class NatFamilyTable {
 public:
  static Result<std::unique_ptr<NatFamilyTable>> open(AddressFamily family);
  ~NatFamilyTable();
  NatFamilyTable(const NatFamilyTable&) = delete;
  NatFamilyTable& operator=(const NatFamilyTable&) = delete;

  // Makes the kernel hold `state`; without a transaction when that is what was applied last.
  Result<void> apply(const NatState& state);
  // Applies the last state again, for a table that somebody else may have changed.
  Result<void> reassert();
  // Deletes the table; absent is fine.
  Result<void> remove();

  // Whether a predecessor's table balances; before the first apply().
  [[nodiscard]] bool balances();
  [[nodiscard]] AddressFamily family() const { return family_; }
  // Whether it holds counters to read.
  [[nodiscard]] bool counts() const { return !applied_.counters.empty(); }
  // The sets of clients that it holds.
  [[nodiscard]] std::set<std::string> client_sets() const;

 private:
  NatFamilyTable(nft_ctx* context, AddressFamily family);
  void list_names();
  Result<void> apply(NatRuleset desired);
  Result<void> remove_if_present();
  void delete_unwanted();
  Result<void> run(const std::string& commands, std::string_view verb);

  [[nodiscard]] std::string deletion_of_all() const;
  [[nodiscard]] std::string name() const;

  nft_ctx* context_;
  AddressFamily family_;
  NatRuleset applied_;  // empty: nothing, or not known to be in the kernel
  NatNames present_;    // at least what is in the kernel
  bool listed_ = false;
};

}  // namespace xlb
