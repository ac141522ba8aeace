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

std::string notice_name(const ServiceKey& service) {
  if (service.mark != 0) return fmt::format("FWM {}", service.mark);
  return trio(service.address, name_of(service.protocol), service.port);
}

std::string notice_name(const Endpoint& real_server, Protocol protocol) {
  return trio(real_server.address, name_of(protocol), real_server.port);
}

std::string line_of(const VrrpNotice& notice) {
  return fmt::format("{} \"{}\" {} {}", notice.group ? "GROUP" : "INSTANCE", notice.name,
                     notice.state, notice.priority);
}

std::string line_of(const ServiceKey& service, const QuorumEvent& event) {
  const bool up =
      event.kind == QuorumEvent::Kind::gained || event.kind == QuorumEvent::Kind::real_server_up;
  const std::string_view state = up ? "UP" : "DOWN";
  if (!event.real_server) return fmt::format("VS {} {}", notice_name(service), state);
  return fmt::format("RS {} {} {}", notice_name(*event.real_server, service.protocol),
                     notice_name(service), state);
}

}  // namespace xlb
