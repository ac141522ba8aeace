// The words of virtual_server, real_server and the checkers.
#include <array>

#include "core/keywords.h"

namespace xlb {
namespace {

constexpr auto kLater = Standing::later;
constexpr auto kNoEffect = Standing::no_effect;
constexpr auto kObsolete = Standing::obsolete;

constexpr std::string_view kSource = "checks leave from the address and port the kernel chooses";
constexpr std::string_view kFlags = "no scheduler has such a flag";
constexpr std::string_view kNoMail = "xlbd sends no mail";
constexpr std::string_view kNoSnmp = "xlbd has no SNMP agent";
constexpr std::string_view kNoCheck = "the real server is not checked this way";
constexpr std::string_view kLogging = "only changes of a check's result are logged";
constexpr std::string_view kNoRegex = "the body is not searched";

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
    {"ip_family", kLater, "the family is that of the virtual server's address"},
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
    {"ha_suspend", kLater, "checks run also while the virtual address is elsewhere"},
    {"smtp_alert", kLater, kNoMail},
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
    {"uthreshold", kLater, "connections are not limited"},
    {"lthreshold", kLater, "connections are not limited"},
    {"inhibit_on_failure"},
    {"notify_up"},
    {"notify_down"},
    {"alpha"},
    {"warmup"},
    {"smtp_alert", kLater, kNoMail},
    {"virtualhost"},
    {"snmp_name", kNoEffect, kNoSnmp},
    {"SSL_GET", Standing::acted, "", BlockKind::http_get, true},
    {"SMTP_CHECK", kLater, kNoCheck, BlockKind::smtp_check, true},
    {"DNS_CHECK", kLater, kNoCheck, BlockKind::dns_check, true},
    {"UDP_CHECK", kLater, kNoCheck, BlockKind::udp_check, true},
    {"PING_CHECK", kLater, kNoCheck, BlockKind::ping_check, true},
    {"MISC_CHECK", kLater, kNoCheck, BlockKind::misc_check, true},
    {"BFD_CHECK", kNoEffect, "xlbd has no BFD", BlockKind::bfd_check, true},
    {"FILE_CHECK", kLater, kNoCheck, BlockKind::file_check, true},
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
    {"bindto", kLater, kSource},
    {"bind_port", kLater, kSource},
    {"bind_if", kLater, kSource},
    {"fwmark", kLater, kSource},
    {"warmup"},
    {"alpha"},
    {"log_all_failures", kLater, kLogging},
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
    {"fast_recovery", kLater, "each url waits for its own delay_loop"},
    {"tls_compliant", kLater, "connections end without close_notify"},
};
constexpr auto kHttpGet = joined(kConnecting, kHttpWords);

constexpr Keyword kUrl[] = {
    {"path"},
    {"digest"},
    {"status_code", Standing::acted, "", BlockKind::none, true},
    {"virtualhost"},
    {"regex", kLater, kNoRegex},
    {"regex_no_match", kLater, kNoRegex},
    {"regex_options", kLater, kNoRegex},
    {"regex_stack", kLater, kNoRegex},
    {"regex_min_offset", kLater, kNoRegex},
    {"regex_max_offset", kLater, kNoRegex},
};

// Of a block that is skipped as a whole the words are known, so that a typo in it is still found.
constexpr Keyword kSmtpWords[] = {{"helo_name", kLater},
                                  {"host", kLater, "", BlockKind::smtp_host, true}};
constexpr auto kSmtpCheck = joined(kConnecting, kSmtpWords);
constexpr Keyword kDnsWords[] = {{"type", kLater}, {"name", kLater}};
constexpr auto kDnsCheck = joined(kConnecting, kDnsWords);
constexpr Keyword kUdpWords[] = {{"payload", kLater},
                                 {"require_reply", kLater},
                                 {"min_reply_length", kLater},
                                 {"max_reply_length", kLater}};
constexpr auto kUdpCheck = joined(kConnecting, kUdpWords);
constexpr Keyword kMiscCheck[] = {{"misc_path", kLater},    {"misc_timeout", kLater},
                                  {"misc_dynamic", kLater}, {"user", kLater},
                                  {"retry", kLater},        {"delay_before_retry", kLater},
                                  {"warmup", kLater},       {"delay_loop", kLater},
                                  {"alpha", kLater},        {"log_all_failures", kLater}};
constexpr Keyword kBfdCheck[] = {{"name", kLater}, {"alpha", kLater}};
constexpr Keyword kFileCheck[] = {{"track_file", kLater}, {"weight", kLater}};

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
