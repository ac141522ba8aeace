// The rendered table in a real kernel: delivery to a server that is bound to its own address only,
// from another host and from this one, and that nobody else's table is touched.
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/nat_rules.h"
#include "io/nat_table.h"
#include "nat_hosts.h"
#include "network_namespace.h"

namespace xlb {
namespace {

using test::bound_socket;
using test::connects;
using test::Hosts;
using test::Inside;
using test::kClient;
using test::kOwn;
using test::kVip;
using test::make_socket;
using test::NetworkNamespace;
using test::run;

constexpr uint16_t kPort = 8080;
NatState local(std::vector<LocalService> services) {
  NatState state;
  state.local = std::move(services);
  return state;
}

const NatState kServices =
    local({{{kVip, kPort, Protocol::tcp}, {kOwn, kPort}}, {{kVip, 53, Protocol::udp}, {kOwn, 53}}});

std::unique_ptr<NatTable> open_table() {
  auto opened = NatTable::open();
  REQUIRE_MESSAGE(opened.ok(), (opened.ok() ? "" : opened.error().text));
  return std::move(opened).value();
}

void must(const Result<void>& result) {
  CHECK_MESSAGE(result.ok(), (result.ok() ? "" : result.error().text));
}

TEST_CASE("nat table: a server bound to its own address receives what is sent to the VIP") {
  if (!test::have_root()) return;
  const Hosts hosts;
  const auto table = open_table();
  const UniqueFd listener = bound_socket(SOCK_STREAM, {kOwn, kPort});

  SUBCASE("not without the table") {
    const Inside other(hosts.client);
    CHECK_FALSE(connects(make_socket(SOCK_STREAM, 300), {kVip, kPort}));
  }
  SUBCASE("from another host, which the server sees with its own address") {
    must(table->apply(kServices));
    const Inside other(hosts.client);
    const UniqueFd client = make_socket(SOCK_STREAM);
    CHECK(connects(client, {kVip, kPort}));
    CHECK(Hosts::serve_one(listener) == kClient.to_string());
  }
  SUBCASE("from a process of this host, whether or not it holds the VIP") {
    must(table->apply(kServices));
    const UniqueFd before = make_socket(SOCK_STREAM);
    CHECK(connects(before, {kVip, kPort}));
    CHECK(Hosts::serve_one(listener) == kOwn.to_string());
    run("ip addr add 10.9.0.3/24 dev v0");
    const UniqueFd after = make_socket(SOCK_STREAM);
    CHECK(connects(after, {kVip, kPort}));
    CHECK_FALSE(Hosts::serve_one(listener).empty());
    const Inside other(hosts.client);
    const UniqueFd client = make_socket(SOCK_STREAM);
    CHECK(connects(client, {kVip, kPort}));
    CHECK(Hosts::serve_one(listener) == kClient.to_string());
  }
  SUBCASE("other ports of the VIP are left alone") {
    must(table->apply(kServices));
    const UniqueFd other_port = bound_socket(SOCK_STREAM, {kOwn, 8081});
    const Inside other(hosts.client);
    CHECK_FALSE(connects(make_socket(SOCK_STREAM, 300), {kVip, 8081}));
  }
  SUBCASE("an open connection survives a change of the rules") {
    must(table->apply(kServices));
    UniqueFd client;
    {
      const Inside other(hosts.client);
      client = make_socket(SOCK_STREAM);
    }
    REQUIRE(connects(client, {kVip, kPort}));
    const UniqueFd accepted(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    must(table->apply(local({kServices.local.back()})));
    REQUIRE(::send(client.get(), "x", 1, MSG_NOSIGNAL) == 1);
    char byte = 0;
    CHECK(::recv(accepted.get(), &byte, 1, 0) == 1);
  }
}

TEST_CASE("nat table: UDP clients are answered from the VIP") {
  if (!test::have_root()) return;
  const Hosts hosts;
  const auto table = open_table();
  must(table->apply(kServices));
  const UniqueFd server = bound_socket(SOCK_DGRAM, {kOwn, 53});
  const Inside other(hosts.client);
  const UniqueFd client = make_socket(SOCK_DGRAM);
  REQUIRE(connects(client, {kVip, 53}));  // takes answers from the VIP only
  REQUIRE(::send(client.get(), "q", 1, 0) == 1);
  char byte = 0;
  sockaddr_in from{};
  socklen_t length = sizeof from;
  REQUIRE(::recvfrom(server.get(), &byte, 1, 0, reinterpret_cast<sockaddr*>(&from), &length) == 1);
  CHECK(IpAddress::from_v4(from.sin_addr.s_addr) == kClient);
  REQUIRE(::sendto(server.get(), "a", 1, 0, reinterpret_cast<sockaddr*>(&from), length) == 1);
  CHECK(::recv(client.get(), &byte, 1, 0) == 1);
  CHECK(byte == 'a');
}

TEST_CASE("nat table: applied twice it is the same, and the operator's tables never change") {
  if (!test::have_root()) return;
  const NetworkNamespace host;
  const Inside inside(host);
  run("nft add table inet operator && nft add chain inet operator in "
      "'{ type filter hook input priority 0; policy accept; }' && "
      "nft add rule inet operator in tcp dport 22 counter accept && "
      "nft add table ip nat && nft add chain ip nat PREROUTING "
      "'{ type nat hook prerouting priority dstnat; }'");
  const std::string operators = test::output_of("nft -a list ruleset");

  const auto table = open_table();
  must(table->apply(kServices));
  const std::string once = test::output_of("nft list table ip xlb");
  CHECK(once.find("ip daddr 10.9.0.3 tcp dport 8080 counter packets 0 bytes 0 dnat to "
                  "10.9.0.1:8080 comment \"TCP 10.9.0.3:8080\"") != std::string::npos);
  must(table->apply(kServices));
  must(table->reassert());
  must(open_table()->apply(kServices));  // the next daemon
  CHECK(test::output_of("nft list table ip xlb") == once);
  // What the operator had is at the beginning, as it was, and nothing else but ours was added.
  const std::string all = test::output_of("nft -a list ruleset");
  CHECK(all.substr(0, operators.size()) == operators);
  CHECK(all.substr(operators.size()).find("table ip xlb") == 0);

  must(table->remove());
  must(table->remove());
  CHECK(test::output_of("nft -a list ruleset") == operators);
}

TEST_CASE("nat table: unchanged commands make no transaction, reassert makes one") {
  if (!test::have_root()) return;
  const NetworkNamespace host;
  const Inside inside(host);
  const auto table = open_table();
  must(table->apply(kServices));
  run("nft flush chain ip xlb output");
  must(table->apply(kServices));
  CHECK(test::output_of("nft list chain ip xlb output").find("dnat") == std::string::npos);
  must(table->reassert());
  CHECK(test::output_of("nft list chain ip xlb output").find("dnat") != std::string::npos);
}

TEST_CASE("nat table: a table of another shape is replaced") {
  if (!test::have_root()) return;
  const NetworkNamespace host;
  const Inside inside(host);
  run("nft add table ip xlb && nft add chain ip xlb prerouting "
      "'{ type filter hook input priority 7; }'");
  const auto table = open_table();
  must(table->apply(kServices));
  CHECK(test::output_of("nft list table ip xlb").find("hook input") == std::string::npos);
}

}  // namespace
}  // namespace xlb
