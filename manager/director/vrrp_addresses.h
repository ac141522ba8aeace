// What a virtual router puts on this host as master and takes away as anything else: its addresses,
// routes and rules, and the announcements that tell the link about the addresses. It must not know
// the election: its owner says when.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/config_vrrp.h"
#include "core/vrrp.h"
#include "io/address_record.h"
#include "io/claim_watch.h"
#include "io/event_loop.h"
#include "io/netlink.h"

namespace xlb {

struct VrrpSurroundings;

class VrrpAddresses {
 public:
  // Both belong to the owner and may change between calls.
  VrrpAddresses(const VrrpSurroundings& around, const VrrpInstanceConfig& config);
  VrrpAddresses(const VrrpAddresses&) = delete;
  VrrpAddresses& operator=(const VrrpAddresses&) = delete;

  // As they are recorded.
  [[nodiscard]] std::set<AddressRecord::Entry> entries() const;
  // Whether each is on its interface.
  [[nodiscard]] bool in_place() const;
  [[nodiscard]] bool has(const IpAddress& address) const;
  // The interface that advertisements leave by: the virtual MAC's, unless vmac_xmit_base.
  [[nodiscard]] const std::string& speaking_interface() const;
  // How often somebody else claimed one of the addresses while we were master.
  [[nodiscard]] uint64_t conflicts() const { return conflicts_; }

  // Before the first advertisement of a master; remove() ends it.
  void speak();
  void add();
  void remove();
  // As master: after add() the block that a new master sends, with its second block later; after
  // that the one that answers another's advertisement.
  void announce();
  // One block and no second one: something about the addresses was changed.
  void announce_again();
  // Tells the neighbours of an address of the host's own.
  void announce_own(const Link& link, const IpAddress& address);
  // Takes away what `next` no longer names, so that another instance may claim it.
  void give_up(const VrrpInstanceConfig& next);
  // As master, after the configuration changed; `before` are the entries until then.
  void bring_in_line(const std::set<AddressRecord::Entry>& before);
  // Puts back what somebody else took away, and takes away what somebody else put, as the role has
  // it.
  void repair(vrrp::State role);

 private:
  void remove(const VirtualAddress& address);
  void restore();
  void restore_addresses();
  void remove_foreign();
  void put_routes(bool restoring);
  template <typename Item>
  void put_all(const std::vector<Item>& items, std::string_view what, bool restoring);
  template <typename Item>
  void remove_item(const Item& item);
  void send_block(unsigned rounds);
  void refresh();
  void arm_refresh();
  void watch_claims();
  void claimed(const IpAddress& address, const MacAddress& mac);
  bool repaired(const Result<void>& result);
  [[nodiscard]] std::vector<VirtualAddress> all() const;  // each with its device named
  [[nodiscard]] std::string device_of(const VirtualAddress& address) const;
  [[nodiscard]] bool is_present(unsigned index, const VirtualAddress& address) const;

  const VrrpSurroundings& around_;
  const VrrpInstanceConfig& config_;
  std::string repair_error_;
  bool speaks_ = false;
  bool newly_master_ = false;   // nothing was announced since add()
  bool routes_failed_ = false;  // at least one was refused: tried again
  uint64_t routes_seen_ = 0;    // Netlink::route_generation() when they were last looked at
  EventLoop::Timer second_block_;
  unsigned second_block_rounds_ = 0;
  EventLoop::Timer refresh_;
  std::vector<std::unique_ptr<ClaimWatch>> claim_watches_;  // as master, one an interface
  uint64_t conflicts_ = 0;
  TimePoint next_answer_{};  // to a claim: not oftener than once a second
};

}  // namespace xlb
