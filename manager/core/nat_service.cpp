#include "core/nat_service.h"

#include <algorithm>

namespace xlb {
namespace nat {
namespace {

// nft's names have no colons, addresses no underscores.
std::string name_of_address(const IpAddress& address) {
  std::string text = address.to_string();
  std::replace(text.begin(), text.end(), ':', '_');
  return text;
}

}  // namespace

std::string name_of_service(const ServiceKey& service) {
  if (service.mark != 0) {
    return fmt::format("{}/{}", service.address.is_v4() ? "fwm" : "fwm6", service.mark);
  }
  return fmt::format("{}/{}/{}", nat::word_of(service.protocol), name_of_address(service.address),
                     service.port);
}

std::string name_of_server(std::string_view kind, const ServiceKey& service,
                           const Endpoint& real_server) {
  return fmt::format("{}/{}/{}/{}", kind, name_of_service(service),
                     name_of_address(real_server.address), real_server.port);
}

std::string_view stands_for(Scheduler scheduler) {
  switch (scheduler) {
    case Scheduler::rr:
    case Scheduler::lc:
      return "rr";
    case Scheduler::wrr:
    case Scheduler::wlc:
    case Scheduler::sed:
    case Scheduler::nq:
      return "wrr";
    case Scheduler::sh:
    case Scheduler::mh:
    case Scheduler::dh:
      break;
  }
  return "a hash of the client's address";
}

std::string_view word_of(Protocol protocol) {
  return protocol == Protocol::tcp ? "tcp" : "udp";
}

std::string translation_to(const Endpoint& target) {
  if (target.port == 0) {
    return is_loopback(target.address) ? "redirect" : fmt::format("dnat to {}", target.address);
  }
  return is_loopback(target.address) ? fmt::format("redirect to :{}", target.port)
                                     : fmt::format("dnat to {}", target);
}

std::string_view word_of(AddressFamily family) {
  return family == AddressFamily::ipv4 ? "ip" : "ip6";
}

std::string element_of(const ServiceKey& service) {
  const std::string element = fmt::format("{} . {}", service.address, word_of(service.protocol));
  return service.port == 0 ? element : fmt::format("{} . {}", element, service.port);
}

}  // namespace nat

std::string connection_counter(const ServiceKey& service, const Endpoint& real_server) {
  return nat::name_of_server("connections", service, real_server);
}
std::string packet_counter(const ServiceKey& service, const Endpoint& real_server) {
  return nat::name_of_server("packets", service, real_server);
}
std::string client_set(const ServiceKey& service, const Endpoint& real_server) {
  return nat::name_of_server("clients", service, real_server);
}
Endpoint target_of(const ServiceKey& service, const ForwardedRealServer& server,
                   bool vips_on_loopback) {
  const bool untranslated = vips_on_loopback && !server.translated && service.mark == 0;
  if (server.local && untranslated) return {service.address, service.port};
  return server.endpoint;
}
bool is_loopback(const IpAddress& address) {
  return address.is_v4() ? address.bytes()[0] == 127 : address == *IpAddress::parse("::1");
}
std::string unserved_counter(const ServiceKey& service) {
  return "unserved/" + nat::name_of_service(service);
}

}  // namespace xlb
