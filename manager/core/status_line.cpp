#include "core/status_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace xlb {
namespace {

std::string_view plural(size_t count) {
  return count == 1 ? "" : "s";
}

std::string routers_text(const Status& status) {
  std::string text;
  for (const auto& router : status.vrrp) {
    if (!text.empty()) text += ", ";
    text += fmt::format("{} {}", router.instance, router.state);
  }
  return text;
}

std::string services_text(const Status& status) {
  size_t all = 0;
  size_t up = 0;
  for (const auto& service : status.virtual_servers) {
    all += service.real_servers.size();
    up += static_cast<size_t>(
        std::count_if(service.real_servers.begin(), service.real_servers.end(),
                      [](const auto& real_server) { return real_server.state == "up"; }));
  }
  const size_t services = status.virtual_servers.size();
  return fmt::format("{} virtual server{}, {} of {} real server{} up", services, plural(services),
                     up, all, plural(all));
}

}  // namespace

std::string status_line(const Status& status) {
  std::vector<std::string> parts;
  if (!status.ready) parts.push_back("not ready: " + status.not_ready_reason);
  if (!status.vrrp.empty()) parts.push_back(routers_text(status));
  if (!status.virtual_servers.empty()) parts.push_back(services_text(status));
  std::string line = fmt::format("{}", fmt::join(parts, "; "));
  std::replace_if(
      line.begin(), line.end(),
      [](char byte) { return static_cast<unsigned char>(byte) < ' ' || byte == '\x7f'; }, ' ');
  return line;
}

}  // namespace xlb
