// VRRP socket, gratuitous ARP and neighbour probe on a veth pair in a network namespace of the
// test's own; the test itself plays the link's other end. Skipped without root.
#include <doctest/doctest.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/vrrp_packet.h"
#include "io/address_announce.h"
#include "io/announce_queue.h"
#include "io/arp.h"
#include "io/neighbour_probe.h"
#include "io/vrrp_socket.h"

using namespace xlb;
using std::chrono::milliseconds;

namespace {

using Frame = std::vector<uint8_t>;

const IpAddress kOwn = IpAddress::v4(10, 99, 0, 1);
const IpAddress kOther = IpAddress::v4(10, 99, 0, 2);
const IpAddress kVirtual = IpAddress::v4(10, 99, 0, 100);
const MacAddress kOwnMac{{2, 0, 0, 0, 0, 1}};
const MacAddress kOtherMac{{2, 0, 0, 0, 0, 2}};
constexpr size_t kEthernetHeader = 14;
constexpr int kPatienceMs = 5000;  // for what must come; nothing waits this long on success

// Runs `test` on a thread in a network namespace with own0 <-> far0; the namespace ends with it.
template <typename Test>
void in_namespace(Test test) {
  if (::geteuid() != 0) {
    MESSAGE("skipped: needs root");
    return;
  }
  bool ready = false;
  std::thread([&] {
    if (::unshare(CLONE_NEWNET) != 0) return;
    // NOLINTNEXTLINE: a fixed command
    ready = std::system(
                "ip link add own0 address 02:00:00:00:00:01 type veth peer name far0"
                " address 02:00:00:00:00:02 && ip addr add 10.99.0.1/24 dev own0"
                " && ip link set own0 up && ip link set far0 up") == 0;
    if (!ready) return;
    try {
      test();
    } catch (...) {  // NOLINT: how a failed REQUIRE, already recorded, leaves its test
    }
  }).join();
  if (!ready) MESSAGE("skipped: cannot make a network namespace");
}

// The link's other end: sees and sends whole frames.
class FarEnd {
 public:
  FarEnd() : fd_(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)) {
    sockaddr_ll link{};
    link.sll_family = AF_PACKET;
    link.sll_protocol = htons(ETH_P_ALL);
    link.sll_ifindex = static_cast<int>(::if_nametoindex("far0"));
    REQUIRE(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&link), sizeof link) == 0);
  }
  // The next frame that `wanted` accepts; empty when none comes in time.
  template <typename Predicate>
  Frame wait_for(Predicate wanted) {
    Frame frame(2048);
    pollfd ready{fd_.get(), POLLIN, 0};
    while (::poll(&ready, 1, kPatienceMs) == 1) {
      frame.resize(2048);
      frame.resize(static_cast<size_t>(
          std::max<ssize_t>(0, ::recv(fd_.get(), frame.data(), frame.size(), 0))));
      if (frame.size() > kEthernetHeader && wanted(frame)) return frame;
    }
    return {};
  }
  void send(const Frame& frame) {
    REQUIRE(::send(fd_.get(), frame.data(), frame.size(), 0) == static_cast<ssize_t>(frame.size()));
  }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
};

int own_index() {
  return static_cast<int>(::if_nametoindex("own0"));
}

VrrpSocketOptions options_on(const std::string& interface, int index) {
  VrrpSocketOptions options;
  options.interface = interface;
  options.interface_index = index;
  options.virtual_router_id = 51;
  return options;
}

bool is_ipv4(const Frame& frame, uint8_t protocol) {
  return frame[12] == 0x08 && frame[13] == 0x00 && frame[kEthernetHeader + 9] == protocol;
}
bool is_arp(const Frame& frame) {
  return frame[12] == 0x08 && frame[13] == 0x06;
}

Frame arp_reply(const MacAddress& mac, const IpAddress& address) {
  const arp::Frame request = arp::request(mac, address, kOwn);
  Frame reply(request.begin(), request.end());
  reply[21] = 2;
  return reply;
}

}  // namespace

TEST_CASE("an advertisement leaves as keepalived's do and comes in from the group") {
  in_namespace([] {
    FarEnd far;
    auto socket = VrrpSocket::open(options_on("own0", own_index()));
    REQUIRE(socket.ok());
    const vrrp::Advertisement advertisement{
        vrrp::Advertisement{VrrpVersion::v2, 51, 100, milliseconds(1000), {kVirtual}, "1111"}};
    const auto message = vrrp::encode(advertisement, kOwn, vrrp::kMulticastGroup);
    REQUIRE((*socket)->send(message, kOwn, vrrp::kMulticastGroup).ok());

    Frame frame = far.wait_for([](const Frame& seen) { return is_ipv4(seen, 112); });
    REQUIRE(frame.size() == kEthernetHeader + 20 + message.size());
    const Frame destination(frame.begin(), frame.begin() + 6);
    CHECK(destination == Frame{0x01, 0x00, 0x5e, 0x00, 0x00, 0x12});
    CHECK(frame[kEthernetHeader + 1] == 0xc0);  // TOS
    CHECK(frame[kEthernetHeader + 6] == 0);     // neither fragment nor "don't fragment"
    CHECK(frame[kEthernetHeader + 8] == 255);   // TTL
    vrrp::Expectation expected{VrrpVersion::v2, 51, milliseconds(1000), "1111", {}};
    const std::span<const uint8_t> packet(frame.data() + kEthernetHeader,
                                          frame.size() - kEthernetHeader);
    REQUIRE(std::holds_alternative<vrrp::Received>(vrrp::decode(packet, expected)));
    CHECK(std::get<vrrp::Received>(vrrp::decode(packet, expected)).source == kOwn);

    // The same packet from the other router: source and IP checksum change together.
    frame[kEthernetHeader + 15] = 2;
    frame[kEthernetHeader + 11] = static_cast<uint8_t>(frame[kEthernetHeader + 11] - 1);
    far.send(frame);
    pollfd ready{(*socket)->fd(), POLLIN, 0};
    REQUIRE(::poll(&ready, 1, kPatienceMs) == 1);
    int heard = 0;
    const auto hear = [&](const std::optional<vrrp::IpPacket>& arrived) {
      ++heard;
      REQUIRE(arrived);
      const auto result = vrrp::decode(*arrived, expected);
      REQUIRE(std::holds_alternative<vrrp::Received>(result));
      CHECK(std::get<vrrp::Received>(result).source == kOther);
    };
    REQUIRE((*socket)->receive(hear).ok());
    CHECK(heard == 1);  // and not our own
  });
}

TEST_CASE("a VRRP socket says what it cannot do") {
  in_namespace([] {
    const auto absent = VrrpSocket::open(options_on("absent0", 4711));
    REQUIRE_FALSE(absent.ok());
    CHECK(absent.error().text.find("absent0") != std::string::npos);
    auto socket = VrrpSocket::open(options_on("own0", own_index()));
    REQUIRE(socket.ok());
    CHECK_FALSE(
        (*socket)->send({}, kOther, vrrp::kMulticastGroup).ok());  // not an address of this host
  });
}

TEST_CASE("VRRP 105: an announcement is a gratuitous ARP request as keepalived sends it") {
  in_namespace([] {
    FarEnd far;
    auto announcer = Announcer::open();
    REQUIRE(announcer.ok());
    REQUIRE(announcer->announce(own_index(), kOwnMac, kVirtual).ok());
    const Frame expected = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x00, 0x00, 0x00, 0x00,
                            0x01, 0x08, 0x06, 0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01,
                            0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x0a, 0x63, 0x00, 0x64, 0xff,
                            0xff, 0xff, 0xff, 0xff, 0xff, 0x0a, 0x63, 0x00, 0x64};
    CHECK(far.wait_for(is_arp) == expected);
    CHECK_FALSE(announcer->announce(4711, kOwnMac, kVirtual).ok());
  });
}

TEST_CASE("announcements go out in order, as far apart as is configured, and not after a cancel") {
  in_namespace([] {
    FarEnd far;
    auto announcer = Announcer::open();
    REQUIRE(announcer.ok());
    auto loop = EventLoop::create();
    REQUIRE(loop.ok());
    std::vector<std::string> failures;
    AnnounceQueue queue(**loop, *announcer,
                        [&](const Error& error) { failures.push_back(error.text); });
    queue.configure({}, {{{"own0"}, {std::chrono::milliseconds(50), {}}}});
    const IpAddress second = IpAddress::v4(10, 99, 0, 101);
    const int mine = 0;
    const int other = 0;
    queue.add({&mine, "own0", own_index(), kOwnMac, kVirtual});
    queue.add({&other, "own0", own_index(), kOwnMac, kVirtual});
    queue.add({&mine, "own0", own_index(), kOwnMac, second});
    CHECK(queue.has(&other));
    queue.cancel(&other);
    CHECK_FALSE(queue.has(&other));
    queue.add({&mine, "elsewhere", 4711, kOwnMac, kVirtual});  // not in the group: at once
    CHECK(failures.size() == 1);
    const TimePoint began = (*loop)->now();
    auto stop = (*loop)->timer(EventLoop::Urgency::normal, [&] { (*loop)->stop(); });
    stop.arm(began + std::chrono::milliseconds(60));
    REQUIRE((*loop)->run().ok());
    const auto sender_of = [&] { return arp::sender_of(far.wait_for(is_arp))->address; };
    CHECK(sender_of() == kVirtual);
    CHECK(sender_of() == second);
    CHECK_FALSE(queue.has(&mine));
  });
}

TEST_CASE("a neighbour that answers is alive, and one that does not is not") {
  in_namespace([] {
    FarEnd far;
    auto loop = EventLoop::create();
    REQUIRE(loop.ok());
    NeighbourProbe probe(**loop);
    std::optional<bool> alive;
    std::optional<bool> dead;
    MacAddress mac;
    const auto finished = [&] {
      if (alive && dead) (*loop)->stop();
    };
    const NeighbourProbe::Request ask_alive{own_index(), kOwnMac, kOwn,
                                            kOther,      3,       milliseconds(2000)};
    const NeighbourProbe::Request ask_dead{
        own_index(), kOwnMac, kOwn, IpAddress::v4(10, 99, 0, 3), 3, milliseconds(10)};
    REQUIRE(probe
                .probe(ask_alive,
                       [&](bool answered, const MacAddress& answer) {
                         alive = answered;
                         mac = answer;
                         finished();
                       })
                .ok());
    REQUIRE(probe
                .probe(ask_dead,
                       [&](bool answered, const MacAddress&) {
                         dead = answered;
                         finished();
                       })
                .ok());
    // Answers the living one's question; tries to fool the other probe with our own MAC.
    auto watch = (*loop)->watch(far.fd(), EPOLLIN, [&](uint32_t) {
      const Frame question = far.wait_for(is_arp);
      if (question.size() < arp::kFrameSize) return;
      if (question[41] == 2) far.send(arp_reply(kOtherMac, kOther));
      if (question[41] == 3) far.send(arp_reply(kOwnMac, IpAddress::v4(10, 99, 0, 3)));
    });
    REQUIRE(watch.ok());
    REQUIRE((*loop)->run().ok());
    CHECK(alive == true);
    CHECK(mac == kOtherMac);
    CHECK(dead == false);
  });
}

TEST_CASE("a probe can be cancelled, and our own address is never probed") {
  in_namespace([] {
    auto loop = EventLoop::create();
    REQUIRE(loop.ok());
    bool called = false;
    {
      NeighbourProbe probe(**loop);
      const auto done = [&](bool, const MacAddress&) { called = true; };
      REQUIRE(probe.probe({own_index(), kOwnMac, kOwn, kOther, 1, milliseconds(1)}, done).ok());
      CHECK_FALSE(probe.probe({own_index(), kOwnMac, kOwn, kOwn, 1, milliseconds(1)}, done).ok());
      CHECK_FALSE(probe.probe({4711, kOwnMac, kOwn, kOther, 1, milliseconds(1)}, done).ok());
    }
    auto timer = (*loop)->timer(EventLoop::Urgency::normal, [&] { (*loop)->stop(); });
    timer.arm((*loop)->now() + milliseconds(20));
    REQUIRE((*loop)->run().ok());
    CHECK_FALSE(called);
  });
}

TEST_CASE("who sent an ARP frame is read only from whole Ethernet and IPv4 ones") {
  const arp::Frame frame = arp::request(kOtherMac, kOther, kOwn);
  const auto sender = arp::sender_of(frame);
  REQUIRE(sender);
  CHECK(sender->mac == kOtherMac);
  CHECK(sender->address == kOther);
  CHECK_FALSE(arp::sender_of(std::span(frame).first(41)));
  for (const size_t offset : {12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22}) {
    arp::Frame spoiled = frame;
    spoiled[offset] = static_cast<uint8_t>(spoiled[offset] + 3);  // offset 22: multicast
    CHECK_FALSE(arp::sender_of(spoiled));
  }
  CHECK_FALSE(arp::sender_of(arp::request(MacAddress{}, kOther, kOwn)));
}
