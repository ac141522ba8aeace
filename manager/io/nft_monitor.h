// Tells when somebody else changes the nftables table `ip xlb` or `ip6 xlb`, from nf_tables' own
// notifications (the kernel names the process behind each transaction). It knows nothing of what
// the table should hold.
//
// Elements of sets are not followed: the kernel adds and expires them as clients come and go.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace xlb {

// What a stream of nf_tables notifications says; no socket.
class NftTransactions {
 public:
  // Transactions of processes with this name (task_comm) are our own.
  explicit NftTransactions(std::string own_name) : own_name_(std::move(own_name)) {}

  // One datagram. Returns the name of the process that changed the table in a transaction that
  // ended in it, not our own; empty: none did. A transaction may span datagrams.
  std::string take(std::span<const std::byte> datagram);
  // Notifications were lost.
  void forget() { touched_ = false; }

 private:
  std::string own_name_;
  bool touched_ = false;  // by the transaction that has not ended yet
};

class NftMonitor {
 public:
  static Result<NftMonitor> open();

  // Readable when process() has something to do.
  [[nodiscard]] int fd() const { return socket_.get(); }
  // Reads what is pending (a bounded part of it) and calls `changed` once if somebody changed the
  // table or notifications were lost, with who it was (empty: not known).
  Result<void> process(const std::function<void(const std::string& who)>& changed);

 private:
  NftMonitor(UniqueFd socket, std::string own_name)
      : socket_(std::move(socket)), transactions_(std::move(own_name)) {}

  UniqueFd socket_;
  NftTransactions transactions_;
};

}  // namespace xlb
