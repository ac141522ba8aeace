#include "io/probe/probe_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <utility>

#include "io/socket_address.h"

namespace xlb {
namespace {

Result<void> set_option(int socket, int level, int option, int value, std::string_view what) {
  if (::setsockopt(socket, level, option, &value, sizeof value) == 0) return {};
  return fail_errno(errno, "cannot set {}", what);
}

// What is not given is left to the kernel.
Result<void> bind_to(int socket, AddressFamily family, const CheckSource& source) {
  if (source.mark != 0) {
    if (auto set = set_option(socket, SOL_SOCKET, SO_MARK, static_cast<int>(source.mark),
                              fmt::format("fwmark {}", source.mark));
        !set) {
      return set;
    }
  }
  const std::string& interface = source.interface;
  if (!interface.empty() && ::setsockopt(socket, SOL_SOCKET, SO_BINDTODEVICE, interface.c_str(),
                                         static_cast<socklen_t>(interface.size())) != 0) {
    return fail_errno(errno, "cannot bind to interface {}", interface);
  }
  if (!source.address && source.port == 0) return {};
  if (source.port != 0) {
    if (auto set = set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR"); !set)
      return set;
  } else {
    // The port is chosen when connecting: otherwise 28,000 of them would be all.
    (void)set_option(socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1, "IP_BIND_ADDRESS_NO_PORT");
  }
  const IpAddress any =
      family == AddressFamily::ipv4 ? IpAddress() : IpAddress::from_v6(std::array<uint8_t, 16>{});
  const Endpoint own{source.address.value_or(any), source.port};
  const SocketAddress address = socket_address(own);
  if (::bind(socket, address.get(), address.length) == 0) return {};
  return fail_errno(errno, "cannot bind to {}", own);
}

}  // namespace

Result<UniqueFd> open_probe_socket(AddressFamily family, int type, int protocol,
                                   const CheckSource& source) {
  const int domain = family == AddressFamily::ipv4 ? AF_INET : AF_INET6;
  UniqueFd socket(::socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
  if (!socket.valid()) return fail_errno(errno, "cannot open a socket");
  if (auto bound = bind_to(socket.get(), family, source); !bound) return bound.error();
  return Result<UniqueFd>(std::move(socket));
}

void end_by_reset(int socket) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  (void)::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

void acknowledge_late(int socket) {
  const int off = 0;
  (void)::setsockopt(socket, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof off);
}

std::string seconds_text(Duration duration) {
  return fmt::format("{:g} s", std::chrono::duration<double>(duration).count());
}

}  // namespace xlb
