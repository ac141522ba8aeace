#include "io/interface_table.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>

#include <algorithm>

namespace xlb {
namespace {

InterfaceIdentity identity(uint8_t last) {
  return {{{2, 0, 0, 0, 0, last}}, IpAddress::v4(192, 0, 2, last), IpAddress::parse("2001:db8::1")};
}

struct Memory {
  std::vector<xlb_interface> entries = std::vector<xlb_interface>(XLB_INTERFACE_SLOTS);
  InterfaceTable table{entries};

  // As the program looks for it; 0: it is not there, else the last byte of its MAC address.
  [[nodiscard]] int found(unsigned ifindex) const {
    for (unsigned i = 0; i < XLB_INTERFACE_PROBES; ++i) {
      const auto& entry = entries[(ifindex + i) % XLB_INTERFACE_SLOTS];
      if (entry.ifindex == ifindex) return entry.mac[5];
    }
    return 0;
  }
};

}  // namespace

TEST_CASE("an interface is found with its MAC address and its addresses") {
  Memory memory;
  REQUIRE(memory.table.put(7, identity(1)));
  CHECK(memory.found(7) == 1);
  CHECK(memory.entries[7].address == htonl(0xc0000201));
  CHECK(memory.entries[7].address6[0] == htonl(0x20010db8));
  CHECK(memory.entries[7].address6[3] == htonl(1));
  CHECK(memory.found(8) == 0);
}

TEST_CASE("VRRP 121: a virtual router's MAC address is a bit of its IP version, another is none") {
  Memory memory;
  auto changed = identity(1);
  for (const char* mac : {"00:00:5e:00:01:33", "00:00:5e:00:02:ff", "02:00:5e:00:01:07"})
    changed.virtual_macs.insert(*MacAddress::parse(mac));
  REQUIRE(memory.table.put(7, changed));
  const auto& routers = memory.entries[7].virtual_routers;
  CHECK(routers[0][1] == 1U << 19);
  CHECK(routers[1][7] == 1U << 31);
  CHECK(routers[0][0] == 0);
  REQUIRE(memory.table.put(7, identity(1)));
  CHECK(routers[0][1] == 0);
  CHECK(routers[1][7] == 0);
}

TEST_CASE("what changes replaces what was there, an address that is gone too") {
  Memory memory;
  REQUIRE(memory.table.put(7, identity(1)));
  auto changed = identity(2);
  changed.address.reset();
  changed.address6.reset();
  REQUIRE(memory.table.put(7, changed));
  CHECK(memory.found(7) == 2);
  CHECK(memory.entries[7].address == 0);
  CHECK(memory.entries[7].address6[0] == 0);
  CHECK(memory.table.interfaces() == std::vector<unsigned>{7});
}

TEST_CASE("interfaces whose numbers meet stand beside each other, also over the end") {
  for (const unsigned first : {5U, XLB_INTERFACE_SLOTS - 1U}) {
    Memory memory;
    for (uint8_t i = 0; i < XLB_INTERFACE_PROBES; ++i) {
      REQUIRE(memory.table.put(first + i * XLB_INTERFACE_SLOTS, identity(i + 1)));
    }
    for (uint8_t i = 0; i < XLB_INTERFACE_PROBES; ++i)
      CHECK(memory.found(first + i * XLB_INTERFACE_SLOTS) == i + 1);
    CHECK(memory.table.interfaces().size() == XLB_INTERFACE_PROBES);
  }
}

TEST_CASE("one that finds no place is refused, and what to do is said") {
  Memory memory;
  for (uint8_t i = 0; i < XLB_INTERFACE_PROBES; ++i)
    REQUIRE(memory.table.put(5 + i * XLB_INTERFACE_SLOTS, identity(i + 1)));
  const unsigned more = 5 + XLB_INTERFACE_PROBES * XLB_INTERFACE_SLOTS;
  const auto refused = memory.table.put(more, identity(9));
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().text ==
        "cannot forward for interface 4101: 4 interfaces have numbers that differ from its by "
        "multiples of 1024; take one of them off the interfaces list");
  CHECK(memory.found(more) == 0);
  // The others still change, and one that goes makes room.
  REQUIRE(memory.table.put(5, identity(7)));
  CHECK(memory.found(5) == 7);
  memory.table.erase(5 + XLB_INTERFACE_SLOTS);
  CHECK(memory.found(5 + XLB_INTERFACE_SLOTS) == 0);
  REQUIRE(memory.table.put(more, identity(9)));
  CHECK(memory.found(more) == 9);
  CHECK(memory.found(5 + 2 * XLB_INTERFACE_SLOTS) == 3);
}

TEST_CASE("an interface that moves on because of a gap is not there twice") {
  Memory memory;
  REQUIRE(memory.table.put(5, identity(1)));
  REQUIRE(memory.table.put(5 + XLB_INTERFACE_SLOTS, identity(2)));
  memory.table.erase(5);
  REQUIRE(memory.table.put(5 + XLB_INTERFACE_SLOTS, identity(3)));
  CHECK(memory.found(5 + XLB_INTERFACE_SLOTS) == 3);
  CHECK(memory.table.interfaces() == std::vector<unsigned>{5 + XLB_INTERFACE_SLOTS});
  memory.table.erase(5 + XLB_INTERFACE_SLOTS);
  CHECK(memory.found(5 + XLB_INTERFACE_SLOTS) == 0);
  memory.table.erase(6);  // none
  CHECK(memory.table.interfaces().empty());
}

}  // namespace xlb
