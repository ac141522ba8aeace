#include "core/forwarding.h"

#include <map>

namespace xlb {

ForwardingDiff diff(const ForwardingTable& from, const ForwardingTable& to) {
  std::map<ServiceKey, const ForwardedVirtualServer*> existing;
  for (const auto& service : from.virtual_servers)
    existing.emplace(service.key, &service);
  ForwardingDiff result;
  for (const auto& service : to.virtual_servers) {
    const auto found = existing.find(service.key);
    if (found == existing.end() || *found->second != service) result.changed.push_back(service);
    if (found != existing.end()) existing.erase(found);
  }
  for (const auto& [key, service] : existing)
    result.removed.push_back(key);
  return result;
}

}  // namespace xlb
