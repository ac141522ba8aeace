// The nftables table `ip xlb`, through libnftables: makes it hold what core/nat_rules.h renders,
// reads its counters and sets, removes it. It never names another table. A call may take long with
// many rules: on the loop, use io/nat_worker.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "core/nat_rules.h"

struct nft_ctx;

namespace xlb {

// What the table tells, by the names of core/nat_rules.h.
struct NatReading {
  struct Count {
    uint64_t packets = 0;
    uint64_t bytes = 0;
  };
  struct Client {
    IpAddress address;
    std::chrono::seconds expires_in{};
  };
  std::map<std::string, Count> counters;
  std::map<std::string, std::vector<Client>> client_sets;
};

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
  Result<NatReading> read();

 private:
  explicit NatTable(nft_ctx* context);
  void list_names();
  Result<void> apply(NatRuleset desired);
  Result<void> remove_if_present();
  void delete_unwanted();
  Result<void> run(const std::string& commands, std::string_view verb);
  Result<std::string> output_of(const std::string& commands, unsigned flags);

  nft_ctx* context_;
  NatRuleset applied_;  // empty: nothing, or not known to be in the kernel
  NatNames present_;    // at least what is in the kernel
  bool listed_ = false;
};

}  // namespace xlb
