// The XDP data plane: the pinned program with its maps, attached to interfaces, made to forward by
// a ForwardingTable. It puts together what the files beside it do, and translates numbers to
// addresses; it decides nothing about who should get traffic.
//
// Life: open() finds what an earlier run left or makes it new; nothing that runs is touched by maps
// that do not fit until the first apply() has filled the new ones. Destruction leaves the kernel
// forwarding; release() ends it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/config.h"
#include "io/bpf_map.h"
#include "io/dataplane.h"
#include "io/flow_table.h"
#include "io/interface_table.h"
#include "io/service_tables.h"
#include "io/xdp_attach.h"
#include "io/xdp_program.h"

namespace xlb {

struct XdpOptions {
  std::string bpf_directory;  // DIR/bpf: gets a bpffs of its own
  TableSizes sizes{};         // flows are rounded up to a power of two
};

class XdpDataplane : public Dataplane {
 public:
  static Result<std::unique_ptr<XdpDataplane>> open(const XdpOptions& options);
  // Removes what any run left there: attachments, pins, the bpffs. Nothing there is success.
  static Result<void> purge(const std::string& bpf_directory);

  // What was found at open(), in words for the log; empty: nothing.
  [[nodiscard]] const std::string& adoption() const { return adoption_; }

  // What the program's tables take of the kernel's memory.
  [[nodiscard]] uint64_t memory_bytes() const { return program_.memory_bytes(); }

  // Attaches the program to an interface that is so, and makes it a port. An attachment
  // that is there already is kept if `mode` allows it. `mode` is not none.
  Result<Attached> attach(const std::string& interface, unsigned ifindex,
                          const InterfaceIdentity& identity, AttachMode mode);
  // The interface's addresses changed.
  Result<void> set_interface(unsigned ifindex, const InterfaceIdentity& identity);
  Result<void> detach(unsigned ifindex);
  // Interfaces with an attachment, adopted ones included.
  [[nodiscard]] std::vector<unsigned> attached() const { return links_.interfaces(); }
  // Interfaces whose attachment somebody took away since the last call, or that are gone.
  std::vector<unsigned> forget_detached();
  // Whether there are any, as XdpLinks::inspection().
  [[nodiscard]] std::function<bool()> inspection() const { return links_.inspection(); }
  // Pins again, on a new bpffs if need be, what somebody removed; true: something was missing.
  Result<bool> restore_pins();
  // Frames may leave by this interface. apply() does it for the next hops it is given.
  Result<void> add_port(unsigned ifindex);

  // Called between the virtual servers of apply() and counters().
  void on_pause(std::function<void()> handler) { pause_ = std::move(handler); }
  Result<void> apply(const ForwardingTable& desired) override;
  [[nodiscard]] const ForwardingTable& applied() const { return applied_; }
  bool sweep_step(TimePoint now) override;
  DataplaneCounters counters() override;
  std::vector<Status::Table> tables() override;  // xdp_tables.cpp
  uint64_t visit_connections(uint64_t cursor, size_t limit, TimePoint now,
                             const std::function<void(const Connection&)>& visit) override;
  uint64_t visit_persistence(uint64_t cursor, size_t limit, TimePoint now,
                             const std::function<void(const PersistentClient&)>& visit) override;

  // Ends the forwarding: detaches, removes all pins, unmounts the bpffs. Only destruction may
  // follow.
  Result<void> release();

 private:
  XdpDataplane(BpfDirectory directory, XdpProgram program, XdpLinks links);
  Result<void> open_tables();
  void describe_adoption();
  void forget_interfaces_without_link();
  Result<void> take_over();
  void reclaim_numbers(const ForwardingDiff& changes);
  Result<void> apply_service(const ForwardedVirtualServer& service);

  BpfDirectory directory_;
  XdpProgram program_;
  XdpLinks links_;
  ServiceTables tables_;
  MappedArray<xlb_flow_bucket> flow_memory_;
  MappedArray<xlb_client_bucket> client_memory_;
  MappedArray<xlb_client_address> flow_address_memory_;
  MappedArray<xlb_client_address> client_address_memory_;
  MappedArray<xlb_interface> interface_memory_;
  FlowTable flows_;
  InterfaceTable interfaces_;
  BpfMap<uint32_t, uint32_t> ports_;
  std::vector<Status::Table> table_sizes_;  // of tables(), from its first call on
  std::string adoption_;
  bool taken_over_ = false;
  ForwardingTable applied_;
  std::function<void()> pause_ = [] {};
};

}  // namespace xlb
