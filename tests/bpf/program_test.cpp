// What the program does with one frame: whose it is, whether it is sound, who gets it, and the
// bytes that leave. Tables: packet in, verdict; untouched frames leave as they came.
#include <doctest/doctest.h>
#include <linux/bpf.h>
#include <net/if.h>

#include <string>
#include <vector>

#include "network_namespace.h"
#include "program.h"

namespace xlb::test {
namespace {

struct Row {
  const char* what;
  Packet packet;
};

// A TCP and a UDP virtual server on real server 1, which is not this host.
void put_services(Program& program) {
  program.put_service({.ring = {1}, .hash = {1}});
  program.put_service({.id = 8, .port = 53, .protocol = kUdp, .ring = {2}, .hash = {2}});
  program.put_real_server(1);
  program.put_real_server(2, {.service_id = 8});
}

void check_untouched(Program& program, const Row& row, const std::string& reason, uint32_t action) {
  INFO(row.what);
  const Frame frame = row.packet.frame();
  const Judged judged = program.judge(frame);
  CHECK(judged.reason == reason);
  CHECK(judged.action == action);
  CHECK(judged.frame == frame);
}

void check_nothing_balanced(Program& program) {
  for (const uint32_t index : {1U, 2U}) {
    CHECK(program.traffic(index).packets == 0);
    CHECK(program.traffic(index).bytes == 0);
    CHECK(program.traffic(index).connections == 0);
  }
  CHECK(program.flows().empty());
}

void check_sent(Program& program, const Row& row, uint32_t real_server) {
  INFO(row.what);
  const xlb_traffic before = program.traffic(real_server);
  const Judged judged = program.judge(row.packet.frame());
  CHECK(judged.reason == "XLB_TX");
  CHECK(judged.action == XDP_TX);
  CHECK(judged.frame == sent_to(real_server, row.packet));
  const xlb_traffic after = program.traffic(real_server);
  CHECK(after.packets == before.packets + 1);
  CHECK(after.bytes == before.bytes + row.packet.total_length.value_or(row.packet.ip_bytes()));
}

TEST_CASE("What is not TCP or UDP to a virtual server goes to the stack untouched") {
  const std::vector<Row> rows{
      {"ARP", {.ether_type = 0x0806}},
      {"IPv6", {.ether_type = 0x86dd, .version = 6}},
      {"IPv6 header under the type of IPv4", {.version = 6}},
      {"VLAN tagged, another port", {.vlan = 5, .port = 81}},
      {"VRRP to the VIP", {.protocol = 112}},
      {"VRRP multicast", {.to = kMulticastMac, .protocol = 112, .server = ipv4(224, 0, 0, 18)}},
      {"ICMP", {.protocol = 1}},
      {"GRE", {.protocol = 47}},
      {"SCTP", {.protocol = 132}},
      {"another port", {.port = 81}},
      {"another address", {.server = kVip + 1}},
      {"from the VIP", {.client = kVip, .server = kClient, .client_port = kPort, .port = 40000}},
      {"the TCP service's port over UDP", {.protocol = kUdp}},
      {"the UDP service's port over TCP", {.port = 53}},
      {"IP version 5", {.version = 5}},
      {"IHL 4", {.header_words = 4}},
      {"IHL 0", {.header_words = 0}},
      {"no IP header", {.cut = 14}},
      {"half an IP header", {.cut = 33}},
      {"no ports", {.cut = 34}},
      {"half the ports", {.cut = 37}},
      {"IHL beyond the frame", {.header_words = 15, .cut = 54}},
      {"a broadcast not for us", {.to = kBroadcastMac, .port = 81}},
  };
  Program program;
  put_services(program);
  for (const Row& row : rows)
    check_untouched(program, row, "XLB_PASS_NOT_OURS", XDP_PASS);
  check_nothing_balanced(program);
}

TEST_CASE("A frame addressed to another MAC is left alone") {
  const std::vector<Row> rows{
      {"flooded unicast", {.to = kOtherMac}},
      {"first byte differs", {.to = {0x06, 0, 0, 0, 0, 0x01}}},
      {"middle byte differs", {.to = {0x02, 0, 0, 1, 0, 0x01}}},
      {"broadcast", {.to = kBroadcastMac}},
      {"multicast", {.to = kMulticastMac}},
      {"multicast bit of our own MAC", {.to = {0x03, 0, 0, 0, 0, 0x01}}},
      {"malformed too", {.to = kOtherMac, .total_length = 2000}},
      {"from a peer too", {.to = kOtherMac, .from = kPeerMac}},
  };
  Program program;
  put_services(program);
  program.put_peer(kPeerMac);
  for (const Row& row : rows)
    check_untouched(program, row, "XLB_PASS_OTHER_MAC", XDP_PASS);
  check_nothing_balanced(program);
}

TEST_CASE(
    "VRRP 121: A frame to the MAC of a virtual router is balanced while this host is its master") {
  const Mac of_ipv4{0x00, 0x00, 0x5e, 0x00, 0x01, 0x33};
  const std::vector<Row> others{
      {"another virtual router", {.to = {0x00, 0x00, 0x5e, 0x00, 0x01, 0x34}}},
      {"the same VRID for IPv6", {.to = {0x00, 0x00, 0x5e, 0x00, 0x02, 0x33}}},
      {"no virtual router's", {.to = {0x00, 0x00, 0x5e, 0x00, 0x03, 0x33}}},
      {"nearly one's", {.to = {0x00, 0x00, 0x5e, 0x01, 0x01, 0x33}}},
  };
  Program program;
  put_services(program);
  check_untouched(program, {"as backup", {.to = of_ipv4}}, "XLB_PASS_OTHER_MAC", XDP_PASS);
  program.put_interface(kIngress, kDirectorMac, 0, {MacAddress{of_ipv4}});
  for (const Row& row : others)
    check_untouched(program, row, "XLB_PASS_OTHER_MAC", XDP_PASS);
  check_nothing_balanced(program);
  CHECK(program.judge(Packet{.to = of_ipv4}.frame()).reason ==
        program.judge(Packet{}.frame()).reason);
}

TEST_CASE("A frame from an interface that is not ours to serve is left alone") {
  Program program;
  put_services(program);
  program.remove_interface(kIngress);
  program.put_interface(kIngress + 1, kDirectorMac);
  check_untouched(program, {"", {}}, "XLB_PASS_OTHER_MAC", XDP_PASS);
  check_nothing_balanced(program);
}

TEST_CASE("A malformed packet to a virtual server is dropped and counted") {
  const std::vector<Row> rows{
      {"IP longer than the frame", {.total_length = 41}},
      {"IP longer than frame and padding", {.total_length = 47, .padding = 6}},
      {"greatest IP length", {.total_length = 65535}},
      {"IP length 0", {.total_length = 0}},
      {"IP shorter than its header", {.total_length = 19}},
      {"IP header alone", {.total_length = 20}},
      {"half a TCP header", {.total_length = 30}},
      {"one byte of TCP header missing", {.total_length = 39}},
      {"options take the place of TCP", {.option_bytes = 40, .total_length = 60}},
      {"frame ends within the TCP header", {.total_length = 33, .cut = 47}},
      {"frame ends one byte early", {.payload = 10, .cut = 63}},
      {"TCP header of 16 bytes", {.tcp_words = 4}},
      {"TCP header of 0 bytes", {.tcp_words = 0}},
      {"TCP options beyond the packet", {.total_length = 40, .tcp_words = 6}},
      {"UDP header missing", {.protocol = kUdp, .total_length = 20, .port = 53}},
      {"half a UDP header", {.protocol = kUdp, .total_length = 27, .port = 53}},
      {"frame ends within the UDP header",
       {.protocol = kUdp, .total_length = 26, .port = 53, .cut = 40}},
      {"UDP length 7", {.protocol = kUdp, .port = 53, .udp_length = 7}},
      {"UDP length 0", {.protocol = kUdp, .port = 53, .udp_length = 0}},
      {"UDP longer than the packet",
       {.protocol = kUdp, .port = 53, .udp_length = 21, .payload = 12}},
  };
  Program program;
  put_services(program);
  for (const Row& row : rows)
    check_untouched(program, row, "XLB_DROP_MALFORMED", XDP_DROP);
  check_nothing_balanced(program);
}

TEST_CASE("TCP flags that no connection has are dropped and change nothing") {
  Program program;
  put_services(program);
  CHECK(program.judge(Packet{}.frame()).reason == "XLB_TX");
  const auto before = program.flow_of({});
  REQUIRE(before);
  for (unsigned flags = 0; flags < 0x100; flags++) {
    CAPTURE(flags);
    const bool syn = (flags & kSyn) != 0;
    const bool fin = (flags & kFin) != 0;
    const bool rst = (flags & kRst) != 0;
    const bool ack = (flags & kAck) != 0;
    // One of them, or an acknowledgment; what closes acknowledges.
    const bool possible = syn + fin + rst <= 1 && (ack || syn || rst);
    for (const uint16_t port : {uint16_t{40000}, uint16_t{41000}}) {
      if (possible) continue;
      const Packet packet{.client_port = port, .flags = static_cast<uint8_t>(flags)};
      check_untouched(program, {"", packet}, "XLB_DROP_FLAGS", XDP_DROP);
    }
  }
  CHECK(program.flows().size() == 1);
  CHECK(program.flow_of({})->value == before->value);
}

TEST_CASE("A peer's frame is never balanced again") {
  Program program;
  put_services(program);
  program.put_peer(kPeerMac);
  const Row syn{"SYN", {.from = kPeerMac}};
  const Row ack{"ACK", {.from = kPeerMac, .flags = kAck}};
  const Row last_hop{"TTL 1", {.from = kPeerMac, .ttl = 1}};

  SUBCASE("without an own real server it is dropped") {
    for (const Row& row : {syn, ack, last_hop})
      check_untouched(program, row, "XLB_DROP_PEER", XDP_DROP);
  }
  SUBCASE("with one it is delivered here, untouched and not counted as balanced") {
    program.put_service({.ring = {1}, .hash = {1}, .local_real_server = 2});
    for (const Row& row : {syn, ack, last_hop})
      check_untouched(program, row, "XLB_PASS_PEER_LOCAL", XDP_PASS);
  }
  SUBCASE("with one, but malformed, it is dropped") {
    program.put_service({.ring = {1}, .hash = {1}, .local_real_server = 2});
    check_untouched(program, {"", {.from = kPeerMac, .total_length = 2000}}, "XLB_DROP_MALFORMED",
                    XDP_DROP);
  }
  check_nothing_balanced(program);
}

TEST_CASE("A peer of one virtual server is a client of another") {
  Program program;
  put_services(program);
  program.put_peer(kPeerMac, 8);
  check_sent(program, {"TCP", {.from = kPeerMac}}, 1);
  check_untouched(program, {"UDP", {.from = kPeerMac, .protocol = kUdp, .port = 53}},
                  "XLB_DROP_PEER", XDP_DROP);
}

TEST_CASE("Direct routing rewrites both MACs, takes one hop and leaves the rest as it was") {
  const std::vector<Row> rows{
      {"SYN", {}},
      {"padded to Ethernet's minimum", {.padding = 6}},
      {"padded by one odd byte", {.padding = 1}},
      {"much padding", {.padding = 500}},
      {"shorter IP than its bytes: the rest is padding", {.total_length = 50, .payload = 20}},
      {"4 bytes of IP options", {.option_bytes = 4}},
      {"40 bytes of IP options", {.option_bytes = 40, .payload = 7}},
      {"40 bytes of TCP options", {.tcp_words = 15}},
      {"IP and TCP options, payload", {.option_bytes = 8, .tcp_words = 8, .payload = 100}},
      {"full frame", {.flags = kAck, .payload = 1460}},
      {"don't fragment", {.fragment = kDontFragment}},
      {"TTL 255", {.ttl = 255}},
      {"TTL 2", {.ttl = 2}},
      {"VLAN tagged", {.vlan = 5}},
      {"VLAN tagged with id 0", {.vlan = 0}},
      {"flags beside those of a connection", {.flags = kAck | kPush | 0xe0}},
      {"client port 0", {.client_port = 0}},
      {"client port 65535", {.client_port = 65535}},
      {"client 255.255.255.254", {.client = 0xfffffffe}},
  };
  Program program;
  put_services(program);
  for (const Row& row : rows)
    check_sent(program, row, 1);
}

TEST_CASE("UDP is sent on the same way") {
  const std::vector<Row> rows{
      {"no payload", {.protocol = kUdp, .port = 53}},
      {"padded", {.protocol = kUdp, .port = 53, .padding = 18}},
      {"odd payload", {.protocol = kUdp, .port = 53, .payload = 13}},
      {"full frame", {.protocol = kUdp, .port = 53, .payload = 1472}},
      {"IP options", {.protocol = kUdp, .option_bytes = 12, .port = 53, .payload = 3}},
      {"UDP shorter than the IP payload",
       {.protocol = kUdp, .port = 53, .udp_length = 10, .payload = 20}},
  };
  Program program;
  put_services(program);
  for (const Row& row : rows)
    check_sent(program, row, 2);
}

TEST_CASE("The IP checksum is right after every checksum there is") {
  Program program;
  put_services(program);
  size_t wrong = 0;
  // The identification walks through all sums, and so through all checksums.
  for (uint32_t id = 0; id <= 0xffff; id++) {
    const Packet packet{.id = static_cast<uint16_t>(id), .flags = kAck};
    if (program.run(packet.frame()).frame != sent_to(1, packet)) wrong++;
  }
  CHECK(wrong == 0);
}

TEST_CASE("A packet at the end of its hops is dropped where no address is there to answer from") {
  Program program;
  put_services(program);
  for (const uint8_t ttl : {uint8_t{1}, uint8_t{0}})
    check_untouched(program, {"", {.ttl = ttl, .flags = kAck}}, "XLB_DROP_TTL", XDP_DROP);
  CHECK(program.traffic(1).packets == 0);
}

TEST_CASE("The local real server gets its packets by the stack, untouched, whatever their TTL") {
  Program program;
  put_services(program);
  program.put_real_server(1, {.flags = kUsable | XLB_RS_LOCAL});
  uint64_t packets = 0;
  uint64_t bytes = 0;
  for (const uint8_t ttl : {uint8_t{64}, uint8_t{255}, uint8_t{2}, uint8_t{1}, uint8_t{0}}) {
    const Row row{"local", {.ttl = ttl, .flags = packets == 0 ? kSyn : kAck, .payload = ttl}};
    check_untouched(program, row, "XLB_PASS_LOCAL", XDP_PASS);
    packets++;
    bytes += row.packet.ip_bytes();
  }
  CHECK(program.traffic(1).packets == packets);
  CHECK(program.traffic(1).bytes == bytes);
  CHECK(program.traffic(1).connections == 1);
}

TEST_CASE("A real server behind another interface is reached through its port") {
  constexpr uint32_t kLeaving = 77;
  Program program;
  put_services(program);
  program.put_real_server(1, {.ifindex = kLeaving});
  const Packet packet;
  SUBCASE("that is missing: dropped, counted, not counted as sent") {
    const Judged judged = program.judge(packet.frame());
    CHECK(judged.reason == "XLB_DROP_NO_PORT");
    CHECK(judged.action == XDP_DROP);
    CHECK(program.traffic(1).packets == 0);
  }
  SUBCASE("at its last hop: dropped before") {
    check_untouched(program, {"", {.ttl = 1}}, "XLB_DROP_TTL", XDP_DROP);
  }
}

TEST_CASE("A real server behind another interface gets the frame redirected") {
  const NetworkNamespace space;
  const Inside inside(space);
  run("ip link add xlbport type veth peer name xlbfar");
  const uint32_t leaving = if_nametoindex("xlbport");
  Program program;
  put_services(program);
  program.put_port(leaving);
  program.put_real_server(1, {.ifindex = leaving});
  const Packet packet{.payload = 50};
  const Judged judged = program.judge(packet.frame());
  CHECK(judged.reason == "XLB_REDIRECT");
  CHECK(judged.action == XDP_REDIRECT);
  CHECK(judged.frame == sent_to(1, packet));
  CHECK(program.traffic(1).packets == 1);
  CHECK(program.traffic(1).bytes == packet.ip_bytes());
}

}  // namespace
}  // namespace xlb::test
