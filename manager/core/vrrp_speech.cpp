// What a configured virtual router says, and what it expects to hear.
#include <algorithm>

#include "core/vrrp_packet.h"

namespace xlb::vrrp {
namespace {

bool is_link_local(const IpAddress& address) {
  return !address.is_v4() && address.bytes()[0] == 0xfe && (address.bytes()[1] & 0xc0) == 0x80;
}

// As they are advertised: IPv6 begins with the link-local address (RFC 9568 5.2.9).
std::vector<IpAddress> advertised(const VrrpInstanceConfig& config) {
  std::vector<IpAddress> result;
  result.reserve(config.virtual_addresses.size());
  for (const VirtualAddress& virtual_address : config.virtual_addresses) {
    const IpAddress& address = virtual_address.address.address;
    if (address.family() == config.family) result.push_back(address);
  }
  const auto first = std::find_if(result.begin(), result.end(), is_link_local);
  if (first != result.end()) std::rotate(result.begin(), first, first + 1);
  return result;
}

constexpr uint8_t kTtl = 255;
// keepalived 2.2 leaves unicast over IPv6 to the kernel's default, where nothing else is said.
constexpr uint8_t kKeepalivedHopLimit = 64;

Trailer trailer_of(const VrrpProtocol& protocol) {
  if (!protocol.hmac) return Trailer::none;
  return protocol.hmac->mode == VrrpHmac::Mode::enforce ? Trailer::required : Trailer::allowed;
}

}  // namespace

Expectation expectation_of(const VrrpInstanceConfig& config, const IpAddress& own_address) {
  const VrrpProtocol& protocol = config.protocol;
  Expectation result{config.version, config.virtual_router_id, config.advert_interval,
                     config.auth_password, own_address};
  result.family = config.family;
  result.group = protocol.group;
  for (const UnicastPeer& peer : protocol.peers) {
    const uint8_t usual = peer.address.is_v4() ? kTtl : kKeepalivedHopLimit;
    const uint8_t least = peer.max_ttl ? 0 : std::min(protocol.unicast_ttl, usual);
    result.senders.push_back(
        {peer.address, peer.min_ttl.value_or(least), peer.max_ttl.value_or(255)});
  }
  if (protocol.compare_addresses) result.addresses = advertised(config);
  std::sort(result.addresses.begin(), result.addresses.end());
  result.refuse_other_addresses = protocol.strict;
  result.trailer = trailer_of(protocol);
  return result;
}

Advertisement advertisement_of(const VrrpInstanceConfig& config, uint8_t priority) {
  return Advertisement{config.version,
                       config.virtual_router_id,
                       priority,
                       config.advert_interval,
                       advertised(config),
                       config.auth_password,
                       config.protocol.plain_checksum};
}

}  // namespace xlb::vrrp
