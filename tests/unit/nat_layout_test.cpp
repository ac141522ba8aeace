#include "core/nat_layout.h"

#include <doctest/doctest.h>

namespace xlb {
namespace {

const ServiceKey kService = {IpAddress::v4(10, 10, 0, 3), 80, Protocol::tcp};
const Endpoint kOwn = {IpAddress::v4(10, 10, 0, 1), 80};
const Endpoint kOther = {IpAddress::v4(10, 10, 0, 2), 80};
const Endpoint kSorry = {IpAddress::v4(127, 0, 0, 1), 8080};

ForwardingTable table() {
  ForwardedVirtualServer service;
  service.key = kService;
  service.real_servers.resize(3);
  service.real_servers[0].endpoint = kOwn;
  service.real_servers[0].local = true;
  service.real_servers[1].endpoint = kOther;
  service.real_servers[1].forwardable = Forwardable::existing;
  service.real_servers[2].endpoint = kSorry;
  service.real_servers[2].local = true;
  service.real_servers[2].forwardable = Forwardable::yes;
  return {{service}};
}

TEST_CASE("nat layout: real servers are found by their address and by who answers") {
  const NatLayout layout(table(), false);
  REQUIRE(layout.service(kService) != nullptr);
  CHECK(layout.service(kService)->served);
  CHECK(layout.service({kService.address, 81, Protocol::tcp}) == nullptr);
  CHECK(layout.position(kService, kOther) == 1);
  CHECK(layout.answering(kService, kOwn) == 0);
  CHECK_FALSE(layout.answering(kService, {IpAddress::v4(10, 10, 0, 9), 80}));
  CHECK_FALSE(layout.servers()[0].usable);
  CHECK(layout.servers()[1].usable);
}

TEST_CASE("nat layout: a real server on a loopback address answers from any address of the host") {
  const NatLayout layout(table(), false);
  CHECK(layout.answering(kService, {IpAddress::v4(10, 10, 0, 77), 8080}) == 2);
}

TEST_CASE("nat layout: with the VIP on the loopback interface the VIP itself answers") {
  const NatLayout layout({{table().virtual_servers[0]}}, true);
  CHECK(layout.answering(kService, {kService.address, 80}).has_value());
  CHECK_FALSE(layout.answering(kService, kOwn));
}

}  // namespace
}  // namespace xlb
