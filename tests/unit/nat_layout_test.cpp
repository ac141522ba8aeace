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

TEST_CASE("nat layout: any port of an address is taken where no virtual server has the port") {
  ForwardingTable both = table();
  ForwardedVirtualServer any;
  any.key = {kService.address, 0, Protocol::tcp};
  any.real_servers.resize(1);
  any.real_servers[0].endpoint = {kOther.address, 0};
  both.virtual_servers.push_back(any);
  const NatLayout layout(both, false);
  CHECK(layout.service(kService)->key == kService);
  CHECK(layout.service({kService.address, 8080, Protocol::tcp})->key == any.key);
  CHECK(layout.service({kService.address, 8080, Protocol::udp}) == nullptr);
  CHECK(layout.answering(any.key, {kOther.address, 8080}) == 3);
}

TEST_CASE("nat layout: connections by mark are known by who answers, usable ones first") {
  ForwardedVirtualServer service;
  service.key = {IpAddress(), 0, Protocol::tcp, 7};
  service.translated = true;
  service.real_servers.resize(1);
  service.real_servers[0].endpoint = {kOther.address, 0};
  ForwardingTable two = {{service, service}};
  two.virtual_servers[1].key.mark = 8;
  CHECK(NatLayout(two, false).answering_marked({kOther.address, 443}) == 1);
  two.virtual_servers[0].real_servers[0].forwardable = Forwardable::yes;
  const NatLayout layout(two, false);
  CHECK(layout.answering_marked({kOther.address, 443}) == 0);
  CHECK_FALSE(layout.answering_marked(kOwn));
  CHECK(layout.service({kService.address, 443, Protocol::tcp}) == nullptr);
}

}  // namespace
}  // namespace xlb
