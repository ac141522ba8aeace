// The words of the top level, of global_defs, of the xlb block and of the small top-level blocks.
#include "core/keywords.h"

namespace xlb {
namespace {

constexpr auto kLater = Standing::later;
constexpr auto kNoEffect = Standing::no_effect;
constexpr auto kObsolete = Standing::obsolete;

constexpr std::string_view kOneProcess = "xlbd is one process under its own name";
constexpr std::string_view kNoIpvs = "there is no IPVS table";
constexpr std::string_view kNoFirewall = "xlbd writes no filter rules for virtual addresses";
constexpr std::string_view kUnitFile = "set it in the unit file that starts xlbd";
constexpr std::string_view kNoSnmp = "xlbd has no SNMP agent";
constexpr std::string_view kNoDbus = "xlbd has no DBus interface";
constexpr std::string_view kBuffers = "xlbd sizes its own socket buffers";
constexpr std::string_view kGarpExtra =
    "gratuitous ARP is repeated only on the interfaces of addresses";
constexpr std::string_view kNoBfd = "xlbd has no BFD";
constexpr std::string_view kReload = "a reload is SIGHUP only, and always checked first";
constexpr std::string_view kDumps = "state is read with xlbctl or over HTTP, not from dump files";

constexpr Keyword kRoot[] = {
    {"global_defs", Standing::acted, "", BlockKind::global_defs, true},
    {"vrrp_instance", Standing::acted, "", BlockKind::vrrp_instance, true},
    {"virtual_server", Standing::acted, "", BlockKind::virtual_server, true},
    {"xlb", Standing::acted, "", BlockKind::xlb, true},
    {"net_namespace"},
    {"net_namespace_ipvs", kNoEffect, kNoIpvs},
    {"namespace_with_ipsets", kNoEffect, kNoFirewall},
    {"use_pid_dir", kNoEffect, "--run-dir says where xlbd keeps its files"},
    {"instance", kNoEffect, "--run-dir tells several xlbd apart"},
    {"child_wait_time", kNoEffect, kOneProcess},
    {"linkbeat_use_polling", kNoEffect, "link changes come from netlink"},
    {"linkbeat_interfaces", kNoEffect, "link changes come from netlink", BlockKind::lines},
    {"interface_up_down_delays", Standing::acted, "", BlockKind::lines, true},
    {"vrrp_script", Standing::acted, "", BlockKind::vrrp_script, true},
    {"vrrp_track_process", Standing::acted, "", BlockKind::vrrp_track_process, true},
    {"track_file", Standing::acted, "", BlockKind::track_file, true},
    {"vrrp_track_file", Standing::acted, "", BlockKind::track_file, true},
    {"vrrp_sync_group", Standing::acted, "", BlockKind::vrrp_sync_group, true},
    {"track_group", kNoEffect,
     "what a static block adds is put back, and no instance goes to FAULT", BlockKind::track_group,
     true},
    {"static_ipaddress", Standing::acted, "", BlockKind::static_addresses, true},
    {"static_routes", Standing::acted, "", BlockKind::static_routes, true},
    {"static_rules", Standing::acted, "", BlockKind::static_rules, true},
    {"garp_group", Standing::acted, "", BlockKind::garp_group, true},
    {"bfd_instance", kNoEffect, kNoBfd, BlockKind::bfd_instance, true},
    {"virtual_server_group", Standing::acted, "", BlockKind::virtual_server_group, true},
    {"SSL", Standing::acted, "", BlockKind::ssl},
};

constexpr Keyword kGlobalDefs[] = {
    {"router_id"},
    {"vrrp_version"},
    {"script_user"},
    {"vrrp_garp_master_delay"},
    {"default_interface"},
    {"tmp_config_directory", kNoEffect, "xlbd keeps no copy of the configuration"},
    {"config_save_dir", kNoEffect, "xlbd keeps no copy of the configuration"},
    {"process_names", kNoEffect, kOneProcess},
    {"process_name", kNoEffect, kOneProcess},
    {"vrrp_process_name", kNoEffect, kOneProcess},
    {"checker_process_name", kNoEffect, kOneProcess},
    {"lvs_process_name", kNoEffect, kOneProcess},
    {"bfd_process_name", kNoEffect, kOneProcess},
    {"use_symlink_paths"},
    {"set_supplementary_groups"},
    {"startup_script"},
    {"startup_script_timeout"},
    {"shutdown_script"},
    {"shutdown_script_timeout"},
    {"notification_email", Standing::acted, "", BlockKind::lines, true},
    {"notification_email_from"},
    {"smtp_server"},
    {"smtp_helo_name"},
    {"smtp_connect_timeout"},
    {"smtp_alert"},
    {"smtp_alert_vrrp"},
    {"smtp_alert_checker"},
    {"no_email_faults"},
    {"no_checker_emails"},
    {"checker_log_all_failures"},
    {"vrrp_mcast_group4"},
    {"vrrp_mcast_group6"},
    {"lvs_sync_daemon", kLater, "connections are not synchronised with the other director"},
    {"lvs_timeouts"},
    {"lvs_flush", kNoEffect, kNoIpvs},
    {"lvs_flush_on_stop", kNoEffect, kNoIpvs},
    {"lvs_flush_onstop", kNoEffect, kNoIpvs},
    {"vrrp_garp_master_repeat"},
    {"vrrp_garp_lower_prio_repeat"},
    {"vrrp_garp_lower_prio_delay"},
    {"vrrp_garp_master_refresh"},
    {"vrrp_garp_master_refresh_repeat"},
    {"vrrp_garp_interval"},
    {"vrrp_gna_interval"},
    {"vrrp_min_garp"},
    {"vrrp_garp_extra_if", kNoEffect, kGarpExtra},
    {"vrrp_vmac_garp_intvl", kNoEffect, kGarpExtra},
    {"vrrp_down_timer_adverts"},
    {"vrrp_lower_prio_no_advert"},
    {"vrrp_higher_prio_send_advert"},
    {"v3_checksum_as_v2"},
    {"nftables", kNoEffect, kNoFirewall},
    {"nftables_priority", kNoEffect, kNoFirewall},
    {"nftables_counters", kNoEffect, kNoFirewall},
    {"nftables_ifindex", kNoEffect, kNoFirewall},
    {"nftables_ipvs", kNoEffect, kNoIpvs},
    {"nftables_ipvs_priority", kNoEffect, kNoIpvs},
    {"nftables_ipvs_start_fwmark", kNoEffect, kNoIpvs},
    {"vrrp_iptables", kNoEffect, kNoFirewall},
    {"vrrp_ipsets", kNoEffect, kNoFirewall},
    {"disable_local_igmp", kNoEffect, "xlbd leaves the IGMP settings alone"},
    {"vrrp_check_unicast_src"},
    {"vrrp_skip_check_adv_addr"},
    {"vrrp_strict"},
    {"vrrp_notify_priority_changes"},
    {"max_auto_priority", kNoEffect, kUnitFile},
    {"min_auto_priority_delay", kNoEffect, kUnitFile},
    {"vrrp_priority", kNoEffect, kUnitFile},
    {"checker_priority", kNoEffect, kUnitFile},
    {"bfd_priority", kNoEffect, kUnitFile},
    {"vrrp_no_swap", kNoEffect, kUnitFile},
    {"checker_no_swap", kNoEffect, kUnitFile},
    {"bfd_no_swap", kNoEffect, kUnitFile},
    {"vrrp_cpu_affinity", kNoEffect, kUnitFile},
    {"checker_cpu_affinity", kNoEffect, kUnitFile},
    {"bfd_cpu_affinity", kNoEffect, kUnitFile},
    {"vrrp_rt_priority", kNoEffect, kUnitFile},
    {"checker_rt_priority", kNoEffect, kUnitFile},
    {"bfd_rt_priority", kNoEffect, kUnitFile},
    {"vrrp_rlimit_rttime", kNoEffect, kUnitFile},
    {"vrrp_rlimit_rtime", kNoEffect, kUnitFile},
    {"checker_rlimit_rttime", kNoEffect, kUnitFile},
    {"checker_rlimit_rtime", kNoEffect, kUnitFile},
    {"bfd_rlimit_rttime", kNoEffect, kUnitFile},
    {"bfd_rlimit_rtime", kNoEffect, kUnitFile},
    {"snmp_socket", kNoEffect, kNoSnmp},
    {"enable_traps", kNoEffect, kNoSnmp},
    {"enable_snmp_vrrp", kNoEffect, kNoSnmp},
    {"enable_snmp_keepalived", kNoEffect, kNoSnmp},
    {"enable_snmp_checker", kNoEffect, kNoSnmp},
    {"enable_snmp_rfc", kNoEffect, kNoSnmp},
    {"enable_snmp_rfcv2", kNoEffect, kNoSnmp},
    {"enable_snmp_rfcv3", kNoEffect, kNoSnmp},
    {"snmp_vs_stats_update_interval", kNoEffect, kNoSnmp},
    {"snmp_rs_stats_update_interval", kNoEffect, kNoSnmp},
    {"enable_dbus", kNoEffect, kNoDbus},
    {"dbus_service_name", kNoEffect, kNoDbus},
    {"dbus_no_interface_name", kNoEffect, kNoDbus},
    {"enable_script_security"},
    {"notify_fifo"},
    {"notify_fifo_script"},
    {"vrrp_notify_fifo"},
    {"vrrp_notify_fifo_script"},
    {"lvs_notify_fifo"},
    {"lvs_notify_fifo_script"},
    {"fifo_write_vrrp_states_on_reload"},
    {"dynamic_interfaces", kNoEffect, "an absent interface is always waited for, in FAULT"},
    {"vrrp_netlink_cmd_rcv_bufs", kNoEffect, kBuffers},
    {"vrrp_netlink_cmd_rcv_bufs_force", kNoEffect, kBuffers},
    {"vrrp_netlink_monitor_rcv_bufs", kNoEffect, kBuffers},
    {"vrrp_netlink_monitor_rcv_bufs_force", kNoEffect, kBuffers},
    {"lvs_netlink_cmd_rcv_bufs", kNoEffect, kBuffers},
    {"lvs_netlink_cmd_rcv_bufs_force", kNoEffect, kBuffers},
    {"lvs_netlink_monitor_rcv_bufs", kNoEffect, kBuffers},
    {"lvs_netlink_monitor_rcv_bufs_force", kNoEffect, kBuffers},
    {"process_monitor_rcv_bufs", kNoEffect, kBuffers},
    {"process_monitor_rcv_bufs_force", kNoEffect, kBuffers},
    {"vrrp_rx_bufs_policy", kNoEffect, kBuffers},
    {"vrrp_rx_bufs_multiplier", kNoEffect, kBuffers},
    {"rs_init_notifies"},
    {"umask", kNoEffect, "xlbd sets the mode of each file it makes"},
    {"vrrp_startup_delay"},
    {"vrrp_delay_after_boot"},
    {"log_unknown_vrids"},
    {"vrrp_owner_ignore_adverts"},
    {"vmac_prefix"},
    {"vmac_addr_prefix", kNoEffect, "addresses on other interfaces stay on those' own MACs"},
    {"random_seed", kNoEffect, "${_RANDOM} gives other numbers each time the file is read"},
    {"reload_check_config", kNoEffect, "a configuration is always checked before it is used"},
    {"reload_time_file", kNoEffect, kReload},
    {"reload_repeat", kNoEffect, kReload},
    {"reload_file", kNoEffect, kReload},
    {"include_check", Standing::acted, "", BlockKind::none, true},
    {"data_use_instance", kNoEffect, kDumps},
    {"json_version", kNoEffect, kDumps},
    {"state_dump_file", kNoEffect, kDumps},
    {"stats_dump_file", kNoEffect, kDumps},
    {"json_dump_file", kNoEffect, kDumps},
    {"iproute_usr_dir", kNoEffect, "routing tables have no names in xlbd"},
    {"iproute_etc_dir", kNoEffect, "routing tables have no names in xlbd"},
    {"lvs_id", kObsolete, "say router_id instead"},
    {"plugin_dir", kObsolete, "there are no plug-ins"},
};

constexpr Keyword kXlb[] = {
    {"attach_mode"},     {"interfaces", Standing::acted, "", BlockKind::none, true},
    {"flow_table_size"}, {"real_servers_max"},
    {"local_delivery"},  {"peers", Standing::acted, "", BlockKind::none, true},
    {"status_listen"},
};

// Of a block that is skipped as a whole the words are known, so that a typo in it is still found.
constexpr Keyword kTrackGroup[] = {{"group", kLater, "", BlockKind::lines}};
constexpr Keyword kGarpGroup[] = {{"garp_interval"},
                                  {"gna_interval"},
                                  {"interface"},
                                  {"interfaces", Standing::acted, "", BlockKind::lines}};
constexpr Keyword kSsl[] = {{"password"}, {"ca"}, {"certificate"}, {"key"}};
constexpr Keyword kBfdInstance[] = {
    {"neighbor_ip", kNoEffect}, {"neighbour_ip", kNoEffect}, {"source_ip", kNoEffect},
    {"min_rx", kNoEffect},      {"min_tx", kNoEffect},       {"idle_tx", kNoEffect},
    {"multiplier", kNoEffect},  {"passive", kNoEffect},      {"ttl", kNoEffect},
    {"hoplimit", kNoEffect},    {"max_hops", kNoEffect},     {"multihop", kNoEffect},
    {"weight", kNoEffect},      {"vrrp", kNoEffect},         {"checker", kNoEffect}};

}  // namespace

std::span<const Keyword> global_keywords_of(BlockKind kind) {
  switch (kind) {
    case BlockKind::root:
      return kRoot;
    case BlockKind::global_defs:
      return kGlobalDefs;
    case BlockKind::xlb:
      return kXlb;
    case BlockKind::track_group:
      return kTrackGroup;
    case BlockKind::garp_group:
      return kGarpGroup;
    case BlockKind::ssl:
      return kSsl;
    case BlockKind::bfd_instance:
      return kBfdInstance;
    default:
      return {};
  }
}

}  // namespace xlb
