// The validated model of a configuration file: health checks. See config.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/config_place.h"
#include "core/types.h"

namespace xlb {

// A check's timing, after inheritance virtual_server -> real_server -> checker.
struct CheckTiming {
  std::chrono::microseconds delay_loop{std::chrono::seconds(60)};
  std::chrono::microseconds connect_timeout{std::chrono::seconds(5)};
  int retry = 1;  // failures tolerated after the first one before the server is down
  std::chrono::microseconds delay_before_retry{std::chrono::seconds(1)};
  bool alpha = false;                  // down until the first success
  std::chrono::microseconds warmup{};  // the first attempt waits a random part of it

  bool operator==(const CheckTiming&) const = default;
};

struct StatusCodeRange {
  int first = 200;
  int last = 299;

  bool operator==(const StatusCodeRange&) const = default;
};

// What a url's body is searched for: a Perl-compatible regular expression.
struct BodyPattern {
  std::string expression;
  std::vector<std::string> options;     // regex_options, of kRegexOptions
  bool must_match = true;               // regex_no_match: false
  uint32_t first_offset = 0;            // a match may begin from this byte of the body on,
  std::optional<uint32_t> last_offset;  // up to this one
  uint32_t stack_start = 0;             // regex_stack, in bytes; 0: the library's own
  uint32_t stack_most = 0;
  Origin place;

  bool operator==(const BodyPattern&) const = default;
};

// keepalived's names for PCRE2's compile options.
inline constexpr std::string_view kRegexOptions[] = {"allow_empty_class", "alt_bsux",
                                                     "auto_callout",      "caseless",
                                                     "dollar_endonly",    "dotall",
                                                     "dupnames",          "extended",
                                                     "firstline",         "match_unset_backref",
                                                     "multiline",         "never_ucp",
                                                     "never_utf",         "no_auto_capture",
                                                     "no_auto_possess",   "no_dotstar_anchor",
                                                     "no_start_optimize", "ucp",
                                                     "ungreedy",          "utf",
                                                     "never_backslash_c", "alt_circumflex",
                                                     "alt_verbnames",     "use_offset_limit"};

struct HttpUrl {
  std::string path;
  std::optional<std::string> md5_digest;      // 32 lower-case hex digits
  std::vector<StatusCodeRange> status_codes;  // empty: 200-299
  std::optional<BodyPattern> pattern;
  std::string virtual_host;  // the Host header; empty: address and port
  std::string sni;           // ssl_get: the name in the TLS hello; empty: none
  Origin place;

  bool operator==(const HttpUrl&) const = default;
};

enum class CheckKind : uint8_t { http_get, ssl_get, tcp, smtp, dns, udp, ping, misc, file };
std::string_view name_of(CheckKind kind);  // "HTTP_GET", "SSL_GET", "TCP_CHECK", ...

enum class HttpVersion : uint8_t {
  v1_0,
  v1_0_close,  // "1.0C": says Connection: close, as 1.1 does
  v1_1,
};

// Where an attempt leaves from; what is not given the kernel chooses.
struct CheckSource {
  std::optional<IpAddress> address;  // bindto
  uint16_t port = 0;                 // bind_port
  std::string interface;             // bind_if
  uint32_t mark = 0;                 // fwmark: SO_MARK

  bool operator==(const CheckSource&) const = default;
};

// The SSL block: what SSL_GET shows of itself. Files in PEM.
struct TlsClient {
  std::string ca;           // trusted, and like keepalived never asked: nothing is verified
  std::string certificate;  // empty: none is shown
  std::string key;
  std::string password;  // of the key
  Origin place;

  bool operator==(const TlsClient&) const = default;
};

struct SmtpCheck {
  std::string helo_name;  // empty: this host's name

  bool operator==(const SmtpCheck&) const = default;
};

struct DnsCheck {
  uint16_t type = 6;       // the RR type's number: SOA
  std::string name = ".";  // asked for, with or without its final dot

  bool operator==(const DnsCheck&) const = default;
};

// What a reply must begin with: each byte where `mask` has a bit set must be `bytes`' there.
struct BytePattern {
  std::vector<uint8_t> bytes;
  std::vector<uint8_t> mask;  // as long

  bool operator==(const BytePattern&) const = default;
};

struct UdpCheck {
  std::vector<uint8_t> payload;  // empty: random bytes are sent
  bool reply_needed = false;     // else only an ICMP error is a failure
  BytePattern reply;             // as far as both reach
  uint32_t shortest_reply = 0;   // in bytes
  uint32_t longest_reply = 255;

  bool operator==(const UdpCheck&) const = default;
};

struct MiscCheck {
  ScriptCommand script;
  std::chrono::microseconds timeout{};  // misc_timeout; 0: delay_loop
  bool dynamic = false;                 // an exit status from 2 on is the weight plus 2

  bool operator==(const MiscCheck&) const = default;
};

// The number in a track_file as a server's weight: `weight` times it is added to the configured
// one. Weight 0: the server is down while the number is not 0.
struct FileCheck {
  std::string name;  // of the track_file
  std::string path;
  int32_t weight = 0;
  bool reverse = false;           // the other sign; with weight 0, down while the number is 0
  std::optional<int> init_value;  // written to the file before it is read, when there is none,
  bool init_overwrites = false;   // or in any case

  bool operator==(const FileCheck&) const = default;
};

struct CheckConfig {
  CheckKind kind = CheckKind::tcp;
  Endpoint target;  // connect_ip and connect_port, default: the real server's; ping: no port
  CheckTiming timing;
  CheckSource source;
  bool log_all_failures = false;  // not only what changes the verdict
  HttpVersion http_version = HttpVersion::v1_0;
  std::vector<HttpUrl> urls;  // http_get, ssl_get: at least one
  TlsClient tls;              // ssl_get
  std::variant<std::monostate, SmtpCheck, DnsCheck, UdpCheck, MiscCheck, FileCheck>
      own;  // of the kinds that are named so
  Origin place;

  bool operator==(const CheckConfig&) const = default;
};

// What is checked, in words: "10.0.0.1:80", for a ping "10.0.0.1", else the script's command line
// or the file's name.
std::string target_of(const CheckConfig& check);

}  // namespace xlb
