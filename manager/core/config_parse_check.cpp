// HTTP_GET and TCP_CHECK, and the timing words that virtual_server and real_server share with them.
#include <fmt/format.h>

#include <algorithm>

#include "core/config_parse_sections.h"

namespace xlb::parse {
namespace {

using std::chrono::microseconds;

constexpr std::string_view kEmptyBodyDigest = "d41d8cd98f00b204e9800998ecf8427e";
constexpr size_t kDigestDigits = 32;
constexpr uint64_t kMostRetries = 1'000'000;

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

void read_url(Sections& sections, CheckDraft& draft, const Line& line) {
  static constexpr WordReader<HttpUrl> kWords[] = {
      {"path", read_path}, {"digest", read_digest}, {"status_code", read_status_code}};
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
    draft.connect_ip = sections.values.ipv4_of_host(*word, "connect_ip");
  }
}

void read_connect_port(Sections& sections, CheckDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  if (const Word* word = arguments.take("a port")) {
    draft.connect_port = sections.values.port(*word, "connect_port");
  }
}

void read_timing(Sections& sections, CheckDraft& draft, const Line& line) {
  (void)read_timing_word(sections, draft.timing, line);
}

void read_nb_get_retry(Sections& sections, CheckDraft& draft, const Line& line) {
  if (draft.config.kind != CheckKind::http_get) {
    sections.blocks.warn_once(
        line.spot,
        "`nb_get_retry` is not TCP_CHECK's: it is taken for retry, which keepalived "
        "would leave at its default");
  }
  read_timing(sections, draft, line);
}

constexpr WordReader<CheckDraft> kCheckWords[] = {
    {"url", read_url},
    {"connect_ip", read_connect_ip},
    {"connect_port", read_connect_port},
    {"delay_loop", read_timing},
    {"connect_timeout", read_timing},
    {"delay_before_retry", read_timing},
    {"retry", read_timing},
    {"nb_get_retry", read_nb_get_retry},
};

}  // namespace

bool read_timing_word(Sections& sections, TimingDraft& timing, const Line& line) {
  const std::string& word = line.words[0].text;
  if (word == "delay_loop") {
    if (const auto time = read_time(sections, line, microseconds(1))) timing.delay_loop = time;
  } else if (word == "connect_timeout") {
    if (const auto time = read_time(sections, line, microseconds(1))) timing.connect_timeout = time;
  } else if (word == "delay_before_retry") {
    if (const auto time = read_time(sections, line, microseconds(0))) {
      timing.delay_before_retry = time;
    }
  } else if (word == "retry" || word == "nb_get_retry") {
    Arguments arguments(line, sections.problems);
    const Word* count = arguments.take("a number");
    if (count == nullptr) return true;
    const auto value = sections.values.number(*count, word, {0, kMostRetries});
    if (value) timing.retry = static_cast<int>(*value);
  } else {
    return false;
  }
  return true;
}

CheckDraft read_check(Sections& sections, CheckKind kind, const Line& head) {
  { const Arguments none(head, sections.problems); }
  CheckDraft draft;
  draft.config.kind = kind;
  draft.config.place = sections.problems.place_of(head.spot);
  const Spot spot = head.spot;
  const bool http = kind == CheckKind::http_get;
  read_section<CheckDraft>(sections, http ? BlockKind::http_get : BlockKind::tcp_check, head, draft,
                           kCheckWords);
  if (http && draft.config.urls.empty() && sections.blocks.braces_are_balanced()) {
    sections.problems.error(spot, "HTTP_GET has no url", "url { path /index.html }");
  }
  return draft;
}

}  // namespace xlb::parse
