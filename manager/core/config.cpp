#include "core/config.h"

#include <algorithm>

namespace xlb {

std::vector<std::string> traffic_interfaces(const Config& config) {
  if (!config.xlb.interfaces.empty()) return config.xlb.interfaces;
  std::vector<std::string> result;
  for (const VrrpInstanceConfig& instance : config.vrrp_instances) {
    if (std::find(result.begin(), result.end(), instance.interface) == result.end()) {
      result.push_back(instance.interface);
    }
  }
  return result;
}

bool takes_interfaces(const Config& config) {
  return std::any_of(config.virtual_servers.begin(), config.virtual_servers.end(),
                     [](const auto& service) { return !needs_translation(service); });
}

}  // namespace xlb
