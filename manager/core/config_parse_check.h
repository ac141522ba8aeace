// The drafts of checks, and the readers that their files share. Internal to the parser.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/config_check.h"
#include "core/config_parse_sections.h"

namespace xlb::parse {

// What a check takes over from the blocks around it, as far as one block gives it.
struct CheckDefaults {
  std::optional<std::chrono::microseconds> delay_loop;
  std::optional<std::chrono::microseconds> connect_timeout;
  std::optional<std::chrono::microseconds> delay_before_retry;
  std::optional<int> retry;
  std::optional<bool> alpha;
  std::optional<std::chrono::microseconds> warmup;
  std::optional<std::string> virtual_host;
};
// Reads one word of them.
void read_check_default(Sections& sections, CheckDefaults& defaults, const Line& line);
// The same, in a virtual_server or real_server, for the checks in it.
void read_inherited(Sections& sections, CheckDefaults& defaults, const Line& line);

struct CheckDraft {
  CheckConfig config;
  Spot head;
  std::optional<IpAddress> connect_ip;
  std::optional<uint16_t> connect_port;
  Spot source_spot;  // of bindto
  CheckDefaults own;
  bool enable_sni = false;
  Spot sni_spot;  // of enable_sni or sni_name
  std::string sni_name;
  bool sni_refused = false;         // once said for the whole check
  Spot longest_spot;                // of UDP_CHECK's max_reply_length
  bool has_script = false;          // MISC_CHECK's, good or not
  std::optional<std::string> user;  // MISC_CHECK's
  std::string group;
  std::vector<CheckDraft> hosts;  // SMTP_CHECK's: each is a check of its own instead of this one
};
void read_check(Sections& sections, CheckKind kind, const Line& head, CheckDraft& draft);
// With what the check did not say from the blocks around it, the innermost first.
void finish_check(Sections& sections, CheckDraft& draft,
                  std::span<const CheckDefaults* const> outer, const Endpoint& real_server,
                  std::vector<CheckConfig>& checks);

// The words of one kind beside those that all connecting checks have.
using CheckWords = std::span<const WordReader<CheckDraft>>;
CheckWords http_words();
CheckWords smtp_words();
CheckWords dns_words();
CheckWords udp_words();
CheckWords misc_words();
CheckWords file_words();
// The words that all checks which connect have.
CheckWords connecting_words();

// What a kind's block lacks or contradicts when it has been read.
void check_http_block(Sections& sections, const CheckDraft& draft);
void check_udp_block(Sections& sections, const CheckDraft& draft);
void check_misc_block(Sections& sections, CheckDraft& draft);
void check_file_block(Sections& sections, const CheckDraft& draft);
void finish_http(Sections& sections, CheckDraft& draft);
void finish_file_check(Sections& sections, CheckConfig& check);

// What is readable as a host's name in a request or a greeting.
std::optional<std::string> read_host(Sections& sections, const Line& line);

}  // namespace xlb::parse
