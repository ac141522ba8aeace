// What the tests of the XDP data plane share: a network namespace and a run directory of their own,
// virtual servers, packets sent through the pinned program.
#pragma once

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <netinet/ip6.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <memory>

#include "io/xdp_dataplane.h"

namespace xlb::dataplane_fixture {

inline const MacAddress kDirector{{2, 0, 0, 0, 0, 0xd}};
inline const MacAddress kRouter{{2, 0, 0, 0, 0, 0xf}};
inline const IpAddress kVirtual = IpAddress::v4(10, 10, 0, 3);
inline const IpAddress kVirtual6 = *IpAddress::parse("2001:db8::3");
inline const InterfaceIdentity kIdentity{kDirector, std::nullopt, std::nullopt};
inline constexpr unsigned kLoopback = 1;  // where BPF_PROG_TEST_RUN says that packets come in
inline constexpr uint32_t kSmallTable = 4096;

#define ROOT_TEST_CASE(name) TEST_CASE((name)*doctest::skip(geteuid() != 0))

inline bool run(const std::string& command) {
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
  [[nodiscard]] std::unique_ptr<XdpDataplane> dataplane(uint32_t flows = kSmallTable,
                                                        uint32_t real_servers = 1024) const {
    auto opened = XdpDataplane::open({directory(), {.flows = flows, .real_servers = real_servers}});
    if (!opened) FAIL(opened.error().text);
    if (auto set = (*opened)->set_interface(kLoopback, kIdentity); !set) FAIL(set.error().text);
    return std::move(*opened);
  }
  // A set: a listing of a bpffs may name an entry twice.
  [[nodiscard]] std::set<std::string> pins() const {
    std::set<std::string> result;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(directory(), ignored)) {
      if (!entry.path().has_extension()) result.insert(entry.path().filename());  // the kernel's
    }
    return result;
  }

 private:
  UniqueFd former_;
  std::string root_;
};

inline ForwardedRealServer routed(uint8_t last, int weight = 1) {
  ForwardedRealServer server;
  server.endpoint = {IpAddress::v4(10, 10, 0, last), 80};
  server.weight = weight;
  server.forwardable = weight > 0 ? Forwardable::yes : Forwardable::existing;
  server.next_hop = NextHop{{{2, 0, 0, 0, 0, last}}, kDirector, kLoopback};
  return server;
}

inline ForwardedRealServer local(uint8_t last) {
  auto server = routed(last);
  server.local = true;
  server.next_hop.reset();
  return server;
}

inline ForwardedVirtualServer service(std::vector<ForwardedRealServer> servers,
                                      uint16_t port = 80) {
  ForwardedVirtualServer result;
  result.key = {kVirtual, port, Protocol::tcp};
  result.real_servers = std::move(servers);
  return result;
}

inline ForwardedVirtualServer service6(std::vector<ForwardedRealServer> servers) {
  auto result = service(std::move(servers));
  result.key.address = kVirtual6;
  return result;
}

inline void sweep(XdpDataplane& dataplane) {
  while (!dataplane.sweep_step(std::chrono::steady_clock::now())) {
  }
}

struct Frame {
  ethhdr ethernet{};
  iphdr ip{};
  tcphdr tcp{};
} __attribute__((packed));

inline Frame tcp_frame(uint8_t client, bool syn, uint16_t port = 80) {
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

struct Frame6 {
  ethhdr ethernet{};
  ip6_hdr ip{};
  tcphdr tcp{};
} __attribute__((packed));

// From 2001:db8:NET::CLIENT.
inline Frame6 tcp_frame6(uint8_t client, bool syn, uint16_t net = 1, uint16_t port = 80) {
  const Frame like = tcp_frame(client, syn, port);
  Frame6 frame;
  frame.ethernet = like.ethernet;
  frame.ethernet.h_proto = htons(ETH_P_IPV6);
  frame.tcp = like.tcp;
  frame.ip.ip6_flow = htonl(6U << 28);
  frame.ip.ip6_plen = htons(sizeof frame.tcp);
  frame.ip.ip6_nxt = IPPROTO_TCP;
  frame.ip.ip6_hlim = 64;
  const auto source = *IpAddress::parse(fmt::format("2001:db8:{:x}::{:x}", net, client));
  std::memcpy(&frame.ip.ip6_src, source.bytes().data(), source.bytes().size());
  std::memcpy(&frame.ip.ip6_dst, kVirtual6.bytes().data(), kVirtual6.bytes().size());
  return frame;
}

struct Outcome {
  uint32_t action = 0;
  int real_server = 0;  // last byte of the MAC address the frame was sent to
};

// Through the program that is pinned: the one the interfaces run.
template <typename AnyFrame>
Outcome send(const Scratch& scratch, const AnyFrame& frame) {
  const UniqueFd program(bpf_obj_get((scratch.directory() + "/xlb").c_str()));
  REQUIRE(program.valid());
  std::array<uint8_t, 256> out{};
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = &frame, .data_out = out.data(),
              .data_size_in = sizeof frame, .data_size_out = out.size());
  REQUIRE(bpf_prog_test_run_opts(program.get(), &options) == 0);
  return {options.retval, out[5]};
}

inline Outcome syn6(const Scratch& scratch, uint8_t client, uint16_t net = 1) {
  return send(scratch, tcp_frame6(client, true, net));
}
inline Outcome ack6(const Scratch& scratch, uint8_t client, uint16_t net = 1) {
  return send(scratch, tcp_frame6(client, false, net));
}
inline Outcome syn(const Scratch& scratch, uint8_t client, uint16_t port = 80) {
  return send(scratch, tcp_frame(client, true, port));
}
inline Outcome ack(const Scratch& scratch, uint8_t client, uint16_t port = 80) {
  return send(scratch, tcp_frame(client, false, port));
}

inline Result<void> apply(XdpDataplane& dataplane, std::vector<ForwardedVirtualServer> services) {
  return dataplane.apply({std::move(services)});
}

}  // namespace xlb::dataplane_fixture
