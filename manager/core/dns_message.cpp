#include "core/dns_message.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace xlb {
namespace {

constexpr size_t kHeaderBytes = 12;
constexpr uint16_t kResponse = 0x8000;
constexpr uint16_t kOpcode = 0x7800;
constexpr uint16_t kTruncated = 0x0200;
constexpr uint16_t kRecursionDesired = 0x0100;
constexpr uint16_t kCode = 0x000f;
constexpr uint16_t kInternet = 1;
constexpr uint8_t kPointer = 0xc0;   // the length byte's two upper bits: a name goes on elsewhere
constexpr size_t kRecordBytes = 10;  // after its name: type, class, time to live, length

void put16(std::vector<uint8_t>& out, uint16_t value) {
  out.push_back(static_cast<uint8_t>(value >> 8));
  out.push_back(static_cast<uint8_t>(value & 0xff));
}

void put_name(std::vector<uint8_t>& out, std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  while (!name.empty()) {
    const std::string_view label = name.substr(0, name.find('.'));
    out.push_back(static_cast<uint8_t>(label.size()));
    out.insert(out.end(), label.begin(), label.end());
    name.remove_prefix(std::min(name.size(), label.size() + 1));
  }
  out.push_back(0);
}

uint8_t lower(uint8_t byte) {
  return byte >= 'A' && byte <= 'Z' ? static_cast<uint8_t>(byte - 'A' + 'a') : byte;
}

// A message, read from its beginning; every step checks that there are bytes left.
class Reader {
 public:
  explicit Reader(std::span<const uint8_t> bytes) : left_(bytes) {}

  std::optional<uint16_t> take16() {
    if (left_.size() < 2) return std::nullopt;
    const auto value = static_cast<uint16_t>(left_[0] << 8 | left_[1]);
    left_ = left_.subspan(2);
    return value;
  }
  bool skip(size_t count) {
    if (left_.size() < count) return false;
    left_ = left_.subspan(count);
    return true;
  }
  // Where a name's pointer leads is not followed: only its end matters.
  bool skip_name() {
    for (;;) {
      if (left_.empty()) return false;
      const uint8_t length = left_[0];
      if ((length & kPointer) == kPointer) return skip(2);
      if ((length & kPointer) != 0 || !skip(size_t{1} + length)) return false;
      if (length == 0) return true;
    }
  }
  bool skip_record() {
    if (!skip_name() || left_.size() < kRecordBytes) return false;
    const auto length = static_cast<size_t>(left_[8] << 8 | left_[9]);
    return skip(kRecordBytes + length);
  }
  // The same bytes, letter case aside.
  bool take_same(std::span<const uint8_t> expected) {
    const bool same = left_.size() >= expected.size() &&
                      std::equal(expected.begin(), expected.end(), left_.begin(),
                                 [](uint8_t a, uint8_t b) { return lower(a) == lower(b); });
    return same && skip(expected.size());
  }

 private:
  std::span<const uint8_t> left_;
};

struct Header {
  uint16_t id = 0;
  uint16_t flags = 0;
  uint16_t questions = 0;
  size_t records = 0;  // of the three sections
};

std::optional<Header> take_header(Reader& reader) {
  uint16_t fields[kHeaderBytes / 2];
  for (uint16_t& field : fields) {
    const auto value = reader.take16();
    if (!value) return std::nullopt;
    field = *value;
  }
  return Header{fields[0], fields[1], fields[2], size_t{fields[3]} + fields[4] + fields[5]};
}

// The question is ours, if it is there, and what follows it is whole. A truncated message ends
// anywhere.
bool is_whole(Reader& reader, const Header& header, const DnsQuestion& question) {
  if (header.questions > 1) return false;
  if (header.questions == 1) {
    const std::vector<uint8_t> query = dns_query(question);
    if (!reader.take_same(std::span(query).subspan(kHeaderBytes))) return false;
  }
  if ((header.flags & kTruncated) != 0) return true;
  for (size_t i = 0; i < header.records; ++i) {
    if (!reader.skip_record()) return false;
  }
  return true;
}

}  // namespace

std::vector<uint8_t> dns_query(const DnsQuestion& question) {
  std::vector<uint8_t> query;
  put16(query, question.id);
  put16(query, kRecursionDesired);
  put16(query, 1);  // questions
  for (int section = 0; section < 3; ++section)
    put16(query, 0);
  put_name(query, question.name);
  put16(query, question.type);
  put16(query, kInternet);
  return query;
}

DnsReply read_dns_reply(std::span<const uint8_t> bytes, const DnsQuestion& question) {
  Reader reader(bytes);
  const auto header = take_header(reader);
  if (!header || header->id != question.id || (header->flags & kResponse) == 0) return {};
  if ((header->flags & kOpcode) != 0) return {DnsAnswer::malformed, 0};
  const auto code = static_cast<uint8_t>(header->flags & kCode);
  if (code != 0) return {DnsAnswer::refused, code};
  return {is_whole(reader, *header, question) ? DnsAnswer::good : DnsAnswer::malformed, 0};
}

std::string dns_response_code_name(uint8_t code) {
  static constexpr std::string_view kNames[] = {"NOERROR",  "FORMERR", "SERVFAIL",
                                                "NXDOMAIN", "NOTIMP",  "REFUSED"};
  if (code < std::size(kNames)) return std::string(kNames[code]);
  return fmt::format("response code {}", code);
}

}  // namespace xlb
