// The words of vrrp_instance, of what stands inside it, and of the trackers.
#include "core/keywords.h"

namespace xlb {
namespace {

constexpr auto kLater = Standing::later;
constexpr auto kNoEffect = Standing::no_effect;
constexpr auto kObsolete = Standing::obsolete;

constexpr std::string_view kNoVmac = "virtual addresses stay on the interface's own MAC";
constexpr std::string_view kGarpExtra =
    "gratuitous ARP is repeated only on the interfaces of addresses";
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
    {"use_vmac"},
    {"use_vmac_addr", kNoEffect, "addresses on other interfaces stay on those' own MACs"},
    {"vmac_xmit_base"},
    {"use_ipvlan", kNoEffect, kNoVmac},
    {"native_ipv6", kObsolete, "the virtual addresses tell the IP version"},
    {"dont_track_primary"},
    {"track_interface", Standing::acted, "", BlockKind::lines, true},
    {"track_script", Standing::acted, "", BlockKind::lines, true},
    {"track_file", Standing::acted, "", BlockKind::lines, true},
    {"track_process", Standing::acted, "", BlockKind::lines, true},
    {"track_bfd", kNoEffect, "xlbd has no BFD", BlockKind::lines, true},
    {"mcast_src_ip"},
    {"unicast_src_ip"},
    {"mcast_dst_ip"},
    {"track_src_ip"},
    {"check_unicast_src"},
    {"unicast_peer", Standing::acted, "", BlockKind::lines, true},
    {"unicast_fault_no_peer"},
    {"unicast_ttl"},
    {"old_unicast_checksum", kNoEffect, "the form is told from what is received"},
    {"v3_checksum_as_v2"},
    {"garp_master_repeat"},
    {"garp_lower_prio_delay"},
    {"garp_lower_prio_repeat"},
    {"garp_master_refresh"},
    {"garp_master_refresh_repeat"},
    {"garp_extra_if", kNoEffect, kGarpExtra},
    {"vmac_garp_intvl", kNoEffect, kGarpExtra},
    {"down_timer_adverts"},
    {"timer_expired_backup", kLater, "a late timer still makes this host master"},
    {"thread_timer_expired", kLater, "a late timer still makes this host master"},
    {"lower_prio_no_advert"},
    {"higher_prio_send_advert"},
    {"owner_ignore_adverts"},
    {"auth_hmac", Standing::acted, "", BlockKind::auth_hmac},
    {"virtual_ipaddress_excluded", Standing::acted, "", BlockKind::virtual_ipaddress, true},
    {"no_virtual_ipaddress", kNoEffect, "no virtual address is only a warning anyway"},
    {"promote_secondaries"},
    {"linkbeat_use_polling", kNoEffect, "link changes come from netlink"},
    {"virtual_routes", Standing::acted, "", BlockKind::lines, true},
    {"virtual_rules", Standing::acted, "", BlockKind::lines, true},
    {"accept"},
    {"no_accept"},
    {"skip_check_adv_addr"},
    {"strict_mode"},
    {"preempt_delay"},
    {"debug", kNoEffect, "keepalived does not act on it either"},
    {"notify_deleted"},
    {"notify_master_rx_lower_pri"},
    {"notify_priority_changes"},
    {"smtp_alert"},
    {"lvs_sync_daemon_interface", kLater, kNoSync},
    {"lvs_sync_daemon_inteface", kObsolete, kNoSync},
    {"kernel_rx_buf_size", kNoEffect, "xlbd sizes its own socket buffers"},
};

constexpr Keyword kAuthentication[] = {{"auth_type"}, {"auth_pass"}};

constexpr Keyword kAuthHmac[] = {{"key", Standing::acted, "", BlockKind::none, true},
                                 {"active_key"},
                                 {"anti_replay"},
                                 {"time_window"},
                                 {"mode"}};
constexpr Keyword kVrrpScript[] = {{"script"}, {"interval"}, {"timeout"}, {"weight"},
                                   {"rise"},   {"fall"},     {"user"},    {"init_fail"}};
constexpr Keyword kVrrpTrackProcess[] = {{"process"},    {"param_match"},     {"weight"},
                                         {"quorum"},     {"quorum_max"},      {"delay"},
                                         {"fork_delay"}, {"terminate_delay"}, {"full_command"}};
constexpr Keyword kTrackFile[] = {{"file"}, {"weight"}, {"init_file"}};
constexpr Keyword kVrrpSyncGroup[] = {
    {"group", Standing::acted, "", BlockKind::lines, true},
    {"track_interface", Standing::acted, "", BlockKind::lines, true},
    {"track_script", Standing::acted, "", BlockKind::lines, true},
    {"track_file", Standing::acted, "", BlockKind::lines, true},
    {"track_process", Standing::acted, "", BlockKind::lines, true},
    {"track_bfd", kNoEffect, "xlbd has no BFD", BlockKind::lines, true},
    {"notify_master"},
    {"notify_backup"},
    {"notify_fault"},
    {"notify_stop"},
    {"notify"},
    {"smtp_alert"},
    {"global_tracking"},
    {"sync_group_tracking_weight"},
    {"notify_priority_changes"}};

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
