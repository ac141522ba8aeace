#include "core/config_lvs.h"

#include <fmt/format.h>

#include <algorithm>

namespace xlb {

std::string name_of(const VirtualServerConfig& config) {
  if (config.group.empty()) return config.key.to_string();
  return fmt::format("{} group {}", name_of(config.key.protocol), config.group);
}

std::vector<ServiceKey> keys_of(const VirtualServerConfig& config) {
  std::vector<ServiceKey> keys = {config.key};
  keys.insert(keys.end(), config.more_keys.begin(), config.more_keys.end());
  return keys;
}

bool needs_translation(const VirtualServerConfig& config) {
  const auto marked = [](const ServiceKey& key) { return key.mark != 0; };
  return marked(config.key) || (config.sorry_server && config.sorry_translated) ||
         std::any_of(config.more_keys.begin(), config.more_keys.end(), marked) ||
         std::any_of(config.real_servers.begin(), config.real_servers.end(),
                     [](const auto& server) { return server.translated; });
}

}  // namespace xlb
