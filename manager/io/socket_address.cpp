#include "io/socket_address.h"

#include <netinet/in.h>

#include <algorithm>

namespace xlb {

SocketAddress socket_address(const Endpoint& endpoint) {
  SocketAddress result;
  if (endpoint.address.is_v4()) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(result.storage);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    v4.sin_addr.s_addr = endpoint.address.v4_network_order();
    result.length = sizeof v4;
    return result;
  }
  auto& v6 = reinterpret_cast<sockaddr_in6&>(result.storage);
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(endpoint.port);
  const auto& bytes = endpoint.address.bytes();
  std::copy(bytes.begin(), bytes.end(), v6.sin6_addr.s6_addr);
  result.length = sizeof v6;
  return result;
}

}  // namespace xlb
