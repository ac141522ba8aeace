// The socket of a server on 127.0.0.1, on a port of the kernel's choice.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/unique_fd.h"
#include "core/types.h"

namespace xlb::test {

// `type` is SOCK_STREAM, and then it listens, or SOCK_DGRAM. Non-blocking.
inline UniqueFd loopback_socket(int type, Endpoint& endpoint) {
  UniqueFd result(::socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  REQUIRE(::bind(result.get(), generic, length) == 0);
  REQUIRE(::getsockname(result.get(), generic, &length) == 0);
  if (type == SOCK_STREAM) REQUIRE(::listen(result.get(), 16) == 0);
  endpoint = Endpoint{IpAddress::v4(127, 0, 0, 1), ntohs(address.sin_port)};
  return result;
}

}  // namespace xlb::test
