#include <fmt/format.h>

#include <charconv>

#include "core/config_parse_route.h"
#include "core/config_parse_values.h"

namespace xlb::parse {
namespace {

std::string_view file_of(NameKind kind) {
  switch (kind) {
    case NameKind::table:
      return "rt_tables";
    case NameKind::protocol:
      return "rt_protos";
    case NameKind::realm:
      return "rt_realms";
    case NameKind::group:
      return "group";
    case NameKind::tos:
      return "rt_dsfield";
  }
  return "";
}

}  // namespace

std::optional<uint64_t> whole_number(std::string_view text) {
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    text.remove_prefix(2);
    base = 16;
  }
  uint64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (problem != std::errc() || end != text.data() + text.size() || text.empty()) {
    return std::nullopt;
  }
  return value;
}

bool RouteWords::take_if(std::string_view text) {
  if (at_end() || line_.words[next_].text != text) return false;
  ++next_;
  return true;
}

void RouteWords::error(const Word& word, std::string text, std::string hint) {
  if (!failed_) problems_.error(word.spot, std::move(text), std::move(hint));
  failed_ = true;
}

void RouteWords::warning(const Word& word, std::string text, std::string hint) {
  problems_.warning(word.spot, std::move(text), std::move(hint));
}

const Word* RouteWords::value(const Word& keyword) {
  if (!at_end()) return &take();
  error(keyword, fmt::format("`{}` needs a value", keyword.text));
  return nullptr;
}

std::optional<uint32_t> RouteWords::number(const Word& keyword, uint32_t most) {
  const Word* word = value(keyword);
  if (word == nullptr) return std::nullopt;
  const auto found = whole_number(word->text);
  if (found && *found <= most) return static_cast<uint32_t>(*found);
  error(*word,
        fmt::format("{} {} is not a number from 0 to {}", keyword.text, quoted(word->text), most));
  return std::nullopt;
}

std::optional<uint32_t> RouteWords::name(const Word& keyword, NameKind kind) {
  const Word* word = value(keyword);
  if (word == nullptr) return std::nullopt;
  const auto found = names_.find(kind, word->text);
  if (found) return found;
  error(*word, fmt::format("{} {} is not known", keyword.text, quoted(word->text)),
        fmt::format("use its number, or add the name to /etc/iproute2/{}", file_of(kind)));
  return std::nullopt;
}

std::optional<NumberSpan> RouteWords::span(const Word& keyword, uint32_t most) {
  const Word* word = value(keyword);
  if (word == nullptr) return std::nullopt;
  const size_t dash = word->text.find('-');
  const auto first = whole_number(word->text.substr(0, dash));
  const auto last = dash == std::string::npos ? first : whole_number(word->text.substr(dash + 1));
  if (first && last && *first <= *last && *last <= most) {
    return NumberSpan{static_cast<uint32_t>(*first), static_cast<uint32_t>(*last)};
  }
  error(*word,
        fmt::format("{} {} is not a range of numbers up to {}", keyword.text, quoted(word->text),
                    most),
        fmt::format("{} 10-20", keyword.text));
  return std::nullopt;
}

std::optional<IpAddress> RouteWords::address(const Word& keyword) {
  const Word* word = value(keyword);
  if (word == nullptr) return std::nullopt;
  const auto found = IpAddress::parse(word->text);
  if (!found) {
    error(*word, fmt::format("{} {} is not an IP address", keyword.text, quoted(word->text)));
  }
  return found;
}

std::optional<PrefixedAddress> RouteWords::prefix(const Word& word, AddressFamily assumed) {
  const auto all = [](const IpAddress& address) {
    return static_cast<uint8_t>(8 * address.size());
  };
  if (word.text == "default" || word.text == "any" || word.text == "all") {
    const IpAddress none = assumed == AddressFamily::ipv4
                               ? IpAddress()
                               : IpAddress::from_v6(std::array<uint8_t, 16>{});
    return PrefixedAddress{none, 0};
  }
  const size_t slash = word.text.find('/');
  const auto address = IpAddress::parse(word.text.substr(0, slash));
  if (!address) return std::nullopt;  // perhaps another word: the caller says what it wants
  if (slash == std::string::npos) return PrefixedAddress{*address, all(*address)};
  const auto length = whole_number(word.text.substr(slash + 1));
  if (!length || *length > all(*address)) {
    error(word, fmt::format("{}: the prefix is not a number from 0 to {}", quoted(word.text),
                            all(*address)));
    return std::nullopt;
  }
  return PrefixedAddress{*address, static_cast<uint8_t>(*length)};
}

std::optional<std::string> RouteWords::device(const Word& keyword) {
  const Word* word = value(keyword);
  if (word == nullptr) return std::nullopt;
  return ValueReader(problems_).interface_name(*word, keyword.text);
}

// "to" or "from/to", each a number or a name of 16 bits.
std::optional<uint32_t> RouteWords::realms(const Word& keyword) {
  const Word* word = value(keyword);
  if (word == nullptr) return std::nullopt;
  const size_t slash = word->text.find('/');
  const std::string to_text =
      slash == std::string::npos ? word->text : word->text.substr(slash + 1);
  const auto to = names_.find(NameKind::realm, to_text);
  std::optional<uint32_t> from = 0;
  if (slash != std::string::npos) from = names_.find(NameKind::realm, word->text.substr(0, slash));
  if (to && from && *to <= 0xffff && *from <= 0xffff) return (*from << 16) | *to;
  // The whole as one number: how to_string() writes it.
  const auto both = slash == std::string::npos ? whole_number(word->text) : std::nullopt;
  if (both && *both <= 0xffffffff) return static_cast<uint32_t>(*both);
  error(*word, fmt::format("realms {} are not known", quoted(word->text)),
        "use numbers, or add the names to /etc/iproute2/rt_realms");
  return std::nullopt;
}

}  // namespace xlb::parse
