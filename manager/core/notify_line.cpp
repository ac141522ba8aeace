#include "core/notify_line.h"

#include <fmt/format.h>

namespace xlb {
namespace {

std::string trio(const IpAddress& address, std::string_view protocol, uint16_t port) {
  std::string lower(protocol);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return fmt::format("[{}]:{}:{}", address.to_string(), lower, port);
}

}  // namespace

std::string line_of(const VrrpNotice& notice) {
  return fmt::format("{} \"{}\" {} {}", notice.group ? "GROUP" : "INSTANCE", notice.name,
                     notice.state, notice.priority);
}

std::string line_of(const ServiceKey& service, const QuorumEvent& event) {
  const std::string_view protocol = name_of(service.protocol);
  const std::string virtual_server = service.mark != 0
                                         ? fmt::format("FWM {}", service.mark)
                                         : trio(service.address, protocol, service.port);
  const bool up =
      event.kind == QuorumEvent::Kind::gained || event.kind == QuorumEvent::Kind::real_server_up;
  const std::string_view state = up ? "UP" : "DOWN";
  if (!event.real_server) return fmt::format("VS {} {}", virtual_server, state);
  return fmt::format("RS {} {} {}",
                     trio(event.real_server->address, protocol, event.real_server->port),
                     virtual_server, state);
}

}  // namespace xlb
