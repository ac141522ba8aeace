// XdpDataplane against the kernel: what it loads, pins, adopts, attaches and counts. Each case has
// a network namespace and a directory of its own; needs root.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <memory>

#include "io/xdp_dataplane.h"

namespace xlb {
namespace {

const MacAddress kDirector{{2, 0, 0, 0, 0, 0xd}};
const MacAddress kRouter{{2, 0, 0, 0, 0, 0xf}};
const IpAddress kVirtual = IpAddress::v4(10, 10, 0, 3);
constexpr unsigned kLoopback = 1;  // where BPF_PROG_TEST_RUN says that packets come in
constexpr uint32_t kSmallTable = 4096;

#define ROOT_TEST_CASE(name) TEST_CASE(name* doctest::skip(geteuid() != 0))

bool run(const std::string& command) {
  return std::system((command + " >/dev/null 2>&1").c_str()) == 0;  // NOLINT
}

// A network namespace and a run directory, gone with it.
class Scratch {
 public:
  Scratch() : former_(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
    static int count = 0;
    root_ = fmt::format("/tmp/xlb-dataplane-{}-{}", getpid(), ++count);
    REQUIRE(unshare(CLONE_NEWNET) == 0);
  }
  ~Scratch() {
    (void)XdpDataplane::purge(directory());
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
    (void)setns(former_.get(), CLONE_NEWNET);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  [[nodiscard]] std::string directory() const { return root_ + "/bpf"; }
  [[nodiscard]] std::unique_ptr<XdpDataplane> dataplane(uint32_t size = kSmallTable) const {
    auto opened = XdpDataplane::open({directory(), size});
    if (!opened) FAIL(opened.error().text);
    if (auto set = (*opened)->set_mac(kLoopback, kDirector); !set) FAIL(set.error().text);
    return std::move(*opened);
  }
  [[nodiscard]] std::vector<std::string> pins() const {
    std::vector<std::string> result;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(directory(), ignored)) {
      if (!entry.path().has_extension()) result.push_back(entry.path().filename());  // the kernel's
    }
    return result;
  }

 private:
  UniqueFd former_;
  std::string root_;
};

ForwardedRealServer routed(uint8_t last, int weight = 1) {
  ForwardedRealServer server;
  server.endpoint = {IpAddress::v4(10, 10, 0, last), 80};
  server.weight = weight;
  server.forwardable = weight > 0 ? Forwardable::yes : Forwardable::existing;
  server.next_hop = NextHop{{{2, 0, 0, 0, 0, last}}, kDirector, kLoopback};
  return server;
}

ForwardedRealServer local(uint8_t last) {
  auto server = routed(last);
  server.local = true;
  server.next_hop.reset();
  return server;
}

ForwardedVirtualServer service(std::vector<ForwardedRealServer> servers, uint16_t port = 80) {
  ForwardedVirtualServer result;
  result.key = {kVirtual, port, Protocol::tcp};
  result.real_servers = std::move(servers);
  return result;
}

struct Frame {
  ethhdr ethernet{};
  iphdr ip{};
  tcphdr tcp{};
} __attribute__((packed));

Frame tcp_frame(uint8_t client, bool syn, uint16_t port = 80) {
  Frame frame;
  std::memcpy(frame.ethernet.h_dest, kDirector.bytes.data(), ETH_ALEN);
  std::memcpy(frame.ethernet.h_source, kRouter.bytes.data(), ETH_ALEN);
  frame.ethernet.h_proto = htons(ETH_P_IP);
  frame.ip.version = 4;
  frame.ip.ihl = 5;
  frame.ip.ttl = 64;
  frame.ip.protocol = IPPROTO_TCP;
  frame.ip.tot_len = htons(sizeof frame.ip + sizeof frame.tcp);
  frame.ip.saddr = IpAddress::v4(192, 0, 2, client).v4_network_order();
  frame.ip.daddr = kVirtual.v4_network_order();
  frame.tcp.source = htons(40000);
  frame.tcp.dest = htons(port);
  frame.tcp.doff = 5;
  frame.tcp.syn = syn ? 1 : 0;
  frame.tcp.ack = syn ? 0 : 1;
  return frame;
}

struct Outcome {
  uint32_t action = 0;
  int real_server = 0;  // last byte of the MAC address the frame was sent to
};

// Through the program that is pinned: the one the interfaces run.
Outcome send(const Scratch& scratch, const Frame& frame) {
  const UniqueFd program(bpf_obj_get((scratch.directory() + "/xlb").c_str()));
  REQUIRE(program.valid());
  std::array<uint8_t, 256> out{};
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = &frame, .data_out = out.data(),
              .data_size_in = sizeof frame, .data_size_out = out.size());
  REQUIRE(bpf_prog_test_run_opts(program.get(), &options) == 0);
  return {options.retval, out[5]};
}

Outcome syn(const Scratch& scratch, uint8_t client, uint16_t port = 80) {
  return send(scratch, tcp_frame(client, true, port));
}
Outcome ack(const Scratch& scratch, uint8_t client, uint16_t port = 80) {
  return send(scratch, tcp_frame(client, false, port));
}

void sweep(XdpDataplane& dataplane) {
  while (!dataplane.sweep_step(std::chrono::steady_clock::now())) {
  }
}

Result<void> apply(XdpDataplane& dataplane, std::vector<ForwardedVirtualServer> services) {
  return dataplane.apply({std::move(services)});
}

bpf_link_info link_pinned_at(const std::string& path) {
  const UniqueFd link(bpf_obj_get(path.c_str()));
  bpf_link_info info{};
  __u32 size = sizeof info;
  if (link.valid()) (void)bpf_obj_get_info_by_fd(link.get(), &info, &size);
  return info;
}

uint32_t program_on(unsigned ifindex) {
  LIBBPF_OPTS(bpf_xdp_query_opts, query);
  return bpf_xdp_query(static_cast<int>(ifindex), 0, &query) == 0 ? query.prog_id : 0;
}

unsigned make_veth(const char* name) {
  REQUIRE(run(fmt::format("ip link add {0} type veth peer name {0}p", name)));
  return if_nametoindex(name);
}

// A program that passes everything, as somebody else would attach it.
UniqueFd foreign_program() {
  const std::array<bpf_insn, 2> pass = {
      bpf_insn{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 2},
      bpf_insn{.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
  return UniqueFd(
      bpf_prog_load(BPF_PROG_TYPE_XDP, "somebody", "GPL", pass.data(), pass.size(), nullptr));
}

}  // namespace

ROOT_TEST_CASE("an applied virtual server balances, and what it did is counted") {
  const Scratch scratch;
  auto dataplane = scratch.dataplane();
  CHECK(dataplane->adoption().empty());
  REQUIRE(apply(*dataplane, {service({local(1), routed(2)})}));
  CHECK(syn(scratch, 1).action == XDP_PASS);
  const auto second = syn(scratch, 2);
  CHECK(second.action == XDP_TX);
  CHECK(second.real_server == 2);
  CHECK(ack(scratch, 2).real_server == 2);
  sweep(*dataplane);

  const auto counters = dataplane->counters();
  REQUIRE(counters.services.size() == 1);
  CHECK(counters.flows == 2);
  REQUIRE(counters.services[0].real_servers.size() == 2);
  const auto& first_server = counters.services[0].real_servers[0];
  CHECK(first_server.endpoint == local(1).endpoint);
  CHECK(first_server.traffic.packets == 1);
  CHECK(first_server.traffic.connections == 1);
  CHECK(first_server.inactive_connections == 1);
  const auto& other = counters.services[0].real_servers[1];
  CHECK(other.traffic.packets == 2);
  CHECK(other.traffic.bytes == 80);
  CHECK(other.traffic.connections == 1);
  CHECK(other.active_connections == 1);
  uint64_t transmitted = 0;
  for (const auto& drop : counters.drops) {
    if (drop.reason == "tx") transmitted = drop.packets;
  }
  CHECK(transmitted == 2);
}

ROOT_TEST_CASE("connections and persistent clients can be listed") {
  const Scratch scratch;
  auto dataplane = scratch.dataplane();
  auto persistent = service({routed(2)});
  persistent.persistence_timeout = std::chrono::seconds(50);
  REQUIRE(apply(*dataplane, {persistent}));
  syn(scratch, 7);
  sweep(*dataplane);
  const auto now = std::chrono::steady_clock::now();
  std::vector<Connection> connections;
  CHECK(dataplane->visit_connections(0, 10, now, [&](const Connection& connection) {
    connections.push_back(connection);
  }) == 0);
  REQUIRE(connections.size() == 1);
  CHECK(connections[0].protocol == Protocol::tcp);
  CHECK(connections[0].state == "SYN_RECV");
  CHECK(connections[0].client == Endpoint{IpAddress::v4(192, 0, 2, 7), 40000});
  CHECK(connections[0].virtual_server == Endpoint{kVirtual, 80});
  CHECK(connections[0].real_server == routed(2).endpoint);
  CHECK(connections[0].expires_in > std::chrono::seconds(50));
  std::vector<PersistentClient> clients;
  dataplane->visit_persistence(0, 10, now, [&](const auto& client) { clients.push_back(client); });
  REQUIRE(clients.size() == 1);
  CHECK(clients[0].client == IpAddress::v4(192, 0, 2, 7));
  CHECK(clients[0].real_server == routed(2).endpoint);
  CHECK(clients[0].live);
  CHECK(dataplane->counters().services[0].real_servers[0].persistent_clients == 1);
}

ROOT_TEST_CASE("wrr gives 3 of 4 connections to the server of weight 3") {
  const Scratch scratch;
  auto dataplane = scratch.dataplane();
  auto weighted = service({routed(1, 3), routed(2, 1)});
  weighted.scheduler = Scheduler::wrr;
  REQUIRE(apply(*dataplane, {weighted}));
  std::array<int, 3> taken{};
  for (uint8_t client = 1; client <= 200; ++client) {
    ++taken.at(static_cast<size_t>(syn(scratch, client).real_server));
  }
  CHECK(taken[1] == 150);
  CHECK(taken[2] == 50);
}

ROOT_TEST_CASE("the next run adopts flows, counters and the scheduler's place") {
  const Scratch scratch;
  const auto table = service({routed(1), routed(2), routed(4)});
  {
    auto dataplane = scratch.dataplane();
    REQUIRE(apply(*dataplane, {table}));
    CHECK(syn(scratch, 1).real_server == 1);
    CHECK(syn(scratch, 2).real_server == 2);
  }
  CHECK(ack(scratch, 2).real_server == 2);  // nobody runs, the kernel goes on
  auto dataplane = scratch.dataplane();
  CHECK(dataplane->adoption() == "adopted 2 flows, 1 virtual servers and 0 attachments");
  CHECK(ack(scratch, 1).real_server == 1);
  CHECK(syn(scratch, 3).real_server == 4);
  REQUIRE(apply(*dataplane, {table}));
  CHECK(ack(scratch, 1).real_server == 1);
  CHECK(ack(scratch, 2).real_server == 2);
  CHECK(ack(scratch, 3).real_server == 4);
  CHECK(syn(scratch, 5).real_server == 1);
  const auto counters = dataplane->counters();
  CHECK(counters.services[0].real_servers[1].traffic.packets == 3);
  CHECK(counters.services[0].real_servers[1].traffic.connections == 1);
}

ROOT_TEST_CASE("what the next run is not asked for is removed") {
  const Scratch scratch;
  {
    auto dataplane = scratch.dataplane();
    REQUIRE(apply(*dataplane, {service({routed(1)}), service({routed(1)}, 443)}));
  }
  auto dataplane = scratch.dataplane();
  REQUIRE(apply(*dataplane, {service({routed(2)})}));
  CHECK(syn(scratch, 1, 443).action == XDP_PASS);
  CHECK(syn(scratch, 1).real_server == 2);
}

ROOT_TEST_CASE("a change of the flow table's size replaces the maps") {
  const Scratch scratch;
  {
    auto dataplane = scratch.dataplane(4096);
    REQUIRE(apply(*dataplane, {service({routed(1)})}));
    REQUIRE(dataplane->attach("lo", kLoopback, kDirector, AttachMode::generic));
  }
  {
    auto dataplane = scratch.dataplane(8192);
    CHECK(dataplane->adoption() ==
          "replaced what an earlier run left: flow table size changed from 4096 to 8192");
    CHECK(syn(scratch, 1).real_server == 1);  // the earlier program until there is something to do
    const auto before = program_on(kLoopback);
    REQUIRE(apply(*dataplane, {service({routed(2)})}));
    CHECK(program_on(kLoopback) != before);
    CHECK(syn(scratch, 1).real_server == 2);
  }
  auto dataplane = scratch.dataplane(8192);
  CHECK(dataplane->adoption() == "adopted 1 flows, 1 virtual servers and 1 attachments");
}

ROOT_TEST_CASE("pins that are broken are replaced") {
  const Scratch scratch;
  {
    auto dataplane = scratch.dataplane();
    REQUIRE(apply(*dataplane, {service({routed(1)})}));
  }
  REQUIRE(unlink((scratch.directory() + "/maps/xlb_slots").c_str()) == 0);
  auto dataplane = scratch.dataplane();
  CHECK(dataplane->adoption().find("xlb_slots is missing") != std::string::npos);
  REQUIRE(apply(*dataplane, {service({routed(2)})}));
  CHECK(syn(scratch, 1).real_server == 2);
}

ROOT_TEST_CASE("changes reach the packets: weights, servers, MAC addresses, removal") {
  const Scratch scratch;
  auto dataplane = scratch.dataplane();
  REQUIRE(apply(*dataplane, {service({routed(1), routed(2)})}));
  CHECK(syn(scratch, 1).real_server == 1);
  CHECK(syn(scratch, 2).real_server == 2);

  REQUIRE(apply(*dataplane, {service({routed(1), routed(2, 0)})}));  // weight 0 drains
  CHECK(ack(scratch, 2).real_server == 2);
  CHECK(syn(scratch, 3).real_server == 1);
  CHECK(syn(scratch, 4).real_server == 1);

  auto down = routed(1);
  down.forwardable = Forwardable::no;
  REQUIRE(apply(*dataplane, {service({down, routed(5)})}));
  CHECK(ack(scratch, 1).real_server == 5);
  CHECK(ack(scratch, 2).real_server == 5);

  auto moved = routed(5);
  moved.next_hop->destination = {{2, 0, 0, 0, 0, 9}};
  REQUIRE(apply(*dataplane, {service({down, moved})}));
  CHECK(syn(scratch, 6).real_server == 9);

  REQUIRE(apply(*dataplane, {service({down})}));
  CHECK(syn(scratch, 7).action == XDP_PASS);
  CHECK(dataplane->counters().services[0].unserved.packets == 1);

  REQUIRE(apply(*dataplane, {}));
  CHECK(dataplane->counters().services.empty());
  REQUIRE(apply(*dataplane, {service({routed(1)})}));
  CHECK(syn(scratch, 8).real_server == 1);
  CHECK(dataplane->counters().services[0].unserved.packets == 0);
}

ROOT_TEST_CASE("a frame from a peer director is never balanced again") {
  const Scratch scratch;
  auto dataplane = scratch.dataplane();
  auto guarded = service({local(1), routed(2)});
  guarded.peers = {kRouter};
  REQUIRE(apply(*dataplane, {guarded}));
  for (uint8_t client = 1; client <= 4; ++client)
    CHECK(syn(scratch, client).action == XDP_PASS);
  REQUIRE(apply(*dataplane, {service({local(1), routed(2)})}));
  CHECK(syn(scratch, 5).action == XDP_PASS);
  CHECK(syn(scratch, 6).action == XDP_TX);
}

ROOT_TEST_CASE("a server that cannot be reached spoils neither the table nor the message") {
  const Scratch scratch;
  auto dataplane = scratch.dataplane();
  auto broken = routed(2);
  broken.next_hop->destination = {};
  const auto applied = apply(*dataplane, {service({broken}), service({routed(3)}, 443)});
  REQUIRE_FALSE(applied.ok());
  CHECK(applied.error().text ==
        "cannot apply virtual server TCP 10.10.0.3:80: cannot forward to 10.10.0.2:80: its MAC "
        "address 00:00:00:00:00:00 is not a unicast address");
  CHECK(syn(scratch, 1, 443).real_server == 3);
  REQUIRE(apply(*dataplane, {service({routed(2)}), service({routed(3)}, 443)}));
  CHECK(syn(scratch, 1).real_server == 2);
}

ROOT_TEST_CASE("one virtual server too many is refused, the others work") {
  const Scratch scratch;
  auto dataplane = scratch.dataplane();
  ForwardingTable table;
  for (uint16_t port = 1; port <= XLB_MAX_VIRTUAL_SERVERS; ++port) {
    table.virtual_servers.push_back(service({routed(1)}, port));
  }
  const auto applied = dataplane->apply(table);
  REQUIRE_FALSE(applied.ok());
  CHECK(applied.error().text ==
        "cannot apply virtual server TCP 10.10.0.3:4096: more than 4095 virtual servers");
  CHECK(syn(scratch, 1, 4095).real_server == 1);
}

ROOT_TEST_CASE("real servers may come and go for ever") {
  const Scratch scratch;
  auto dataplane = scratch.dataplane();
  for (uint16_t round = 1; round <= XLB_MAX_REAL_SERVERS + 100; ++round) {
    auto server = routed(1);
    server.endpoint.port = round;
    const auto applied = apply(*dataplane, {service({server})});
    if (!applied) FAIL(applied.error().text);
  }
  CHECK(syn(scratch, 1).real_server == 1);
  CHECK(dataplane->counters().services[0].real_servers[0].traffic.packets == 1);
}

ROOT_TEST_CASE("an attachment outlives the daemon and is adopted as it is") {
  const Scratch scratch;
  const unsigned ifindex = make_veth("in0.5");
  const std::string link = scratch.directory() + "/link_in0:5";
  {
    auto dataplane = scratch.dataplane();
    const auto attached = dataplane->attach("in0.5", ifindex, kDirector, AttachMode::automatic);
    REQUIRE(attached.ok());
    CHECK(attached->mode == "native");
    CHECK(attached->reason.empty());
    REQUIRE(apply(*dataplane, {service({routed(1)})}));
  }
  const auto before = link_pinned_at(link);
  CHECK(before.xdp.ifindex == ifindex);
  auto dataplane = scratch.dataplane();
  CHECK(dataplane->attached() == std::vector<unsigned>{ifindex});
  const auto again = dataplane->attach("in0.5", ifindex, kDirector, AttachMode::automatic);
  REQUIRE(again.ok());
  CHECK(again->mode == "native");
  const auto after = link_pinned_at(link);
  CHECK(after.id == before.id);
  CHECK(after.prog_id != before.prog_id);

  const auto generic = dataplane->attach("in0.5", ifindex, kDirector, AttachMode::generic);
  REQUIRE(generic.ok());
  CHECK(generic->mode == "generic");
  REQUIRE(dataplane->detach(ifindex));
  CHECK(program_on(ifindex) == 0);
  REQUIRE(dataplane->detach(ifindex));
}

ROOT_TEST_CASE("a link whose interface has gone is forgotten") {
  const Scratch scratch;
  const unsigned ifindex = make_veth("gone0");
  {
    auto dataplane = scratch.dataplane();
    REQUIRE(dataplane->attach("gone0", ifindex, kDirector, AttachMode::native));
  }
  REQUIRE(run("ip link del gone0"));
  auto dataplane = scratch.dataplane();
  CHECK(dataplane->attached().empty());
  const unsigned again = make_veth("gone0");
  CHECK(dataplane->attach("gone0", again, kDirector, AttachMode::native).ok());
}

ROOT_TEST_CASE("where native XDP is refused the generic one is used, and why is told") {
  const Scratch scratch;
  const unsigned ifindex = make_veth("big0");
  REQUIRE(run("ip link set big0 mtu 9000 && ip link set big0p mtu 9000"));
  auto dataplane = scratch.dataplane();
  const auto native = dataplane->attach("big0", ifindex, kDirector, AttachMode::native);
  REQUIRE_FALSE(native.ok());
  CHECK(native.error().text == "cannot attach XDP to big0: MTU 9000 is too large for native XDP");
  const auto attached = dataplane->attach("big0", ifindex, kDirector, AttachMode::automatic);
  REQUIRE(attached.ok());
  CHECK(attached->mode == "generic");
  CHECK(attached->reason == "MTU 9000 is too large for native XDP");
}

ROOT_TEST_CASE("somebody else's program is left alone and named") {
  const Scratch scratch;
  const unsigned ifindex = make_veth("taken0");
  const auto foreign = foreign_program();
  REQUIRE(bpf_xdp_attach(static_cast<int>(ifindex), foreign.get(), 0, nullptr) == 0);
  const auto id = program_on(ifindex);
  auto dataplane = scratch.dataplane();
  for (const auto mode : {AttachMode::automatic, AttachMode::generic, AttachMode::native}) {
    const auto attached = dataplane->attach("taken0", ifindex, kDirector, mode);
    REQUIRE_FALSE(attached.ok());
    CHECK(attached.error().text ==
          fmt::format("cannot attach XDP to taken0: the program \"somebody\" (id {}) is attached "
                      "there already; stop what attached it, or remove it with \"ip link set dev "
                      "taken0 xdp off\"",
                      id));
  }
  CHECK(program_on(ifindex) == id);
}

ROOT_TEST_CASE("release and purge leave nothing behind") {
  const Scratch scratch;
  const unsigned ifindex = make_veth("end0");
  REQUIRE(XdpDataplane::purge(scratch.directory()));  // nothing there yet
  {
    auto dataplane = scratch.dataplane();
    REQUIRE(dataplane->attach("end0", ifindex, kDirector, AttachMode::automatic));
    REQUIRE(apply(*dataplane, {service({routed(1)})}));
    CHECK(scratch.pins().size() == 3);  // program, maps, link
    REQUIRE(dataplane->release());
  }
  CHECK(program_on(ifindex) == 0);
  CHECK(scratch.pins().empty());
  {
    auto dataplane = scratch.dataplane();
    CHECK(dataplane->adoption().empty());
    REQUIRE(dataplane->attach("end0", ifindex, kDirector, AttachMode::automatic));
  }
  CHECK(program_on(ifindex) != 0);
  REQUIRE(XdpDataplane::purge(scratch.directory()));
  CHECK(program_on(ifindex) == 0);
  CHECK(scratch.pins().empty());
  REQUIRE(XdpDataplane::purge(scratch.directory()));
}

}  // namespace xlb
