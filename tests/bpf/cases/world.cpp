#include "world.h"

#include <arpa/inet.h>

#include <algorithm>
#include <map>
#include <stdexcept>

namespace xlb::cases {
namespace {

constexpr uint16_t kGuePort = 6080;

void copy_address(__be32 (&to)[4], const oracle::Address& from) {
  std::memcpy(to, from.data(), sizeof(to));
}

}  // namespace

oracle::Mac mac_named(const std::string& name) {
  static const std::map<std::string, oracle::Mac> kMacs{
      {"director", kDirector},
      {"router", kRouter},
      {"peer", kPeer},
      {"other", kOther},
      {"broadcast", {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
      {"multicast", {0x01, 0, 0x5e, 0, 0, 0x12}},
      {"group-bit", {0x03, 0, 0, 0, 0, 0x01}},
  };
  const auto found = kMacs.find(name);
  if (found == kMacs.end()) throw std::invalid_argument("no MAC called " + name);
  return found->second;
}

oracle::Address address_named(const std::string& name, uint8_t family) {
  struct Pair {
    const char* v4;
    const char* v6;
  };
  static const std::map<std::string, Pair> kAddresses{
      {"vip", {"10.10.0.3", "2001:db8:10::3"}},
      {"vip2", {"10.10.0.4", "2001:db8:10::4"}},
      {"host", {"10.10.0.99", "2001:db8:10::99"}},
      {"director", {"10.10.0.254", "2001:db8:10::fe"}},
      {"client", {"198.51.100.7", "2001:db8:c0:1::7"}},
      {"neighbour", {"198.51.100.8", "2001:db8:c0:1::8"}},  // in the client's network
      {"stranger", {"203.0.113.7", "2001:db8:c0:2::7"}},
      {"hop", {"192.0.2.1", "2001:db8:ff::1"}},  // a router on the way
      {"multicast", {"224.0.0.18", "ff02::12"}},
  };
  const auto found = kAddresses.find(name);
  if (found == kAddresses.end()) return oracle::address_of(name);
  return oracle::address_of(family == XLB_IPV4 ? found->second.v4 : found->second.v6);
}

xlb_real_server real_server_with(const std::string& method, uint32_t index, uint8_t family,
                                 std::span<const uint32_t> ports) {
  constexpr uint32_t kNoPort = 77;
  xlb_real_server one{};
  const oracle::Mac mac{0x02, 0, 0, 0, 0x01, static_cast<uint8_t>(index)};
  std::copy(mac.begin(), mac.end(), one.destination_mac);
  std::copy(kDirector.begin(), kDirector.end(), one.source_mac);
  one.ifindex = oracle::kIngress;
  one.flags = XLB_RS_FORWARD | XLB_RS_ACCEPT;
  one.weight = 1;
  one.family = family;
  if (method == "local") {
    one.flags |= XLB_RS_LOCAL;
  } else if (method == "elsewhere") {
    one.ifindex = ports[0];
  } else if (method == "nowhere") {
    one.ifindex = kNoPort;
  } else if (method != "dr") {
    const bool gue = method.starts_with("gue");
    if (!gue && !method.starts_with("ipip"))
      throw std::invalid_argument("no method called " + method);
    one.flags |= XLB_RS_TUNNEL;
    one.encapsulation = gue ? XLB_GUE : XLB_IPIP;
    one.family = method.ends_with("6") ? XLB_IPV6 : XLB_IPV4;
    const bool v6 = one.family == XLB_IPV6;
    copy_address(one.address, oracle::address_of(v6 ? "2001:db8:2::1" : "192.0.2.11"));
    copy_address(one.tunnel_source, oracle::address_of(v6 ? "2001:db8:2::fe" : "192.0.2.254"));
    one.tunnel_port = htons(kGuePort);
  }
  return one;
}

xlb_interface director_interface() {
  xlb_interface interface {};
  interface.ifindex = oracle::kIngress;
  std::copy(kDirector.begin(), kDirector.end(), interface.mac);
  const oracle::Address address = address_named("director", XLB_IPV4);
  std::memcpy(&interface.address, address.data(), sizeof(interface.address));
  copy_address(interface.address6, address_named("director", XLB_IPV6));
  return interface;
}

}  // namespace xlb::cases
