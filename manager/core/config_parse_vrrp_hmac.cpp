// vrrp_instance's auth_hmac: its keys and how advertisements are signed and judged.
#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "core/config_parse_sections.h"

namespace xlb::parse {
namespace {

constexpr size_t kShortestKey = 32;  // bytes
constexpr size_t kLongestKey = 64;
constexpr NumberRange kKeyId{0, 255};
constexpr NumberRange kWindow{1, 300};
constexpr std::string_view kHexadecimal = "hex:";
constexpr std::string_view kFile = "file:";

std::optional<uint8_t> digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<uint8_t>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<uint8_t>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<uint8_t>(c - 'A' + 10);
  return std::nullopt;
}

std::optional<std::string> bytes_of(std::string_view hexadecimal) {
  if (hexadecimal.size() % 2 != 0) return std::nullopt;
  std::string result;
  for (size_t i = 0; i < hexadecimal.size(); i += 2) {
    const auto high = digit(hexadecimal[i]);
    const auto low = digit(hexadecimal[i + 1]);
    if (!high || !low) return std::nullopt;
    result.push_back(static_cast<char>(*high << 4 | *low));
  }
  return result;
}

// Secrets are never repeated in a message.
bool read_secret(Sections& sections, const Word& word, VrrpHmacKey& key) {
  const std::string_view text = word.text;
  if (text.starts_with(kFile)) {
    key.file = text.substr(kFile.size());
    if (key.file.starts_with('/')) return true;
    sections.problems.error(word.spot, "a key file needs its whole path", "file:/etc/xlb/vrrp.key");
    return false;
  }
  const auto secret = text.starts_with(kHexadecimal) ? bytes_of(text.substr(kHexadecimal.size()))
                                                     : std::optional<std::string>(text);
  if (!secret) {
    sections.problems.error(word.spot, "the key is not hexadecimal",
                            "hex: and 64 to 128 digits: openssl rand -hex 32");
    return false;
  }
  if (secret->size() < kShortestKey || secret->size() > kLongestKey) {
    sections.problems.error(word.spot,
                            fmt::format("the key has {} bytes, not 32 to 64", secret->size()),
                            "hex: and 64 to 128 digits: openssl rand -hex 32");
    return false;
  }
  key.secret = *secret;
  return true;
}

void read_key(Sections& sections, VrrpDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* id = arguments.take("a number from 0 to 255 and a key");
  const Word* secret = id == nullptr ? nullptr : arguments.take("a key");
  if (secret == nullptr) return;
  const auto number = sections.values.number(*id, "key", kKeyId);
  VrrpHmacKey key;
  if (!read_secret(sections, *secret, key) || !number) return;
  key.id = static_cast<uint8_t>(*number);
  auto& keys = draft.protocol.hmac->keys;
  const bool known = std::any_of(keys.begin(), keys.end(),
                                 [&](const VrrpHmacKey& other) { return other.id == key.id; });
  if (known) {
    return sections.problems.error(id->spot, fmt::format("key {} stands here already", key.id));
  }
  keys.push_back(std::move(key));
}

void read_active_key(Sections& sections, VrrpDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a key's number");
  if (word == nullptr) return;
  const auto id = sections.values.number(*word, "active_key", kKeyId);
  if (id) draft.protocol.hmac_active = static_cast<uint8_t>(*id);
}

void read_anti_replay(Sections& sections, VrrpDraft& draft, const Line& line) {
  static constexpr std::string_view kWays[] = {"time", "monotonic"};
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("time or monotonic");
  if (word == nullptr) return;
  const auto way = sections.values.choice(*word, "anti_replay", kWays);
  if (way) draft.protocol.hmac->by_time = *way == 0;
}

void read_time_window(Sections& sections, VrrpDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a number of seconds");
  if (word == nullptr) return;
  const auto window = sections.values.number(*word, "time_window", kWindow);
  if (!window) return;
  draft.protocol.hmac->time_window = std::chrono::seconds(*window);
  draft.protocol.hmac_has_window = true;
}

void read_mode(Sections& sections, VrrpDraft& draft, const Line& line) {
  static constexpr std::string_view kModes[] = {"enforce", "permissive", "receive-only"};
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("enforce, permissive or receive-only");
  if (word == nullptr) return;
  const auto mode = sections.values.choice(*word, "mode", kModes);
  if (mode) draft.protocol.hmac->mode = static_cast<VrrpHmac::Mode>(*mode);
}

constexpr WordReader<VrrpDraft> kWords[] = {{"key", read_key},
                                            {"active_key", read_active_key},
                                            {"anti_replay", read_anti_replay},
                                            {"time_window", read_time_window},
                                            {"mode", read_mode}};

}  // namespace

void read_auth_hmac(Sections& sections, VrrpDraft& draft, const Line& line) {
  { const Arguments none(line, sections.problems); }
  draft.protocol.hmac_spot = line.spot;
  draft.protocol.hmac.emplace();
  read_section<VrrpDraft>(sections, BlockKind::auth_hmac, line, draft, kWords);
}

// After the advertisement interval is known.
void finish_auth_hmac(Problems& problems, VrrpDraft& draft) {
  if (!draft.protocol.hmac) return;
  VrrpHmac hmac = *draft.protocol.hmac;
  if (hmac.keys.empty()) {
    return problems.error(draft.protocol.hmac_spot, "auth_hmac has no key",
                          "key 1 hex:... (openssl rand -hex 32)");
  }
  hmac.active_key = draft.protocol.hmac_active.value_or(hmac.keys.front().id);
  const bool known = std::any_of(hmac.keys.begin(), hmac.keys.end(),
                                 [&](const VrrpHmacKey& key) { return key.id == hmac.active_key; });
  if (!known) {
    problems.error(draft.protocol.hmac_spot,
                   fmt::format("active_key {} is none of the keys", hmac.active_key));
  }
  if (!draft.protocol.hmac_has_window) {
    const auto three = std::chrono::ceil<std::chrono::seconds>(3 * draft.config.advert_interval);
    hmac.time_window = std::max(std::chrono::seconds(5), three);
  }
  draft.config.protocol.hmac = std::move(hmac);
}

}  // namespace xlb::parse
