// SMTP_CHECK, DNS_CHECK, UDP_CHECK, MISC_CHECK and FILE_CHECK: the words of their own.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/config_parse_check.h"

namespace xlb::parse {
namespace {

constexpr uint64_t kMostFileWeight = 2'147'483'647;
constexpr uint64_t kLongestDatagram = 65'507;
constexpr size_t kLongestLabel = 63;
constexpr size_t kLongestName = 253;

template <typename Own>
Own& own(CheckDraft& draft) {
  return std::get<Own>(draft.config.own);
}

void read_helo_name(Sections& sections, CheckDraft& draft, const Line& line) {
  if (const auto name = read_host(sections, line)) own<SmtpCheck>(draft).helo_name = *name;
}

void read_smtp_host(Sections& sections, CheckDraft& draft, const Line& line) {
  { const Arguments none(line, sections.problems); }
  CheckDraft host;
  host.head = line.spot;
  host.config.kind = CheckKind::smtp;
  host.config.place = sections.problems.place_of(line.spot);
  read_section<CheckDraft>(sections, BlockKind::smtp_host, line, host, connecting_words());
  draft.hosts.push_back(std::move(host));
}

constexpr WordReader<CheckDraft> kSmtpWords[] = {{"helo_name", read_helo_name},
                                                 {"host", read_smtp_host}};

void read_dns_type(Sections& sections, CheckDraft& draft, const Line& line) {
  static constexpr std::string_view kNames[] = {"A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA"};
  static constexpr uint16_t kNumbers[] = {1, 2, 5, 6, 15, 16, 28};
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("A, NS, CNAME, SOA, MX, TXT or AAAA");
  if (word == nullptr) return;
  Word type = *word;
  std::transform(type.text.begin(), type.text.end(), type.text.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  if (const auto index = sections.values.choice(type, "record type", kNames)) {
    own<DnsCheck>(draft).type = kNumbers[*index];
  }
}

// Each label 1 to 63 bytes, all of them 253; "." is the root.
bool is_dns_name(std::string_view name) {
  if (name == ".") return true;
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty() || name.size() > kLongestName) return false;
  for (;;) {
    const size_t dot = name.find('.');
    const std::string_view label = name.substr(0, dot);
    if (label.empty() || label.size() > kLongestLabel) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

void read_dns_name(Sections& sections, CheckDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a domain name");
  if (word == nullptr) return;
  if (!is_dns_name(word->text)) {
    return sections.problems.error(word->spot,
                                   fmt::format("{} is not a domain name", quoted(word->text)),
                                   "name www.example.org");
  }
  own<DnsCheck>(draft).name = word->text;
}

constexpr WordReader<CheckDraft> kDnsWords[] = {{"type", read_dns_type}, {"name", read_dns_name}};

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// Digits in pairs, a digit left over is a byte of its own; with `wild` an X stands for any digit.
bool read_hex_word(const std::string& digits, bool wild, BytePattern& bytes) {
  for (size_t i = 0; i < digits.size();) {
    const size_t count = std::min<size_t>(2, digits.size() - i);
    unsigned value = 0;
    unsigned mask = count == 1 ? 0xf : 0;  // its first digit is a 0
    for (size_t j = 0; j < count; ++j, ++i) {
      const bool any = wild && (digits[i] == 'X' || digits[i] == 'x');
      const int digit = any ? 0 : hex_value(digits[i]);
      if (digit < 0) return false;
      value = value << 4 | static_cast<unsigned>(digit);
      mask = mask << 4 | (any ? 0U : 0xfU);
    }
    bytes.bytes.push_back(static_cast<uint8_t>(value));
    bytes.mask.push_back(static_cast<uint8_t>(mask));
  }
  return true;
}

std::optional<BytePattern> read_hex(Sections& sections, const Line& line, bool wild) {
  BytePattern result;
  Arguments arguments(line, sections.problems);
  const Word* word = wild ? arguments.take_if_any() : arguments.take("bytes in hex digits");
  for (; word != nullptr; word = arguments.take_if_any()) {
    std::string digits = word->text;
    // A quoted string holds several groups.
    size_t begin = 0;
    while (begin <= digits.size()) {
      const size_t blank = std::min(digits.find(' ', begin), digits.size());
      if (!read_hex_word(digits.substr(begin, blank - begin), wild, result)) {
        sections.problems.error(word->spot,
                                fmt::format("{} is not made of hex digits", quoted(word->text)),
                                wild ? "require_reply 0a 1X ff" : "payload 0a1bff");
        arguments.ignore_rest();
        return std::nullopt;
      }
      begin = blank + 1;
    }
  }
  if (result.bytes.size() <= kLongestDatagram) return result;
  sections.problems.error(line.spot, "no UDP datagram is so long");
  return std::nullopt;
}

void read_payload(Sections& sections, CheckDraft& draft, const Line& line) {
  if (const auto bytes = read_hex(sections, line, false))
    own<UdpCheck>(draft).payload = bytes->bytes;
}

void read_require_reply(Sections& sections, CheckDraft& draft, const Line& line) {
  own<UdpCheck>(draft).reply_needed = true;
  if (auto bytes = read_hex(sections, line, true)) own<UdpCheck>(draft).reply = std::move(*bytes);
}

void read_reply_length(Sections& sections, CheckDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a number of bytes");
  if (word == nullptr) return;
  const auto length =
      sections.values.number(*word, arguments.keyword().text, {0, kLongestDatagram});
  if (!length) return;
  const bool shortest = arguments.keyword().text == "min_reply_length";
  UdpCheck& udp = own<UdpCheck>(draft);
  (shortest ? udp.shortest_reply : udp.longest_reply) = static_cast<uint32_t>(*length);
  draft.longest_spot = word->spot;
}

constexpr WordReader<CheckDraft> kUdpWords[] = {{"payload", read_payload},
                                                {"require_reply", read_require_reply},
                                                {"min_reply_length", read_reply_length},
                                                {"max_reply_length", read_reply_length}};

void read_misc_path(Sections& sections, CheckDraft& draft, const Line& line) {
  draft.has_script = true;
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a command");
  if (word == nullptr) return;
  Line command;  // no user may follow: the `user` of the block says it
  command.words.add() = line.words[0];
  command.words.add() = *word;
  Arguments alone(command, sections.problems);
  if (auto script = sections.values.script(alone)) {
    own<MiscCheck>(draft).script = std::move(*script);
  }
}

void read_misc_timeout(Sections& sections, CheckDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a number of seconds");
  if (word == nullptr) return;
  const auto time =
      sections.values.time(*word, "misc_timeout", std::chrono::microseconds(0), kLongestTime);
  if (time) own<MiscCheck>(draft).timeout = *time;  // 0: delay_loop
}

void read_misc_dynamic(Sections& sections, CheckDraft& draft, const Line& line) {
  const Arguments none(line, sections.problems);
  own<MiscCheck>(draft).dynamic = true;
}

void read_misc_user(Sections& sections, CheckDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a user");
  if (word == nullptr) return;
  draft.user.emplace();
  read_user(*word, arguments, *draft.user, draft.group);
}

constexpr WordReader<CheckDraft> kMiscWords[] = {{"misc_path", read_misc_path},
                                                 {"misc_timeout", read_misc_timeout},
                                                 {"misc_dynamic", read_misc_dynamic},
                                                 {"user", read_misc_user}};

void read_track_file(Sections& sections, CheckDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("the name of a track_file");
  if (word == nullptr) return;
  own<FileCheck>(draft).name = word->text;
  sections.file_check_names.push_back(*word);
}

void read_file_weight(Sections& sections, CheckDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a number");
  if (word == nullptr) return;
  Word digits = *word;
  const bool negative = digits.text.starts_with('-');
  if (negative) digits.text.erase(0, 1);
  const auto weight = sections.values.number(digits, "weight", {0, kMostFileWeight});
  FileCheck& file = own<FileCheck>(draft);
  if (weight) file.weight = static_cast<int32_t>(*weight) * (negative ? -1 : 1);
  if (const Word* sign = arguments.take_if_any()) {
    static constexpr std::string_view kSigns[] = {"reverse", "noreverse"};
    const auto chosen = sections.values.choice(*sign, "weight option", kSigns);
    if (chosen) file.reverse = *chosen == 0;
  }
}

constexpr WordReader<CheckDraft> kFileWords[] = {{"track_file", read_track_file},
                                                 {"weight", read_file_weight}};

}  // namespace

CheckWords smtp_words() {
  return kSmtpWords;
}
CheckWords dns_words() {
  return kDnsWords;
}
CheckWords udp_words() {
  return kUdpWords;
}
CheckWords misc_words() {
  return kMiscWords;
}
CheckWords file_words() {
  return kFileWords;
}

void check_udp_block(Sections& sections, const CheckDraft& draft) {
  const UdpCheck& udp = std::get<UdpCheck>(draft.config.own);
  if (udp.shortest_reply <= udp.longest_reply) return;
  sections.problems.error(
      draft.longest_spot,
      fmt::format("no reply passes: it would have {} bytes at least and {} at most",
                  udp.shortest_reply, udp.longest_reply),
      fmt::format("max_reply_length {}", udp.shortest_reply));
}

void check_misc_block(Sections& sections, CheckDraft& draft) {
  MiscCheck& misc = own<MiscCheck>(draft);
  if (!draft.has_script && sections.blocks.braces_are_balanced()) {
    sections.problems.error(draft.head, "MISC_CHECK has no misc_path",
                            "misc_path \"/usr/local/bin/check 10.0.0.1\"");
  }
  if (!draft.user) return;
  misc.script.user = *draft.user;
  misc.script.group = draft.group;
}

// track_file blocks may stand anywhere in the file. A weight of 0 is the track_file's, as in
// keepalived.
void finish_file_check(Sections& sections, CheckConfig& check) {
  auto& own = std::get<FileCheck>(check.own);
  const auto& files = sections.config.track.files;
  const auto found = std::find_if(files.begin(), files.end(), [&](const TrackFileConfig& file) {
    return file.name == own.name;
  });
  if (found == files.end()) return;  // said where it is named
  own.path = found->file;
  if (own.weight == 0) {
    own.weight = found->weight.value;
    own.reverse = found->weight.reverse;
  }
  if (found->init == FileInit::none) return;
  own.init_value = found->init_value;
  own.init_overwrites = found->init == FileInit::overwrite;
}

void check_file_block(Sections& sections, const CheckDraft& draft) {
  if (!std::get<FileCheck>(draft.config.own).name.empty()) return;
  if (!sections.blocks.braces_are_balanced()) return;
  sections.problems.error(draft.head, "FILE_CHECK has no track_file", "track_file load");
}

}  // namespace xlb::parse
