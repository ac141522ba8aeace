// The balancing rules in a real kernel, what is read back from them, and connection tracking. The
// scenarios with several hosts are tests/netns/test_fallback.py's.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/nat_rules.h"
#include "io/conntrack.h"
#include "io/nat_reader.h"
#include "io/nat_table.h"
#include "io/nat_worker.h"
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

constexpr uint16_t kPort = 8080;
const ServiceKey kService = {kVip, kPort, Protocol::tcp};
const Endpoint kLocal = {kOwn, kPort};
const Endpoint kElsewhere = {IpAddress::v4(10, 9, 0, 9), kPort};

// The own real server and one elsewhere, which only the tests' rules know.
NatState balanced(Forwardable own, Forwardable elsewhere) {
  ForwardedVirtualServer service;
  service.key = kService;
  service.persistence_timeout = std::chrono::seconds(50);
  service.peers = {*MacAddress::parse("02:00:00:00:00:02")};
  ForwardedRealServer local;
  local.endpoint = kLocal;
  local.local = true;
  local.forwardable = own;
  ForwardedRealServer other;
  other.endpoint = kElsewhere;
  other.forwardable = elsewhere;
  service.real_servers = {local, other};
  NatState state;
  state.local = {{kService, kLocal}};
  state.balanced = ForwardingTable{{service}};
  return state;
}

std::unique_ptr<NatTable> open_table() {
  auto opened = NatTable::open();
  REQUIRE_MESSAGE(opened.ok(), (opened.ok() ? "" : opened.error().text));
  return std::move(opened).value();
}

void must(const Result<void>& result) {
  CHECK_MESSAGE(result.ok(), (result.ok() ? "" : result.error().text));
}

NatReading read(const NatTable& table) {
  auto reader = NatReader::open();
  REQUIRE(reader.ok());
  auto reading = reader->read(table.client_sets(), [] { return false; });
  REQUIRE_MESSAGE(reading.ok(), (reading.ok() ? "" : reading.error().text));
  return *reading;
}

std::vector<TrackedConnection> tracked(Conntrack& conntrack, Conntrack::Scope scope) {
  std::vector<TrackedConnection> result;
  must(conntrack.begin(scope));
  for (;;) {
    const auto ended = conntrack.step([&](const auto& item) { result.push_back(item); });
    REQUIRE_MESSAGE(ended.ok(), (ended.ok() ? "" : ended.error().text));
    if (*ended) return result;
  }
}

// One connection of the client to the VIP, open.
struct Session {
  UniqueFd listener = bound_socket(SOCK_STREAM, kLocal);
  UniqueFd client;
  UniqueFd server;

  explicit Session(const Hosts& hosts) {
    {
      const Inside other(hosts.client);
      client = make_socket(SOCK_STREAM);
    }
    REQUIRE(connects(client, {kVip, kPort}));
    server = UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    REQUIRE(server.valid());
  }
};

TEST_CASE("nat balance: clients and counters outlive changes, and go with their real server") {
  if (!test::have_root()) return;
  const Hosts hosts;
  const auto table = open_table();
  must(table->apply(balanced(Forwardable::yes, Forwardable::no)));
  const Session session(hosts);

  const NatReading before = read(*table);
  const auto& clients = before.client_sets.at(client_set(kService, kLocal));
  REQUIRE(clients.size() == 1);
  CHECK(clients[0].address == kClient);
  CHECK(clients[0].expires_in > std::chrono::seconds(40));
  CHECK(before.counters.at(connection_counter(kService, kLocal)).packets == 1);
  CHECK(before.counters.at(packet_counter(kService, kLocal)).packets == 2);  // SYN, ACK
  CHECK(before.counters.at(packet_counter(kService, kLocal)).bytes == 60 + 52);

  must(table->apply(balanced(Forwardable::yes, Forwardable::yes)));
  must(table->reassert());
  must(open_table()->apply(balanced(Forwardable::yes, Forwardable::yes)));  // the next daemon
  CHECK(read(*table).client_sets.at(client_set(kService, kLocal)).size() == 1);
  CHECK(read(*table).counters.at(connection_counter(kService, kLocal)).packets == 1);

  must(table->apply(balanced(Forwardable::no, Forwardable::yes)));
  CHECK(read(*table).client_sets.at(client_set(kService, kLocal)).empty());
}

TEST_CASE("nat balance: what a removed real server or virtual server had is deleted") {
  if (!test::have_root()) return;
  const Hosts hosts;
  const auto table = open_table();
  NatState state = balanced(Forwardable::yes, Forwardable::yes);
  must(table->apply(state));
  CHECK(test::output_of("nft list table ip xlb").find("10.9.0.9") != std::string::npos);
  state.balanced->virtual_servers[0].real_servers.pop_back();
  must(table->apply(state));
  CHECK(test::output_of("nft list table ip xlb").find("10.9.0.9") == std::string::npos);

  // Another daemon, which does not balance, finds names it never gave.
  must(table->apply(balanced(Forwardable::yes, Forwardable::yes)));
  state.balanced.reset();
  const auto next = open_table();
  CHECK(next->balances());
  must(next->apply(state));
  CHECK_FALSE(next->balances());
  const std::string rules = test::output_of("nft list table ip xlb");
  for (const char* gone : {"balance/", "server/", "clients/", "packets/", "postrouting"}) {
    CAPTURE(gone);
    CHECK(rules.find(gone) == std::string::npos);
  }
}

TEST_CASE("nat balance: a table that somebody deleted is made again by the next change") {
  if (!test::have_root()) return;
  const Hosts hosts;
  const auto table = open_table();
  must(table->apply(balanced(Forwardable::yes, Forwardable::no)));
  test::run("nft delete table ip xlb");
  must(table->apply(balanced(Forwardable::yes, Forwardable::yes)));
  const Session session(hosts);
  CHECK(test::output_of("nft list table ip xlb").find("numgen") != std::string::npos);
}

TEST_CASE("nat balance: a reading gives way when it is asked to") {
  if (!test::have_root()) return;
  const Hosts hosts;
  const auto table = open_table();
  must(table->apply(balanced(Forwardable::yes, Forwardable::yes)));
  auto reader = NatReader::open();
  REQUIRE(reader.ok());
  const auto reading = reader->read(table->client_sets(), [] { return true; });
  REQUIRE_FALSE(reading.ok());
  CHECK(reading.error().code == ECANCELED);
}

TEST_CASE("connection tracking: a translated connection is told with who answers, and forgotten") {
  if (!test::have_root()) return;
  const Hosts hosts;
  const auto table = open_table();
  must(table->apply(balanced(Forwardable::yes, Forwardable::no)));
  const Session session(hosts);
  auto conntrack = Conntrack::open();
  REQUIRE(conntrack.ok());

  const auto connections = tracked(*conntrack, Conntrack::Scope::translated);
  REQUIRE(connections.size() == 1);
  CHECK(connections[0].client.address == kClient);
  CHECK(connections[0].destination == Endpoint{kVip, kPort});
  CHECK(connections[0].answering == kLocal);
  CHECK(connections[0].translated);
  CHECK(name_of(connections[0].state) == "ESTABLISHED");

  conntrack->forget(connections[0]);
  CHECK(tracked(*conntrack, Conntrack::Scope::all).empty());
}

TEST_CASE("nat worker: states asked for are applied in the end, and readings are handed back") {
  if (!test::have_root()) return;
  const Hosts hosts;
  auto loop = EventLoop::create();
  REQUIRE(loop.ok());
  int applied = 0;
  NatWorker worker(**loop, open_table(), [&](const Result<void>& done) {
    must(done);
    ++applied;
  });
  auto deadline = (*loop)->timer(EventLoop::Urgency::normal, [&] { (*loop)->stop(); });
  NatWorker::Reading reading;
  EventLoop::Timer poll;
  poll = (*loop)->timer(EventLoop::Urgency::normal, [&] {
    if (worker.settled() && !reading) {
      worker.read([&](const NatWorker::Reading& done) {
        reading = done;
        (*loop)->stop();
      });
    }
    if (!reading) poll.arm((*loop)->now() + std::chrono::milliseconds(5));
  });
  NatState state = balanced(Forwardable::yes, Forwardable::no);
  worker.set_local(state.local, false);
  worker.set_balanced(state.balanced);
  state = balanced(Forwardable::yes, Forwardable::yes);
  worker.set_balanced(state.balanced);
  CHECK_FALSE(worker.settled());
  deadline.arm((*loop)->now() + std::chrono::seconds(10));
  poll.arm((*loop)->now());
  must((*loop)->run());
  CHECK(worker.settled());
  CHECK(applied >= 1);
  REQUIRE(reading);
  REQUIRE(reading->ok());
  CHECK((*reading)->counters.contains(packet_counter(kService, kElsewhere)));
  CHECK(test::output_of("nft list table ip xlb").find("numgen") != std::string::npos);

  must(worker.finish());
  const std::string rest = test::output_of("nft list table ip xlb");
  CHECK(rest.find("dnat to 10.9.0.1:8080") != std::string::npos);
  CHECK(rest.find("10.9.0.9") == std::string::npos);
}

}  // namespace
}  // namespace xlb
