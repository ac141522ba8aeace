// How a virtual router speaks VRRP: whom it sends to and hears, in which form, and how it behaves
// where RFC 3768 and RFC 9568 leave a choice. Defaults are keepalived.conf(5)'s.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/types.h"

namespace xlb {

struct UnicastPeer {
  IpAddress address;
  std::optional<uint8_t> min_ttl;  // of its advertisements; without both: see director
  std::optional<uint8_t> max_ttl;

  auto operator<=>(const UnicastPeer&) const = default;
};

struct VrrpHmacKey {
  uint8_t id = 1;
  std::string secret;  // its bytes; with `file`, read when the instance begins
  std::string file;    // empty: the secret stands in the configuration

  auto operator<=>(const VrrpHmacKey&) const = default;
};

// auth_hmac: an HMAC trailer behind each advertisement.
struct VrrpHmac {
  enum class Mode : uint8_t {
    enforce,       // signs, and heeds only what is signed
    permissive,    // signs, and heeds what has no trailer too
    receive_only,  // does not sign, and heeds what has no trailer too
  };

  std::vector<VrrpHmacKey> keys;  // any of them may sign what is received
  uint8_t active_key = 1;         // signs what is sent
  Mode mode = Mode::enforce;
  bool by_time = true;  // anti_replay time: only what the clock says is recent; else only growth
  std::chrono::seconds time_window{5};

  bool operator==(const VrrpHmac&) const = default;
};

struct VrrpProtocol {
  std::vector<UnicastPeer> peers;   // empty: multicast
  std::optional<IpAddress> source;  // unicast_src_ip, mcast_src_ip; absent: the interface's
  IpAddress group = IpAddress::v4(224, 0, 0, 18);
  uint8_t unicast_ttl = 255;
  bool fault_without_peers = false;  // unicast_fault_no_peer
  bool track_source = false;         // track_src_ip
  bool plain_checksum = false;       // v3_checksum_as_v2: version 3 over IPv4, no pseudo header
  bool strict = false;
  bool compare_addresses = true;  // skip_check_adv_addr turns it off
  std::chrono::milliseconds preempt_delay{0};
  int down_timer_adverts = 3;
  bool answer_lower_priority = true;       // lower_prio_no_advert turns it off
  bool advertise_before_yielding = false;  // higher_prio_send_advert
  bool owner_ignores_adverts = false;
  std::optional<VrrpHmac> hmac;

  bool operator==(const VrrpProtocol&) const = default;
};

}  // namespace xlb
