// How vrrp_instance's words about the protocol are read: whom it speaks to, in which form, and the
// defaults that global_defs gives. The meanings are config_vrrp_protocol.h's.
#pragma once

#include <optional>
#include <vector>

#include "core/config_vrrp_protocol.h"
#include "core/lexer.h"

namespace xlb::parse {

// What global_defs says for every instance.
struct ProtocolDefaults {
  std::optional<IpAddress> group4;
  std::optional<IpAddress> group6;
  int down_timer_adverts = 3;
  std::optional<bool> lower_prio_no_advert;
  bool higher_prio_send_advert = false;
  bool owner_ignore_adverts = false;
  bool plain_checksum = false;
  bool skip_check_adv_addr = false;
  bool strict = false;
};

// What one instance says. Spots are where, for what is checked when all is known.
struct ProtocolDraft {
  std::vector<UnicastPeer> peers;
  std::vector<Spot> peer_spots;
  Spot peers_spot;
  std::optional<IpAddress> source;
  Spot source_spot;
  std::optional<IpAddress> group;
  Spot group_spot;
  Spot preempt_delay_spot;
  Spot unicast_spot;  // of a word for unicast; line 0: none was said
  Spot hmac_spot;
  bool unicast_ttl_said = false;
  std::optional<int> down_timer_adverts;
  std::optional<bool> lower_prio_no_advert;
  std::optional<bool> higher_prio_send_advert;
  std::optional<bool> owner_ignore_adverts;
  std::optional<bool> plain_checksum;
  std::optional<bool> skip_check_adv_addr;
  std::optional<bool> strict;
  std::optional<VrrpHmac> hmac;
  bool hmac_has_window = false;
  std::optional<uint8_t> hmac_active;
};

}  // namespace xlb::parse
