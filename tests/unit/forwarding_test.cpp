#include "core/forwarding.h"

#include <doctest/doctest.h>

namespace xlb {
namespace {

ForwardedVirtualServer service(uint16_t port) {
  ForwardedVirtualServer result;
  result.key = {IpAddress::v4(10, 10, 0, 3), port, Protocol::tcp};
  ForwardedRealServer server;
  server.endpoint = {IpAddress::v4(10, 10, 0, 1), port};
  result.real_servers.push_back(server);
  return result;
}

}  // namespace

TEST_CASE("equal tables have nothing to apply") {
  const ForwardingTable table{{service(80), service(443)}};
  CHECK(diff(table, table).empty());
  const ForwardingTable turned{{service(443), service(80)}};
  CHECK(diff(table, turned).empty());
}

TEST_CASE("a new, a changed and a removed virtual server are told apart") {
  const ForwardingTable from{{service(80), service(443), service(8080)}};
  ForwardingTable to{{service(25), service(80), service(443)}};
  to.virtual_servers[2].real_servers[0].forwardable = Forwardable::yes;
  const auto changes = diff(from, to);
  REQUIRE(changes.changed.size() == 2);
  CHECK(changes.changed[0].key.port == 25);
  CHECK(changes.changed[1].key.port == 443);
  REQUIRE(changes.removed.size() == 1);
  CHECK(changes.removed[0].port == 8080);
}

TEST_CASE("a changed MAC address, weight, peer or timeout is a change") {
  const ForwardingTable from{{service(80)}};
  auto to = from;
  to.virtual_servers[0].real_servers[0].next_hop = NextHop{};
  CHECK(diff(from, to).changed.size() == 1);
  to = from;
  to.virtual_servers[0].real_servers[0].weight = 0;
  CHECK(diff(from, to).changed.size() == 1);
  to = from;
  to.virtual_servers[0].peers.push_back({{2, 0, 0, 0, 0, 9}});
  CHECK(diff(from, to).changed.size() == 1);
  to = from;
  to.virtual_servers[0].persistence_timeout = std::chrono::seconds(50);
  CHECK(diff(from, to).changed.size() == 1);
}

}  // namespace xlb
