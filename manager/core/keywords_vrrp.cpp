// The words of vrrp_instance, of what stands inside it, and of the trackers.
#include "core/keywords.h"

namespace xlb {
namespace {

constexpr auto kLater = Standing::later;
constexpr auto kNoEffect = Standing::no_effect;
constexpr auto kObsolete = Standing::obsolete;

constexpr std::string_view kNoVmac = "virtual addresses stay on the interface's own MAC";
constexpr std::string_view kMulticast = "advertisements are multicast";
constexpr std::string_view kGarpCount =
    "each block of gratuitous ARP is one frame for each address";
constexpr std::string_view kGarpLower = "a lower-priority advertisement causes no gratuitous ARP";
constexpr std::string_view kGarpRefresh = "gratuitous ARP is not repeated periodically";
constexpr std::string_view kNoSync = "connections are not synchronised with the other director";

constexpr Keyword kVrrpInstance[] = {
    {"state"},
    {"interface"},
    {"virtual_router_id"},
    {"priority"},
    {"advert_int"},
    {"version"},
    {"authentication", Standing::acted, "", BlockKind::authentication},
    {"virtual_ipaddress", Standing::acted, "", BlockKind::virtual_ipaddress, true},
    {"preempt"},
    {"nopreempt"},
    {"notify_master"},
    {"notify_backup"},
    {"notify_fault"},
    {"notify_stop"},
    {"notify"},
    {"garp_master_delay"},
    {"vrf", kLater, "advertisements go out of `interface`"},
    {"use_vmac", kLater, kNoVmac},
    {"use_vmac_addr", kLater, kNoVmac},
    {"vmac_xmit_base", kLater, kNoVmac},
    {"use_ipvlan", kLater, kNoVmac},
    {"native_ipv6", kObsolete, "there is no VRRP over IPv6"},
    {"dont_track_primary", kLater, "the instance is in FAULT while its interface is down"},
    {"track_interface", kLater, "the instance's priority and state follow only its own interface",
     BlockKind::lines, true},
    {"track_script", kLater, "the instance's priority and state do not follow the script",
     BlockKind::lines, true},
    {"track_file", kLater, "the instance's priority and state do not follow the file",
     BlockKind::lines, true},
    {"track_process", kLater, "the instance's priority and state do not follow the process",
     BlockKind::lines, true},
    {"track_bfd", kNoEffect, "xlbd has no BFD", BlockKind::lines, true},
    {"mcast_src_ip", kLater, "advertisements come from the interface's primary address"},
    {"unicast_src_ip", kLater, "advertisements come from the interface's primary address"},
    {"mcast_dst_ip", kLater, "advertisements go to 224.0.0.18"},
    {"track_src_ip", kLater, "the source address is not watched"},
    {"check_unicast_src", kLater, kMulticast},
    {"unicast_peer", kLater,
     "advertisements are multicast, so a peer that wants unicast hears none", BlockKind::lines,
     true},
    {"unicast_fault_no_peer", kLater, kMulticast},
    {"unicast_ttl", kLater, kMulticast},
    {"old_unicast_checksum", kLater, kMulticast},
    {"v3_checksum_as_v2", kLater, "version 3 checksums are sent with the pseudo header"},
    {"garp_master_repeat", kLater, kGarpCount},
    {"garp_lower_prio_delay", kLater, kGarpLower},
    {"garp_lower_prio_repeat", kLater, kGarpLower},
    {"garp_master_refresh", kLater, kGarpRefresh},
    {"garp_master_refresh_repeat", kLater, kGarpRefresh},
    {"garp_extra_if", kLater, kGarpRefresh},
    {"vmac_garp_intvl", kLater, kGarpRefresh},
    {"down_timer_adverts", kLater, "a master is lost after three missed advertisements"},
    {"timer_expired_backup", kLater, "a late timer still makes this host master"},
    {"thread_timer_expired", kLater, "a late timer still makes this host master"},
    {"lower_prio_no_advert", kLater, "a lower-priority advertisement is answered at once"},
    {"higher_prio_send_advert", kLater,
     "a master yields to a higher priority without a last advertisement"},
    {"owner_ignore_adverts", kLater, "a priority of 255 heeds advertisements as any other"},
    {"auth_hmac", kLater, "advertisements carry no HMAC, so a peer that wants one refuses them",
     BlockKind::auth_hmac},
    {"virtual_ipaddress_excluded", kLater, "these addresses are not added", BlockKind::lines, true},
    {"no_virtual_ipaddress", kNoEffect, "no virtual address is only a warning anyway"},
    {"promote_secondaries", kLater, "the interface's setting is left alone"},
    {"linkbeat_use_polling", kNoEffect, "link changes come from netlink"},
    {"virtual_routes", kLater, "these routes are not added", BlockKind::lines, true},
    {"virtual_rules", kLater, "these rules are not added", BlockKind::lines, true},
    {"accept", kNoEffect, "packets to the virtual addresses are always accepted"},
    {"no_accept", kLater, "packets to the virtual addresses are accepted"},
    {"skip_check_adv_addr", kNoEffect, "the addresses in an advertisement are not compared"},
    {"strict_mode", kLater, "what it forbids is not refused"},
    {"preempt_delay", kLater, "a higher priority takes over without delay"},
    {"debug", kNoEffect, "keepalived does not act on it either"},
    {"notify_deleted", kLater, "an instance removed by a reload runs notify_fault's script"},
    {"notify_master_rx_lower_pri", kLater, "this script is not run"},
    {"notify_priority_changes", kLater, "events are not written to a FIFO"},
    {"smtp_alert", kLater, "xlbd sends no mail"},
    {"lvs_sync_daemon_interface", kLater, kNoSync},
    {"lvs_sync_daemon_inteface", kObsolete, kNoSync},
    {"kernel_rx_buf_size", kNoEffect, "xlbd sizes its own socket buffers"},
};

constexpr Keyword kAuthentication[] = {{"auth_type"}, {"auth_pass"}};

// Of a block that is skipped as a whole the words are known, so that a typo in it is still found.
constexpr Keyword kAuthHmac[] = {{"key", kLater},
                                 {"active_key", kLater},
                                 {"anti_replay", kLater},
                                 {"time_window", kLater},
                                 {"mode", kLater}};
constexpr Keyword kVrrpScript[] = {{"script", kLater}, {"interval", kLater}, {"timeout", kLater},
                                   {"weight", kLater}, {"rise", kLater},     {"fall", kLater},
                                   {"user", kLater},   {"init_fail", kLater}};
constexpr Keyword kVrrpTrackProcess[] = {
    {"process", kLater},    {"param_match", kLater},     {"weight", kLater},
    {"quorum", kLater},     {"quorum_max", kLater},      {"delay", kLater},
    {"fork_delay", kLater}, {"terminate_delay", kLater}, {"full_command", kLater}};
constexpr Keyword kTrackFile[] = {{"file", kLater}, {"weight", kLater}, {"init_file", kLater}};
constexpr Keyword kVrrpSyncGroup[] = {{"group", kLater, "", BlockKind::lines},
                                      {"track_interface", kLater, "", BlockKind::lines},
                                      {"track_script", kLater, "", BlockKind::lines},
                                      {"track_file", kLater, "", BlockKind::lines},
                                      {"track_process", kLater, "", BlockKind::lines},
                                      {"track_bfd", kLater, "", BlockKind::lines},
                                      {"notify_master", kLater},
                                      {"notify_backup", kLater},
                                      {"notify_fault", kLater},
                                      {"notify_stop", kLater},
                                      {"notify", kLater},
                                      {"smtp_alert", kLater},
                                      {"global_tracking", kLater},
                                      {"sync_group_tracking_weight", kLater},
                                      {"notify_priority_changes", kLater}};

}  // namespace

std::span<const Keyword> vrrp_keywords_of(BlockKind kind) {
  switch (kind) {
    case BlockKind::vrrp_instance:
      return kVrrpInstance;
    case BlockKind::authentication:
      return kAuthentication;
    case BlockKind::auth_hmac:
      return kAuthHmac;
    case BlockKind::vrrp_script:
      return kVrrpScript;
    case BlockKind::vrrp_track_process:
      return kVrrpTrackProcess;
    case BlockKind::track_file:
      return kTrackFile;
    case BlockKind::vrrp_sync_group:
      return kVrrpSyncGroup;
    default:
      return {};
  }
}

}  // namespace xlb
