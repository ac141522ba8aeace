// XdpDataplane: every scheduler of a configuration, as its packets meet it. Needs root.
#include <doctest/doctest.h>

#include <atomic>
#include <map>
#include <thread>

#include "dataplane_fixture.h"

namespace xlb {

using namespace dataplane_fixture;

namespace {

ForwardedVirtualServer scheduled(Scheduler scheduler, std::vector<ForwardedRealServer> servers) {
  auto result = service(std::move(servers));
  result.scheduler = scheduler;
  return result;
}

// Who gets each client's first packet.
std::map<uint8_t, int> assignment(const Scratch& scratch, uint8_t clients) {
  std::map<uint8_t, int> result;
  for (uint8_t client = 1; client <= clients; ++client)
    result[client] = ack(scratch, client).real_server;  // opens nothing: by the hash
  return result;
}

}  // namespace

ROOT_TEST_CASE(
    "lc gives a new connection to who has fewest, wlc to who has fewest for its weight") {
  const Scratch scratch;
  auto dataplane = scratch.dataplane();
  REQUIRE(apply(*dataplane, {scheduled(Scheduler::lc, {routed(1, 9), routed(2, 1)})}));
  CHECK(syn(scratch, 1).real_server == 1);
  CHECK(ack(scratch, 1).real_server == 1);
  for (uint8_t client = 2; client <= 50; ++client)
    CHECK(syn(scratch, client).real_server == 2);  // an open one weighs as 256 others
  REQUIRE(apply(*dataplane, {scheduled(Scheduler::wlc, {routed(1, 9), routed(2, 1)})}));
  // 256 / 9 against 49: the first has less for its weight.
  CHECK(syn(scratch, 60).real_server == 1);
}

ROOT_TEST_CASE("sed and nq look at what a server will have") {
  const Scratch scratch;
  auto dataplane = scratch.dataplane();
  const auto open = [&](uint8_t client) {
    const int chosen = syn(scratch, client).real_server;
    CHECK(ack(scratch, client).real_server == chosen);
    return chosen;
  };
  SUBCASE("sed") {
    REQUIRE(apply(*dataplane, {scheduled(Scheduler::sed, {routed(1, 1), routed(2, 3)})}));
    CHECK(open(1) == 2);
    CHECK(open(2) == 2);
    CHECK(open(3) == 1);  // 1/1 against 3/3
    CHECK(open(4) == 2);
  }
  SUBCASE("nq") {
    REQUIRE(apply(*dataplane, {scheduled(Scheduler::nq, {routed(1, 1), routed(2, 3)})}));
    CHECK(open(1) == 1);  // idle
    CHECK(open(2) == 2);  // idle
    CHECK(open(3) == 2);
  }
}

ROOT_TEST_CASE("connections of a server that comes back under another number start from nothing") {
  const Scratch scratch;
  auto dataplane = scratch.dataplane();
  const auto both = scheduled(Scheduler::lc, {routed(1), routed(2)});
  REQUIRE(apply(*dataplane, {both}));
  CHECK(syn(scratch, 1).real_server == 1);
  CHECK(ack(scratch, 1).real_server == 1);
  REQUIRE(apply(*dataplane, {scheduled(Scheduler::lc, {routed(2)})}));
  REQUIRE(apply(*dataplane, {both}));
  CHECK(dataplane->counters().services[0].real_servers[0].active_connections == 0);
  CHECK(syn(scratch, 2).real_server == 1);
  sweep(*dataplane);
  const auto counters = dataplane->counters();
  CHECK(counters.flows == 1);
  CHECK(counters.services[0].real_servers[0].inactive_connections == 1);
}

ROOT_TEST_CASE(
    "counts stay exact while servers come and go, the table is swept and packets arrive") {
  const Scratch scratch;
  auto dataplane = scratch.dataplane(64);
  const auto all = scheduled(Scheduler::lc, {routed(1), routed(2), routed(4)});
  const auto one_less = scheduled(Scheduler::lc, {routed(1), routed(4)});
  REQUIRE(apply(*dataplane, {all}));
  const UniqueFd program(bpf_obj_get((scratch.directory() + "/xlb").c_str()));
  REQUIRE(program.valid());
  std::atomic<bool> ended{false};
  std::thread packets([&] {
    for (unsigned i = 0; !ended; ++i) {
      const auto frame = tcp_frame(static_cast<uint8_t>(i * 7 % 250), i % 3 == 0);
      std::array<uint8_t, 256> out{};
      LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = &frame, .data_out = out.data(),
                  .data_size_in = sizeof frame, .data_size_out = out.size());
      (void)bpf_prog_test_run_opts(program.get(), &options);
    }
  });
  for (int round = 0; round < 200; ++round) {
    CHECK(apply(*dataplane, {round % 2 == 0 ? one_less : all}));
    sweep(*dataplane);
  }
  ended = true;
  packets.join();
  sweep(*dataplane);
  std::map<Endpoint, std::array<uint64_t, 2>> listed;  // inactive, active
  dataplane->visit_connections(
      0, 10'000, std::chrono::steady_clock::now(), [&](const Connection& connection) {
        ++listed[connection.real_server].at(connection.state == "ESTABLISHED" ? 1 : 0);
      });
  const auto counters = dataplane->counters();
  for (const auto& server : counters.services[0].real_servers) {
    CAPTURE(server.endpoint.to_string());
    CHECK(server.inactive_connections == listed[server.endpoint].at(0));
    CHECK(server.active_connections == listed[server.endpoint].at(1));
  }
}

ROOT_TEST_CASE("sh, mh and dh: connections go where the hash says, open or not") {
  const Scratch scratch;
  auto dataplane = scratch.dataplane();
  for (const auto scheduler : {Scheduler::sh, Scheduler::mh, Scheduler::dh}) {
    CAPTURE(name_of(scheduler));
    REQUIRE(apply(*dataplane, {}));
    REQUIRE(
        apply(*dataplane, {scheduled(scheduler, {routed(1), routed(2), routed(4), routed(5)})}));
    const auto before = assignment(scratch, 200);
    std::set<int> used;
    for (uint8_t client = 1; client <= 200; ++client) {
      CHECK(syn(scratch, client).real_server == before.at(client));
      used.insert(before.at(client));
    }
    CHECK(used.size() == (scheduler == Scheduler::dh ? 1 : 4));
  }
}

ROOT_TEST_CASE("a server that goes takes only its own clients from the hash") {
  const Scratch scratch;
  auto dataplane = scratch.dataplane();
  auto gone = routed(4);
  gone.forwardable = Forwardable::no;
  REQUIRE(apply(*dataplane, {scheduled(Scheduler::mh, {routed(1), routed(2), routed(4)})}));
  const auto before = assignment(scratch, 200);
  REQUIRE(apply(*dataplane, {scheduled(Scheduler::mh, {routed(1), routed(2), gone})}));
  const auto without = assignment(scratch, 200);
  for (const auto& [client, chosen] : before) {
    if (chosen != 4) CHECK(without.at(client) == chosen);
    CHECK(without.at(client) != 4);
  }
  REQUIRE(apply(*dataplane, {scheduled(Scheduler::mh, {routed(4), routed(2), routed(1)})}));
  CHECK(assignment(scratch, 200) == before);  // the order does not matter
}

}  // namespace xlb
