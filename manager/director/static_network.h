// static_ipaddress, static_routes and static_rules: on the host as long as the daemon runs, put
// back when somebody removes them, and taken away at a clean stop.
#pragma once

#include <string>

#include "core/config_network.h"
#include "director/recorded_network.h"
#include "io/address_record.h"
#include "io/netlink.h"

namespace xlb {

class StaticNetwork {
 public:
  StaticNetwork(Netlink& netlink, AddressRecord& addresses, RecordedNetwork& network)
      : netlink_(netlink), addresses_(addresses), network_(network) {}
  StaticNetwork(const StaticNetwork&) = delete;
  StaticNetwork& operator=(const StaticNetwork&) = delete;

  // Takes away what `config` no longer names and puts what it names newly; what stays is not
  // touched.
  void configure(const NetworkConfig& config);
  // Puts back what is missing.
  void repair();
  void remove_all();
  [[nodiscard]] bool has(const AddressRecord::Entry& entry) const;

 private:
  void put(const VirtualAddress& address);
  void put_routes();
  template <typename Item>
  void put_one(const Item& item, std::string_view what);
  void remove(const VirtualAddress& address);
  template <typename Item>
  void remove_item(const Item& item);
  void failed(const std::string& text);

  Netlink& netlink_;
  AddressRecord& addresses_;
  RecordedNetwork& network_;
  NetworkConfig config_;
  bool restoring_ = false;
  bool routes_failed_ = false;
  uint64_t routes_seen_ = 0;
  std::set<std::string> failures_;  // said already
};

}  // namespace xlb
