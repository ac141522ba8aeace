// The nftables table `ip xlb`, through libnftables: runs the rendered commands as one transaction
// and removes the table. It never names another table.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

struct nft_ctx;

namespace xlb {

class NatTable {
 public:
  static Result<std::unique_ptr<NatTable>> open();
  ~NatTable();
  NatTable(const NatTable&) = delete;
  NatTable& operator=(const NatTable&) = delete;

  // Makes the kernel hold `commands` (render_local_delivery); without a transaction when they are
  // the ones applied last.
  Result<void> apply(std::string_view commands);
  // Applies the last commands again, for a table that somebody else may have changed.
  Result<void> reassert();
  // Deletes the table; absent is fine.
  Result<void> remove();

 private:
  explicit NatTable(nft_ctx* context);
  Result<void> run(const std::string& commands, std::string_view verb);

  nft_ctx* context_;
  std::string applied_;  // empty: nothing, or not known to be in the kernel
};

}  // namespace xlb
