// HTTP_GET and SSL_GET: their urls, what is expected of a page, and the TLS hello; the SSL block.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/config_parse_check.h"

namespace xlb::parse {
namespace {

constexpr std::string_view kEmptyBodyDigest = "d41d8cd98f00b204e9800998ecf8427e";
constexpr size_t kDigestDigits = 32;
constexpr uint64_t kMostOffset = 1UL << 20;          // a body is not longer
constexpr uint64_t kMostStack = 16UL * 1024 * 1024;  // what a match may take of memory

void read_path(Sections& sections, HttpUrl& url, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a path");
  if (word == nullptr) return;
  const bool printable = std::none_of(word->text.begin(), word->text.end(), [](char c) {
    return static_cast<unsigned char>(c) < ' ' || c == '\x7f';
  });
  if (!printable || word->text.empty()) {
    sections.problems.error(word->spot, fmt::format("{} cannot be requested", quoted(word->text)));
    url.path = "/";
    return;
  }
  url.path.clear();
  for (const char c : word->text)
    url.path += c == ' ' ? std::string("%20") : std::string(1, c);
  if (url.path != word->text) {
    sections.problems.warning(
        word->spot, fmt::format("{} is requested as {}", quoted(word->text), quoted(url.path)),
        fmt::format("path {}", url.path));
  }
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

// keepalived goes on from a word without its value as if it were not there.
bool has_value(Sections& sections, const Line& line, const std::string& example) {
  if (line.words.size() > 1) return true;
  sections.problems.warning(
      line.spot, fmt::format("{} is ignored: it has no value", quoted(line.words[0].text)),
      example);
  return false;
}

void read_status_code(Sections& sections, HttpUrl& url, const Line& line) {
  if (!has_value(sections, line, "status_code 200-299")) return;
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

void read_url_host(Sections& sections, HttpUrl& url, const Line& line) {
  url.virtual_host = read_host(sections, line).value_or("");
}

// The pattern that the words about it share; they may come before `regex`.
BodyPattern& pattern_of(Sections& sections, HttpUrl& url, const Line& line) {
  if (!url.pattern) {
    url.pattern.emplace();
    url.pattern->place = sections.problems.place_of(line.spot);
  }
  return *url.pattern;
}

void read_regex(Sections& sections, HttpUrl& url, const Line& line) {
  if (!has_value(sections, line, "regex \"It works\"")) return;
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a regular expression");
  if (word == nullptr) return;
  if (word->text.empty()) {
    return sections.problems.warning(word->spot,
                                     "an empty regular expression matches any body: it is ignored",
                                     "regex \"It works\"");
  }
  BodyPattern& pattern = pattern_of(sections, url, line);
  pattern.place = sections.problems.place_of(line.spot);
  pattern.expression = word->text;
}

void read_regex_no_match(Sections& sections, HttpUrl& url, const Line& line) {
  const Arguments none(line, sections.problems);
  pattern_of(sections, url, line).must_match = false;
}

void read_regex_options(Sections& sections, HttpUrl& url, const Line& line) {
  if (!has_value(sections, line, "regex_options caseless")) return;
  BodyPattern& pattern = pattern_of(sections, url, line);
  Arguments arguments(line, sections.problems);
  while (const Word* word = arguments.take_if_any()) {
    if (std::find(std::begin(kRegexOptions), std::end(kRegexOptions), word->text) !=
        std::end(kRegexOptions)) {
      pattern.options.push_back(word->text);
      continue;
    }
    const std::string_view near = nearest(word->text, kRegexOptions);
    sections.problems.warning(
        word->spot,
        fmt::format("unknown option of a regular expression {}: it is ignored", quoted(word->text)),
        near.empty() ? "" : fmt::format("did you mean `{}`?", near));
  }
}

std::optional<uint32_t> read_offset(Sections& sections, const Line& line) {
  if (!has_value(sections, line, line.words[0].text + " 100")) return std::nullopt;
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a number of bytes");
  if (word == nullptr) return std::nullopt;
  const auto offset = sections.values.number(*word, arguments.keyword().text, {0, kMostOffset});
  if (!offset) return std::nullopt;
  return static_cast<uint32_t>(*offset);
}

void read_regex_min_offset(Sections& sections, HttpUrl& url, const Line& line) {
  if (const auto offset = read_offset(sections, line)) {
    pattern_of(sections, url, line).first_offset = *offset;
  }
}

void read_regex_max_offset(Sections& sections, HttpUrl& url, const Line& line) {
  if (const auto offset = read_offset(sections, line)) {
    pattern_of(sections, url, line).last_offset = *offset;
  }
}

void read_regex_stack(Sections& sections, HttpUrl& url, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* start = arguments.take_if_any();
  const Word* most = arguments.take_if_any();
  if (most == nullptr) {
    return sections.problems.warning(line.spot, "`regex_stack` is ignored: it takes two numbers",
                                     "regex_stack 32768 524288");
  }
  const auto first = sections.values.number(*start, "regex_stack", {1, kMostStack});
  const auto last = sections.values.number(*most, "regex_stack", {1, kMostStack});
  if (!first || !last) return;
  if (*first > *last) {
    return sections.problems.warning(
        start->spot, "`regex_stack` is ignored: it starts larger than it may become",
        fmt::format("regex_stack {} {}", *last, *first));
  }
  BodyPattern& pattern = pattern_of(sections, url, line);
  pattern.stack_start = static_cast<uint32_t>(*first);
  pattern.stack_most = static_cast<uint32_t>(*last);
}

constexpr WordReader<HttpUrl> kUrlWords[] = {{"path", read_path},
                                             {"digest", read_digest},
                                             {"status_code", read_status_code},
                                             {"virtualhost", read_url_host},
                                             {"regex", read_regex},
                                             {"regex_no_match", read_regex_no_match},
                                             {"regex_options", read_regex_options},
                                             {"regex_min_offset", read_regex_min_offset},
                                             {"regex_max_offset", read_regex_max_offset},
                                             {"regex_stack", read_regex_stack}};

// A pattern's words without a pattern, and a window that is empty.
void check_pattern(Sections& sections, HttpUrl& url, const Spot& spot) {
  if (!url.pattern || !sections.blocks.braces_are_balanced()) return;
  if (url.pattern->expression.empty()) {
    sections.problems.warning(spot, "this url's words about a regex mean nothing: it has none",
                              "regex \"It works\"");
    url.pattern.reset();
  } else if (url.pattern->last_offset && *url.pattern->last_offset < url.pattern->first_offset) {
    sections.problems.warning(
        spot, "regex_max_offset is before regex_min_offset: both are ignored, as keepalived does");
    url.pattern->first_offset = 0;
    url.pattern->last_offset.reset();
  }
}

void read_url(Sections& sections, CheckDraft& draft, const Line& line) {
  { const Arguments none(line, sections.problems); }
  HttpUrl& url = draft.config.urls.emplace_back();
  url.place = sections.problems.place_of(line.spot);
  const Spot spot = line.spot;
  bool has_path = false;
  sections.blocks.read(BlockKind::url, line, [&](const Line& inner, const Keyword& keyword) {
    has_path = has_path || keyword.name == "path";
    for (const auto& reader : kUrlWords) {
      if (reader.word == keyword.name) reader.read(sections, url, inner);
    }
  });
  if (!has_path && sections.blocks.braces_are_balanced()) {
    sections.problems.error(spot, "this url has no path", "path /index.html");
  }
  check_pattern(sections, url, spot);
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

// Every TLS connection ends with its close_notify anyway.
void read_tls_compliant(Sections& sections, CheckDraft& draft, const Line& line) {
  { const Arguments none(line, sections.problems); }
  says_nothing_without_tls(sections, draft, line);
}

// All urls are asked in one attempt anyway: a server is back as fast as with it.
void read_fast_recovery(Sections& sections, CheckDraft&, const Line& line) {
  Arguments arguments(line, sections.problems);
  (void)sections.values.flag(arguments);
}

void read_http_virtual_host(Sections& sections, CheckDraft& draft, const Line& line) {
  read_check_default(sections, draft.own, line);
}

constexpr WordReader<CheckDraft> kHttpWords[] = {{"url", read_url},
                                                 {"virtualhost", read_http_virtual_host},
                                                 {"http_protocol", read_http_protocol},
                                                 {"enable_sni", read_enable_sni},
                                                 {"sni_name", read_sni_name},
                                                 {"fast_recovery", read_fast_recovery},
                                                 {"tls_compliant", read_tls_compliant}};

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

template <std::string TlsClient::*kMember>
void read_tls_word(Sections& sections, TlsClient& tls, const Line& line) {
  Arguments arguments(line, sections.problems);
  if (const Word* word = arguments.take("a value")) tls.*kMember = word->text;
}

constexpr WordReader<TlsClient> kSslWords[] = {
    {"ca", read_tls_word<&TlsClient::ca>},
    {"certificate", read_tls_word<&TlsClient::certificate>},
    {"key", read_tls_word<&TlsClient::key>},
    {"password", read_tls_word<&TlsClient::password>}};

}  // namespace

CheckWords http_words() {
  return kHttpWords;
}

void check_http_block(Sections& sections, const CheckDraft& draft) {
  if (!draft.config.urls.empty() || !sections.blocks.braces_are_balanced()) return;
  sections.problems.error(draft.head, fmt::format("{} has no url", name_of(draft.config.kind)),
                          "url { path /index.html }");
}

void finish_http(Sections& sections, CheckDraft& draft) {
  for (HttpUrl& url : draft.config.urls) {
    if (url.virtual_host.empty()) url.virtual_host = draft.own.virtual_host.value_or("");
    url.sni = sni_of(sections, draft, url);
  }
}

void read_ssl(Sections& sections, const Line& head) {
  { const Arguments none(head, sections.problems); }
  TlsClient& tls = sections.tls_client;
  tls = {};
  tls.place = sections.problems.place_of(head.spot);
  const Spot spot = head.spot;
  read_section<TlsClient>(sections, BlockKind::ssl, head, tls, kSslWords);
  if (!tls.key.empty() && tls.certificate.empty() && sections.blocks.braces_are_balanced()) {
    sections.problems.warning(spot, "a key without its certificate is never shown",
                              "certificate /etc/ssl/certs/director.pem");
  }
}

}  // namespace xlb::parse
