// HTTP_GET, SSL_GET and TCP_CHECK, the words that virtual_server and real_server share with them,
// and their inheritance.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/config_parse_sections.h"

namespace xlb::parse {
namespace {

using std::chrono::microseconds;

constexpr std::string_view kEmptyBodyDigest = "d41d8cd98f00b204e9800998ecf8427e";
constexpr size_t kDigestDigits = 32;
constexpr uint64_t kMostRetries = 1'000'000;
constexpr size_t kLongestHost = 253;
constexpr microseconds kHttpDelayBeforeRetry{3'000'000};

std::optional<microseconds> read_time(Sections& sections, const Line& line, microseconds least) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a number of seconds");
  if (word == nullptr) return std::nullopt;
  return sections.values.time(*word, arguments.keyword().text, least, kLongestTime);
}

void read_path(Sections& sections, HttpUrl& url, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a path");
  if (word == nullptr) return;
  const bool printable = std::none_of(word->text.begin(), word->text.end(), [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == '\x7f';
  });
  if (!printable || word->text.empty()) {
    sections.problems.error(word->spot, fmt::format("{} cannot be requested", quoted(word->text)),
                            "write a blank as %20");
    url.path = "/";
    return;
  }
  url.path = word->text;
  if (url.path.front() != '/') {
    sections.problems.warning(word->spot, "the path is sent as it is, without a `/` before it",
                              fmt::format("path /{}", url.path));
  }
}

void read_digest(Sections& sections, HttpUrl& url, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("an MD5 sum");
  if (word == nullptr) return;
  const std::string digest = lower_case(word->text);
  const size_t other = digest.find_first_not_of("0123456789abcdef");
  if (other != std::string::npos || digest.size() != kDigestDigits) {
    sections.problems.error(word->spot,
                            other != std::string::npos
                                ? fmt::format("{} is not an MD5 sum: {} is not a hex digit",
                                              quoted(word->text), quoted(digest.substr(other, 1)))
                                : fmt::format("{} is not an MD5 sum: it has {} digits, not {}",
                                              quoted(word->text), digest.size(), kDigestDigits),
                            "xlbctl genhash -s ADDR -p PORT -u PATH prints it");
    return;
  }
  if (digest == kEmptyBodyDigest) {
    sections.blocks.warn_once(word->spot,
                              "this is the MD5 sum of nothing: the check passes on any empty body");
  }
  url.md5_digest = digest;
}

void read_status_code(Sections& sections, HttpUrl& url, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("status codes");
  for (; word != nullptr; word = arguments.take_if_any()) {
    const size_t dash = word->text.find('-');
    Word part = *word;
    part.text = word->text.substr(0, dash);
    const auto first = sections.values.number(part, "status_code", {100, 599});
    auto last = first;
    if (dash != std::string::npos) {
      part.text = word->text.substr(dash + 1);
      part.spot.column += static_cast<uint32_t>(dash + 1 + (word->quoted ? 1 : 0));
      last = sections.values.number(part, "status_code", {100, 599});
    }
    if (!first || !last) continue;
    if (*first > *last) {
      sections.problems.error(word->spot,
                              fmt::format("{} ends before it begins", quoted(word->text)),
                              fmt::format("status_code {}-{}", *last, *first));
      continue;
    }
    url.status_codes.push_back({static_cast<int>(*first), static_cast<int>(*last)});
  }
}

std::optional<std::string> read_host(Sections& sections, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a host name");
  if (word == nullptr) return std::nullopt;
  const bool sendable = !word->text.empty() && word->text.size() <= kLongestHost &&
                        std::all_of(word->text.begin(), word->text.end(), [](char c) {
                          return static_cast<unsigned char>(c) > ' ' && c < '\x7f';
                        });
  if (sendable) return word->text;
  sections.problems.error(word->spot, fmt::format("{} is not a host name", quoted(word->text)),
                          fmt::format("{} www.example.org", arguments.keyword().text));
  return std::nullopt;
}

void read_url_host(Sections& sections, HttpUrl& url, const Line& line) {
  url.virtual_host = read_host(sections, line).value_or("");
}

void read_url(Sections& sections, CheckDraft& draft, const Line& line) {
  static constexpr WordReader<HttpUrl> kWords[] = {{"path", read_path},
                                                   {"digest", read_digest},
                                                   {"status_code", read_status_code},
                                                   {"virtualhost", read_url_host}};
  { const Arguments none(line, sections.problems); }
  HttpUrl url;
  url.place = sections.problems.place_of(line.spot);
  const Spot spot = line.spot;
  bool has_path = false;
  sections.blocks.read(BlockKind::url, line, [&](const Line& inner, const Keyword& keyword) {
    has_path = has_path || keyword.name == "path";
    for (const auto& reader : kWords) {
      if (reader.word == keyword.name) reader.read(sections, url, inner);
    }
  });
  if (!has_path && sections.blocks.braces_are_balanced()) {
    sections.problems.error(spot, "this url has no path", "path /index.html");
  }
  draft.config.urls.push_back(std::move(url));
}

void read_connect_ip(Sections& sections, CheckDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  if (const Word* word = arguments.take("an address")) {
    draft.connect_ip = sections.values.ip_of_host(*word, "connect_ip");
  }
}

void read_connect_port(Sections& sections, CheckDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  if (const Word* word = arguments.take("a port")) {
    draft.connect_port = sections.values.port(*word, "connect_port");
  }
}

void read_default(Sections& sections, CheckDraft& draft, const Line& line) {
  read_check_default(sections, draft.own, line);
}

void read_nb_get_retry(Sections& sections, CheckDraft& draft, const Line& line) {
  if (draft.config.kind == CheckKind::tcp) {
    sections.blocks.warn_once(
        line.spot,
        "`nb_get_retry` is not TCP_CHECK's: it is taken for retry, which keepalived "
        "would leave at its default");
  }
  read_default(sections, draft, line);
}

void read_http_protocol(Sections& sections, CheckDraft& draft, const Line& line) {
  static constexpr std::string_view kVersions[] = {"1.0", "1.1", "1.0C", "1.0c"};
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("1.0, 1.1 or 1.0C");
  if (word == nullptr) return;
  const auto version = sections.values.choice(*word, "HTTP version", kVersions);
  if (!version) return;
  draft.config.http_version = *version == 0   ? HttpVersion::v1_0
                              : *version == 1 ? HttpVersion::v1_1
                                              : HttpVersion::v1_0_close;
}

void says_nothing_without_tls(Sections& sections, const CheckDraft& draft, const Line& line) {
  if (draft.config.kind == CheckKind::ssl_get) return;
  sections.problems.warning(
      line.spot, fmt::format("`{}` means nothing without TLS", line.words[0].text), "SSL_GET {");
}

void read_enable_sni(Sections& sections, CheckDraft& draft, const Line& line) {
  { const Arguments none(line, sections.problems); }
  says_nothing_without_tls(sections, draft, line);
  draft.enable_sni = true;
  draft.sni_spot = line.spot;
}

void read_sni_name(Sections& sections, CheckDraft& draft, const Line& line) {
  says_nothing_without_tls(sections, draft, line);
  const auto name = read_host(sections, line);
  if (!name) return;
  draft.sni_name = *name;
  draft.sni_spot = line.spot;
}

constexpr WordReader<CheckDraft> kCheckWords[] = {
    {"url", read_url},
    {"connect_ip", read_connect_ip},
    {"connect_port", read_connect_port},
    {"delay_loop", read_default},
    {"connect_timeout", read_default},
    {"delay_before_retry", read_default},
    {"retry", read_default},
    {"nb_get_retry", read_nb_get_retry},
    {"alpha", read_default},
    {"warmup", read_default},
    {"virtualhost", read_default},
    {"http_protocol", read_http_protocol},
    {"enable_sni", read_enable_sni},
    {"sni_name", read_sni_name},
};

template <typename T>
void inherit(std::optional<T>& value, const std::optional<T>& outer) {
  if (!value) value = outer;
}

// What goes out as the name in the TLS hello: no port, and never an address.
std::string sni_of(Sections& sections, CheckDraft& draft, const HttpUrl& url) {
  if (draft.config.kind != CheckKind::ssl_get) return {};
  if (!draft.enable_sni && draft.sni_name.empty()) return {};
  std::string name = draft.sni_name.empty() ? url.virtual_host : draft.sni_name;
  name = name.substr(0, name.find(':'));
  const bool is_name =
      !name.empty() && !IpAddress::parse(name) &&
      name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") ==
          std::string::npos;
  if (is_name || std::exchange(draft.sni_refused, true)) return is_name ? name : "";
  sections.problems.warning(
      draft.sni_spot,
      name.empty() ? std::string("there is no name to send: no virtualhost is given")
                   : fmt::format("{} is not sent: it is not a host's name", quoted(name)),
      "sni_name www.example.org");
  return {};
}

}  // namespace

void read_check_default(Sections& sections, CheckDefaults& defaults, const Line& line) {
  const std::string& word = line.words[0].text;
  const auto time = [&](std::optional<microseconds>& value, int least_us) {
    if (const auto read = read_time(sections, line, microseconds(least_us))) value = read;
  };
  if (word == "delay_loop") {
    time(defaults.delay_loop, 1);
  } else if (word == "connect_timeout") {
    time(defaults.connect_timeout, 1);
  } else if (word == "delay_before_retry") {
    time(defaults.delay_before_retry, 0);
  } else if (word == "warmup") {
    time(defaults.warmup, 0);
  } else if (word == "alpha") {
    Arguments arguments(line, sections.problems);
    if (const auto value = sections.values.flag(arguments)) defaults.alpha = value;
  } else if (word == "virtualhost") {
    if (const auto host = read_host(sections, line)) defaults.virtual_host = host;
  } else {  // retry, nb_get_retry
    Arguments arguments(line, sections.problems);
    const Word* count = arguments.take("a number");
    if (count == nullptr) return;
    const auto value = sections.values.number(*count, word, {0, kMostRetries});
    if (value) defaults.retry = static_cast<int>(*value);
  }
}

CheckDraft read_check(Sections& sections, CheckKind kind, const Line& head) {
  { const Arguments none(head, sections.problems); }
  CheckDraft draft;
  draft.head = head.spot;
  draft.config.kind = kind;
  draft.config.place = sections.problems.place_of(head.spot);
  const Spot spot = head.spot;
  const bool http = kind != CheckKind::tcp;
  read_section<CheckDraft>(sections, http ? BlockKind::http_get : BlockKind::tcp_check, head, draft,
                           kCheckWords);
  if (http && draft.config.urls.empty() && sections.blocks.braces_are_balanced()) {
    sections.problems.error(spot, fmt::format("{} has no url", name_of(kind)),
                            "url { path /index.html }");
  }
  return draft;
}

CheckConfig finish_check(Sections& sections, CheckDraft draft,
                         std::span<const CheckDefaults* const> outer, const Endpoint& real_server) {
  CheckDefaults& own = draft.own;
  for (const CheckDefaults* block : outer) {
    inherit(own.delay_loop, block->delay_loop);
    inherit(own.connect_timeout, block->connect_timeout);
    inherit(own.delay_before_retry, block->delay_before_retry);
    inherit(own.retry, block->retry);
    inherit(own.alpha, block->alpha);
    inherit(own.warmup, block->warmup);
    inherit(own.virtual_host, block->virtual_host);
  }
  CheckTiming timing;
  if (draft.config.kind != CheckKind::tcp) timing.delay_before_retry = kHttpDelayBeforeRetry;
  timing.delay_loop = own.delay_loop.value_or(timing.delay_loop);
  timing.connect_timeout = own.connect_timeout.value_or(timing.connect_timeout);
  timing.delay_before_retry = own.delay_before_retry.value_or(timing.delay_before_retry);
  timing.retry = own.retry.value_or(timing.retry);
  timing.alpha = own.alpha.value_or(timing.alpha);
  timing.warmup = own.warmup.value_or(timing.warmup);
  draft.config.timing = timing;
  draft.config.target = {draft.connect_ip.value_or(real_server.address),
                         draft.connect_port.value_or(real_server.port)};
  if (draft.config.target.port == 0) {
    sections.problems.error(draft.head, "a real server of any port needs a port to be checked at",
                            "connect_port 80");
  }
  for (HttpUrl& url : draft.config.urls) {
    if (url.virtual_host.empty()) url.virtual_host = own.virtual_host.value_or("");
    url.sni = sni_of(sections, draft, url);
  }
  return std::move(draft.config);
}

}  // namespace xlb::parse
