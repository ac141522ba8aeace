// A real server and a client of its VIP in namespaces of their own, and sockets in them.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <memory>
#include <string>

#include "base/unique_fd.h"
#include "core/types.h"
#include "network_namespace.h"

namespace xlb::test {

inline constexpr IpAddress kVip = IpAddress::v4(10, 9, 0, 3);
inline constexpr IpAddress kOwn = IpAddress::v4(10, 9, 0, 1);
inline constexpr IpAddress kClient = IpAddress::v4(10, 9, 0, 2);

inline sockaddr_in to_sockaddr(const Endpoint& endpoint) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(endpoint.port);
  address.sin_addr.s_addr = endpoint.address.v4_network_order();
  return address;
}

// `wait_ms` bounds every wait: SO_SNDTIMEO is connect()'s.
inline UniqueFd make_socket(int type, int wait_ms = 5000) {
  UniqueFd result(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  REQUIRE(result.valid());
  const timeval bound{.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000L};
  REQUIRE(::setsockopt(result.get(), SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound) == 0);
  REQUIRE(::setsockopt(result.get(), SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof bound) == 0);
  return result;
}

inline UniqueFd bound_socket(int type, const Endpoint& endpoint) {
  UniqueFd result = make_socket(type);
  const sockaddr_in address = to_sockaddr(endpoint);
  REQUIRE(::bind(result.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  if (type == SOCK_STREAM) REQUIRE(::listen(result.get(), 5) == 0);
  return result;
}

inline bool connects(const UniqueFd& socket, const Endpoint& endpoint) {
  const sockaddr_in address = to_sockaddr(endpoint);
  return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

// A real server (the calling thread's namespace) and a client whose route to the VIP leads to it,
// as a director's frames do. Nobody holds the VIP.
struct Hosts {
  NetworkNamespace server;
  NetworkNamespace client;
  std::unique_ptr<Inside> inside = std::make_unique<Inside>(server);

  Hosts() {
    run("ip link set lo up");
    run("ip link add v0 type veth peer name v1 netns " + client.path());
    run("ip addr add 10.9.0.1/24 dev v0 && ip link set v0 up");
    const Inside other(client);
    run("ip addr add 10.9.0.2/24 dev v1 && ip link set v1 up");
    run("ip route add 10.9.0.3/32 via 10.9.0.1");
  }
  // The address the server saw; empty when nothing arrived.
  static std::string serve_one(const UniqueFd& listener) {
    sockaddr_in peer{};
    socklen_t length = sizeof peer;
    const UniqueFd accepted(
        ::accept4(listener.get(), reinterpret_cast<sockaddr*>(&peer), &length, SOCK_CLOEXEC));
    return accepted.valid() ? IpAddress::from_v4(peer.sin_addr.s_addr).to_string() : "";
  }
};

}  // namespace xlb::test
