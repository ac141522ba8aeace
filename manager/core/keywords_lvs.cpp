// The words of virtual_server, real_server and the checkers.
#include <array>

#include "core/keywords.h"

namespace xlb {
namespace {

constexpr auto kLater = Standing::later;
constexpr auto kNoEffect = Standing::no_effect;
constexpr auto kObsolete = Standing::obsolete;

constexpr std::string_view kFlags = "no scheduler has such a flag";
constexpr std::string_view kNoSnmp = "xlbd has no SNMP agent";

constexpr Keyword kVirtualServer[] = {
    {"delay_loop"},
    {"lb_algo"},
    {"lvs_sched"},
    {"lb_kind"},
    {"lvs_method"},
    {"persistence_timeout"},
    {"protocol"},
    {"retry"},
    {"delay_before_retry"},
    {"connect_timeout"},
    {"weight"},
    {"real_server", Standing::acted, "", BlockKind::real_server, true},
    {"ip_family"},
    {"warmup"},
    {"inhibit_on_failure"},
    {"hashed", kNoEffect, kFlags},
    {"ops"},
    {"flag-1"},
    {"flag-2"},
    {"flag-3", kNoEffect, kFlags},
    {"sh-port"},
    {"sh-fallback"},
    {"mh-port"},
    {"mh-fallback"},
    {"persistence_engine", kNoEffect, "persistence is by client address"},
    {"persistence_granularity"},
    {"ha_suspend"},
    {"smtp_alert"},
    {"virtualhost"},
    {"snmp_name", kNoEffect, kNoSnmp},
    {"alpha"},
    {"omega"},
    {"quorum_up"},
    {"quorum_down"},
    {"quorum"},
    {"hysteresis"},
    {"sorry_server"},
    {"sorry_server_inhibit"},
    {"sorry_server_lvs_method"},
    {"nat_mask", kObsolete, "it has no meaning for direct routing"},
    {"net_mask", kObsolete, "it has no meaning for direct routing"},
    {"nb_get_retry", kObsolete, "here it means nothing; say retry instead"},
};

constexpr Keyword kRealServer[] = {
    {"weight"},
    {"retry"},
    {"delay_before_retry"},
    {"connect_timeout"},
    {"delay_loop"},
    {"HTTP_GET", Standing::acted, "", BlockKind::http_get, true},
    {"TCP_CHECK", Standing::acted, "", BlockKind::tcp_check, true},
    {"lvs_method"},
    {"uthreshold"},
    {"lthreshold"},
    {"inhibit_on_failure"},
    {"notify_up"},
    {"notify_down"},
    {"alpha"},
    {"warmup"},
    {"smtp_alert"},
    {"virtualhost"},
    {"snmp_name", kNoEffect, kNoSnmp},
    {"SSL_GET", Standing::acted, "", BlockKind::http_get, true},
    {"SMTP_CHECK", Standing::acted, "", BlockKind::smtp_check, true},
    {"DNS_CHECK", Standing::acted, "", BlockKind::dns_check, true},
    {"UDP_CHECK", Standing::acted, "", BlockKind::udp_check, true},
    {"PING_CHECK", Standing::acted, "", BlockKind::ping_check, true},
    {"MISC_CHECK", Standing::acted, "", BlockKind::misc_check, true},
    {"BFD_CHECK", kNoEffect, "xlbd has no BFD", BlockKind::bfd_check, true},
    {"FILE_CHECK", Standing::acted, "", BlockKind::file_check, true},
    {"nb_get_retry", kObsolete, "here it means nothing; say retry instead"},
};

// What every checker that connects knows.
constexpr Keyword kConnecting[] = {
    {"connect_ip"},
    {"connect_port"},
    {"connect_timeout"},
    {"retry"},
    {"delay_before_retry"},
    {"delay_loop"},
    {"nb_get_retry"},
    {"bindto"},
    {"bind_port"},
    {"bind_if"},
    {"fwmark"},
    {"warmup"},
    {"alpha"},
    {"log_all_failures"},
};

template <size_t N, size_t M>
constexpr std::array<Keyword, N + M> joined(const Keyword (&first)[N], const Keyword (&second)[M]) {
  std::array<Keyword, N + M> result{};
  for (size_t i = 0; i < N; ++i)
    result[i] = first[i];
  for (size_t i = 0; i < M; ++i)
    result[N + i] = second[i];
  return result;
}

constexpr Keyword kHttpWords[] = {
    {"url", Standing::acted, "", BlockKind::url, true},
    {"virtualhost"},
    {"http_protocol"},
    {"enable_sni"},
    {"sni_name"},
    {"fast_recovery"},
    {"tls_compliant"},
};
constexpr auto kHttpGet = joined(kConnecting, kHttpWords);

constexpr Keyword kUrl[] = {
    {"path"},
    {"digest"},
    {"status_code", Standing::acted, "", BlockKind::none, true},
    {"virtualhost"},
    {"regex"},
    {"regex_no_match"},
    {"regex_options"},
    {"regex_stack"},
    {"regex_min_offset"},
    {"regex_max_offset"},
};

constexpr Keyword kSmtpWords[] = {{"helo_name"},
                                  {"host", Standing::acted, "", BlockKind::smtp_host, true}};
constexpr auto kSmtpCheck = joined(kConnecting, kSmtpWords);
constexpr Keyword kDnsWords[] = {{"type"}, {"name"}};
constexpr auto kDnsCheck = joined(kConnecting, kDnsWords);
constexpr Keyword kUdpWords[] = {
    {"payload"}, {"require_reply"}, {"min_reply_length"}, {"max_reply_length"}};
constexpr auto kUdpCheck = joined(kConnecting, kUdpWords);
constexpr Keyword kMiscCheck[] = {
    {"misc_path"},          {"misc_timeout"}, {"misc_dynamic"}, {"user"},  {"retry"},
    {"delay_before_retry"}, {"warmup"},       {"delay_loop"},   {"alpha"}, {"log_all_failures"}};

// Of a block that is skipped as a whole the words are known, so that a typo in it is still found.
constexpr Keyword kBfdCheck[] = {{"name", kLater}, {"alpha", kLater}};
constexpr Keyword kFileCheck[] = {{"track_file"}, {"weight"}};

}  // namespace

std::span<const Keyword> lvs_keywords_of(BlockKind kind) {
  switch (kind) {
    case BlockKind::virtual_server:
      return kVirtualServer;
    case BlockKind::real_server:
      return kRealServer;
    case BlockKind::http_get:
      return kHttpGet;
    case BlockKind::url:
      return kUrl;
    case BlockKind::tcp_check:
      return kConnecting;
    case BlockKind::smtp_check:
      return kSmtpCheck;
    case BlockKind::smtp_host:
      return kConnecting;
    case BlockKind::dns_check:
      return kDnsCheck;
    case BlockKind::udp_check:
      return kUdpCheck;
    case BlockKind::ping_check:
      return kConnecting;
    case BlockKind::misc_check:
      return kMiscCheck;
    case BlockKind::bfd_check:
      return kBfdCheck;
    case BlockKind::file_check:
      return kFileCheck;
    default:
      return {};
  }
}

}  // namespace xlb
