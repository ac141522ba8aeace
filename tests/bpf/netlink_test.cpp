#include "io/netlink.h"

#include <doctest/doctest.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstring>
#include <fstream>
#include <memory>
#include <string>

#include "io/neighbour_requester.h"
#include "network_namespace.h"

namespace xlb {
namespace {

using test::Inside;
using test::NetworkNamespace;
using test::run;

constexpr IpAddress kOwn = IpAddress::v4(10, 9, 0, 1);
constexpr IpAddress kPeer = IpAddress::v4(10, 9, 0, 2);
constexpr PrefixedAddress kVip{IpAddress::v4(10, 9, 0, 3), 24};

// This host ("here", the calling thread's) and another one on the same veth wire.
struct Lan {
  NetworkNamespace here;
  NetworkNamespace there;
  std::unique_ptr<Inside> inside = std::make_unique<Inside>(here);
  std::unique_ptr<Netlink> netlink;
  int changes = 0;

  Lan() {
    run("ip link set lo up");
    run("ip link add v0 address 02:00:00:00:00:01 type veth peer name v1 address "
        "02:00:00:00:00:02 netns " +
        there.path());
    run("ip addr add 10.9.0.1/24 dev v0 && ip link set v0 up");
    {
      const Inside other(there);
      run("ip addr add 10.9.0.2/24 dev v1 && ip link set v1 up");
    }
    auto opened = Netlink::open();
    REQUIRE_MESSAGE(opened.ok(), (opened.ok() ? "" : opened.error().text));
    netlink = std::move(opened).value();
    netlink->on_change([this] { ++changes; });
    CHECK(eventually([&] { return link().has_value() && link()->up; }));
  }

  [[nodiscard]] std::optional<Link> link() const { return netlink->link("v0"); }
  [[nodiscard]] unsigned index() const { return link()->index; }

  template <typename Condition>
  bool eventually(const Condition& condition) {
    return test::eventually(condition, [&] {
      pollfd poll{netlink->fd(), POLLIN, 0};
      (void)::poll(&poll, 1, 100);
      const auto processed = netlink->process();
      CHECK_MESSAGE(processed.ok(), (processed.ok() ? "" : processed.error().text));
    });
  }
  [[nodiscard]] Result<void> resolve(const IpAddress& address) const {
    auto requester = NeighbourRequester::open();
    REQUIRE(requester.ok());
    return requester->resolve(index(), address, netlink->neighbour(index(), address));
  }
  [[nodiscard]] Neighbour::State state_of(const IpAddress& address) const {
    const auto entry = netlink->neighbour(index(), address);
    return entry ? entry->state : Neighbour::State::incomplete;
  }
};

TEST_CASE("netlink: the picture holds links and addresses, and follows their changes") {
  if (!test::have_root()) return;
  Lan lan;
  REQUIRE(lan.link().has_value());
  CHECK(lan.link()->mac.to_string() == "02:00:00:00:00:01");
  CHECK(lan.link()->mtu == 1500);
  CHECK(lan.netlink->link(lan.index())->name == "v0");
  CHECK_FALSE(lan.netlink->link("nosuch").has_value());
  CHECK(lan.netlink->primary_address(lan.index()) == kOwn);
  CHECK(lan.netlink->is_local(kOwn));
  CHECK(lan.netlink->is_local(IpAddress::v4(127, 9, 9, 9)));
  CHECK_FALSE(lan.netlink->is_local(kPeer));

  SUBCASE("an address comes and goes") {
    run("ip addr add 10.9.0.3/24 dev v0");
    CHECK(lan.eventually([&] { return lan.netlink->is_local(kVip.address); }));
    CHECK(lan.changes > 0);
    CHECK(lan.netlink->addresses().back().secondary);
    CHECK(lan.netlink->primary_address(lan.index()) == kOwn);
    run("ip addr del 10.9.0.3/24 dev v0");
    CHECK(lan.eventually([&] { return !lan.netlink->is_local(kVip.address); }));
  }
  SUBCASE("the carrier goes and comes back") {
    const Inside other(lan.there);
    run("ip link set v1 down");
    CHECK(lan.eventually([&] { return !lan.link()->up; }));
    run("ip link set v1 up");
    CHECK(lan.eventually([&] { return lan.link()->up; }));
  }
  SUBCASE("an interface that is deleted takes its addresses along") {
    run("ip link del v0");
    CHECK(lan.eventually([&] { return !lan.link().has_value(); }));
    CHECK_FALSE(lan.netlink->is_local(kOwn));
  }
  SUBCASE("a changed MAC is a change") {
    run("ip link set v0 address 02:00:00:00:00:99");
    CHECK(lan.eventually([&] { return lan.link()->mac.bytes[5] == 0x99; }));
  }
}

TEST_CASE("netlink: no event without a change, no call of on_change") {
  if (!test::have_root()) return;
  Lan lan;
  run("ip addr add 10.9.0.3/24 dev v0");
  CHECK(lan.eventually([&] { return lan.netlink->is_local(kVip.address); }));
  lan.changes = 0;
  REQUIRE(lan.netlink->process().ok());
  CHECK(lan.changes == 0);
}

TEST_CASE("netlink: addresses are added and removed, twice without complaint") {
  if (!test::have_root()) return;
  Lan lan;
  for (int i = 0; i < 2; ++i)
    CHECK(lan.netlink->add_address(lan.index(), kVip).ok());
  CHECK(test::output_of("ip -o addr show dev v0").find("10.9.0.3/24") != std::string::npos);
  CHECK(lan.eventually([&] { return lan.netlink->is_local(kVip.address); }));
  for (int i = 0; i < 2; ++i)
    CHECK(lan.netlink->remove_address(lan.index(), kVip).ok());
  CHECK(test::output_of("ip -o addr show dev v0").find("10.9.0.3") == std::string::npos);
  CHECK(lan.netlink->remove_address(9999, kVip).ok());
  const auto added = lan.netlink->add_address(9999, kVip);
  REQUIRE_FALSE(added.ok());
  CHECK(added.error().text == "cannot add 10.9.0.3/24 to interface 9999: No such device");
}

TEST_CASE("netlink: a neighbour is resolved on request, probed again, and its loss noticed") {
  if (!test::have_root()) return;
  Lan lan;
  // Short timers, so that a failure shows within the test's deadline.
  std::ofstream("/proc/sys/net/ipv4/neigh/v0/retrans_time_ms") << 50;
  CHECK_FALSE(lan.netlink->neighbour(lan.index(), kPeer).has_value());
  CHECK(lan.resolve(kPeer).ok());
  CHECK(lan.eventually([&] { return lan.state_of(kPeer) == Neighbour::State::usable; }));
  CHECK(lan.netlink->neighbour(lan.index(), kPeer)->mac.to_string() == "02:00:00:00:00:02");

  SUBCASE("an address that nobody has fails") {
    const IpAddress nobody = IpAddress::v4(10, 9, 0, 77);
    CHECK(lan.resolve(nobody).ok());
    CHECK(lan.eventually([&] { return lan.state_of(nobody) == Neighbour::State::failed; }));
  }
  SUBCASE("asking again tells that it is gone") {
    {
      const Inside other(lan.there);
      run("ip addr flush dev v1");
    }
    CHECK(lan.resolve(kPeer).ok());
    CHECK(lan.eventually([&] { return lan.state_of(kPeer) == Neighbour::State::failed; }));
    CHECK(lan.netlink->neighbour(lan.index(), kPeer)->mac.is_zero());
    {
      const Inside other(lan.there);
      run("ip addr add 10.9.0.2/24 dev v1");
    }
    CHECK(lan.resolve(kPeer).ok());
    CHECK(lan.eventually([&] { return lan.state_of(kPeer) == Neighbour::State::usable; }));
  }
  SUBCASE("asking again and again tells that its MAC changed") {
    {
      const Inside other(lan.there);
      run("ip link set v1 address 02:00:00:00:00:42");
    }
    CHECK(lan.resolve(kPeer).ok());
    CHECK(lan.eventually([&] { return lan.state_of(kPeer) == Neighbour::State::failed; }));
    CHECK(lan.resolve(kPeer).ok());
    CHECK(lan.eventually(
        [&] { return lan.netlink->neighbour(lan.index(), kPeer)->mac.bytes[5] == 0x42; }));
  }
  SUBCASE("the administrator's own entry is left alone") {
    run("ip neigh replace 10.9.0.2 lladdr 02:00:00:00:00:55 dev v0 nud permanent");
    CHECK(lan.eventually([&] { return lan.netlink->neighbour(lan.index(), kPeer)->fixed; }));
    CHECK(lan.resolve(kPeer).ok());
    CHECK(test::output_of("ip neigh show 10.9.0.2").find("55 PERMANENT") != std::string::npos);
  }
  SUBCASE("a deleted entry leaves the picture") {
    run("ip neigh del 10.9.0.2 dev v0");
    CHECK(lan.eventually([&] { return !lan.netlink->neighbour(lan.index(), kPeer).has_value(); }));
  }
}

TEST_CASE("netlink: routes are the kernel's") {
  if (!test::have_root()) return;
  Lan lan;
  run("ip route add 192.0.2.0/24 via 10.9.0.2");
  const auto on_link = lan.netlink->route_to(kPeer);
  REQUIRE(on_link.ok());
  CHECK(on_link->interface_index == lan.index());
  CHECK_FALSE(on_link->gateway.has_value());
  CHECK(on_link->source == kOwn);
  const auto remote = lan.netlink->route_to(IpAddress::v4(192, 0, 2, 5));
  REQUIRE(remote.ok());
  CHECK(remote->gateway == kPeer);
  const auto own = lan.netlink->route_to(kOwn);
  REQUIRE(own.ok());
  CHECK(lan.netlink->link(own->interface_index)->loopback);
  const auto nowhere = lan.netlink->route_to(IpAddress::v4(198, 51, 100, 1));
  REQUIRE_FALSE(nowhere.ok());
  CHECK(nowhere.error().text == "cannot find a route to 198.51.100.1: Network is unreachable");
}

TEST_CASE("netlink: after lost events the whole picture is read anew") {
  if (!test::have_root()) return;
  Lan lan;
  lan.changes = 0;
  // More than the event socket can hold, then a change whose event is among the lost ones.
  run("for i in $(seq 1 40); do for j in $(seq 1 250); do echo neigh add 10.77.$i.$j lladdr "
      "02:00:00:00:00:07 dev v0 nud permanent; done; done | ip -batch -");
  run("ip neigh flush dev v0 nud permanent >/dev/null; ip addr add 10.9.0.3/24 dev v0");
  CHECK(lan.eventually([&] { return lan.netlink->is_local(kVip.address); }));
  CHECK_FALSE(lan.netlink->neighbour(lan.index(), IpAddress::v4(10, 77, 1, 1)).has_value());
  CHECK(lan.changes > 0);
}

TEST_CASE("netlink: a message that the kernel did not send is ignored") {
  if (!test::have_root()) return;
  Lan lan;
  sockaddr_nl target{};
  socklen_t length = sizeof target;
  REQUIRE(::getsockname(lan.netlink->fd(), reinterpret_cast<sockaddr*>(&target), &length) == 0);
  struct {
    nlmsghdr header;
    ndmsg neighbour;
    rtattr destination_header;
    uint32_t destination;
    rtattr mac_header;
    uint8_t mac[8];
  } forged{};
  forged.header = {sizeof forged, RTM_NEWNEIGH, 0, 0, 0};
  forged.neighbour.ndm_family = AF_INET;
  forged.neighbour.ndm_ifindex = static_cast<int>(lan.index());
  forged.neighbour.ndm_state = NUD_REACHABLE;
  forged.destination_header = {8, NDA_DST};
  forged.destination = kPeer.v4_network_order();
  forged.mac_header = {10, NDA_LLADDR};
  std::memset(forged.mac, 6, 6);
  const UniqueFd forger(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  REQUIRE(forger.valid());
  target.nl_groups = 0;
  REQUIRE(::sendto(forger.get(), &forged, sizeof forged, 0, reinterpret_cast<sockaddr*>(&target),
                   sizeof target) == static_cast<ssize_t>(sizeof forged));
  // A real event behind it: when that is seen, the forged one has been read.
  run("ip addr add 10.9.0.3/24 dev v0");
  CHECK(lan.eventually([&] { return lan.netlink->is_local(kVip.address); }));
  CHECK_FALSE(lan.netlink->neighbour(lan.index(), kPeer).has_value());
}

}  // namespace
}  // namespace xlb
