// The rules for words of any block: which one counts of two, and which need a value though they
// have no effect.
#include <fmt/format.h>

#include <algorithm>

#include "core/config_parse_block.h"

namespace xlb::parse {

// Of what stands twice the last one counts, or for some words the first, as keepalived has it.
bool BlockReader::counts(const Keyword& keyword, const Line& line) {
  static constexpr std::string_view kFirst[] = {
      "digest",           "file",          "lvs_notify_fifo",
      "notify",           "notify_backup", "lvs_notify_fifo_script",
      "notify_deleted",   "notify_down",   "notify_master_rx_lower_pri",
      "notify_fault",     "notify_fifo",   "notify_fifo_script",
      "notify_master",    "notify_stop",   "notify_up",
      "process",          "quorum_down",   "quorum_up",
      "vrrp_notify_fifo", "name",          "vrrp_notify_fifo_script"};
  std::vector<const Keyword*>& seen = depth_ == 0 ? seen_at_top_level_ : innermost().seen;
  if (std::find(seen.begin(), seen.end(), &keyword) == seen.end()) {
    seen.push_back(&keyword);
    return true;
  }
  const bool first =
      std::find(std::begin(kFirst), std::end(kFirst), keyword.name) != std::end(kFirst);
  problems_.warning(line.spot, fmt::format("`{}` stands here a second time: {} counts",
                                           keyword.name, first ? "the first" : "this one"));
  return !first;
}

// keepalived does not start without one.
void BlockReader::check_has_value(const Line& line) {
  static constexpr std::string_view kWords[] = {"bfd_process_name",
                                                "bfd_rlimit_rtime",
                                                "bfd_rlimit_rttime",
                                                "checker_process_name",
                                                "checker_rlimit_rtime",
                                                "checker_rlimit_rttime",
                                                "child_wait_time",
                                                "config_save_dir",
                                                "debug",
                                                "hoplimit",
                                                "idle_tx",
                                                "lvs_process_name",
                                                "lvs_sync_daemon_interface",
                                                "max_hops",
                                                "min_rx",
                                                "min_tx",
                                                "multiplier",
                                                "nftables_ipvs_priority",
                                                "nftables_ipvs_start_fwmark",
                                                "nftables_priority",
                                                "persistence_engine",
                                                "process_name",
                                                "random_seed",
                                                "smtp_connect_timeout",
                                                "smtp_server",
                                                "source_ip",
                                                "ttl",
                                                "umask",
                                                "vmac_addr_prefix",
                                                "vrf",
                                                "vrrp_process_name",
                                                "vrrp_rlimit_rtime",
                                                "vrrp_rlimit_rttime",
                                                "vrrp_startup_delay"};
  if (line.words.size() != 1 || line.opens ||
      std::find(std::begin(kWords), std::end(kWords), line.words[0].text) == std::end(kWords)) {
    return;
  }
  problems_.error(line.spot, fmt::format("{} needs a value", quoted(line.words[0].text)));
}

}  // namespace xlb::parse
