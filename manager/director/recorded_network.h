// Routes and rules, put and removed with their record kept: what several owners want at once stays
// until the last of them gives it up.
#pragma once

#include <map>
#include <set>
#include <string>

#include "core/route.h"
#include "io/netlink.h"
#include "io/network_record.h"

namespace xlb {

class RecordedNetwork {
 public:
  RecordedNetwork(Netlink& netlink, NetworkRecord& record) : netlink_(netlink), record_(record) {}
  RecordedNetwork(const RecordedNetwork&) = delete;
  RecordedNetwork& operator=(const RecordedNetwork&) = delete;

  // Each says whether it was absent until now.
  Result<bool> put(const void* owner, const RouteConfig& route);
  Result<bool> put(const void* owner, const RuleConfig& rule);
  // Nothing happens while another owner wants it.
  Result<void> remove(const void* owner, const RouteConfig& route);
  Result<void> remove(const void* owner, const RuleConfig& rule);
  // Takes away what a predecessor recorded and nobody has put since. What could not be removed
  // stays recorded; the lines of what was are returned.
  std::set<std::string> remove_unclaimed();

 private:
  template <typename Item, typename Put>
  Result<bool> put_recorded(const void* owner, const Item& item, std::string line, Put put);
  template <typename Remove>
  Result<void> remove_recorded(const void* owner, const std::string& line, Remove remove);

  Netlink& netlink_;
  NetworkRecord& record_;
  std::map<std::string, std::set<const void*>> owners_;
};

}  // namespace xlb
