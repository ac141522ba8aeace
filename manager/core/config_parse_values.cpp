#include "core/config_parse_values.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/keywords.h"

namespace xlb::parse {
namespace {

constexpr size_t kLongestInterfaceName = 15;
constexpr size_t kMostArguments = 256;
constexpr uint8_t kMapped[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};  // ::ffff:0:0/96: IPv4

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool made_of(std::string_view text, std::string_view characters) {
  return !text.empty() && text.find_first_not_of(characters) == std::string_view::npos;
}

std::string expected(std::string_view keyword, NumberRange range) {
  return fmt::format("{} takes a number from {} to {}", keyword, range.least, range.most);
}

}  // namespace

std::string seconds_text(std::chrono::microseconds time) {
  std::string text = fmt::format("{}.{:06}", time.count() / 1'000'000, time.count() % 1'000'000);
  while (text.ends_with('0'))
    text.pop_back();
  if (text.ends_with('.')) text.pop_back();
  return text;
}

std::string lower_case(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

Arguments::~Arguments() {
  if (at_end()) return;
  const Word& word = line_.words[next_];
  problems_.warning(word.spot, fmt::format("{} is ignored: it is more than `{}` takes",
                                           quoted(word.text), keyword().text));
}

const Word* Arguments::take(std::string_view what) {
  if (const Word* word = take_if_any()) return word;
  problems_.error(keyword().spot, fmt::format("{} needs {}", quoted(keyword().text), what));
  return nullptr;
}

const Word* Arguments::take_if_any() {
  return at_end() ? nullptr : &line_.words[next_++];
}

// Names what follows the digits.
void ValueReader::not_a_number(const Word& word, std::string_view keyword, std::string_view digits,
                               const std::string& example) {
  const size_t end = word.text.find_first_not_of(digits);
  const bool trailing = end != std::string::npos && end > 0 && is_digit(word.text[0]);
  problems_.error(word.spot,
                  trailing ? fmt::format("{} is not a number: {} follows the digits",
                                         quoted(word.text), quoted(word.text.substr(end)))
                           : fmt::format("{} is not a number", quoted(word.text)),
                  trailing ? fmt::format("{} {}", keyword, word.text.substr(0, end)) : example);
}

std::optional<uint64_t> ValueReader::number(const Word& word, std::string_view keyword,
                                            NumberRange range) {
  if (!made_of(word.text, "0123456789")) {
    not_a_number(word, keyword, "0123456789", expected(keyword, range));
    return std::nullopt;
  }
  uint64_t value = 0;
  for (const char c : word.text) {
    value = value * 10 + static_cast<uint64_t>(c - '0');
    if (value > range.most) break;
  }
  if (value >= range.least && value <= range.most) return value;
  problems_.error(word.spot, fmt::format("{} is out of range", quoted(word.text)),
                  expected(keyword, range));
  return std::nullopt;
}

std::optional<std::chrono::microseconds> ValueReader::time(const Word& word,
                                                           std::string_view keyword,
                                                           std::chrono::microseconds least,
                                                           std::chrono::microseconds most) {
  const auto range = [&] {
    return fmt::format("{} takes {} to {} seconds", keyword, seconds_text(least),
                       seconds_text(most));
  };
  if (!made_of(word.text, "0123456789.")) {
    not_a_number(word, keyword, "0123456789.", range());
    return std::nullopt;
  }
  const size_t point = word.text.find('.');
  const std::string whole = word.text.substr(0, point);
  std::string fraction = point == std::string::npos ? "" : word.text.substr(point + 1);
  if (fraction.find('.') != std::string::npos || (whole.empty() && fraction.empty())) {
    problems_.error(word.spot, fmt::format("{} is not a number", quoted(word.text)), range());
    return std::nullopt;
  }
  while (fraction.size() > 6 && fraction.ends_with('0'))
    fraction.pop_back();
  const bool too_fine = fraction.size() > 6;
  fraction.resize(6, '0');
  int64_t value = 0;
  for (const char c : whole + fraction) {
    value = value * 10 + (c - '0');
    if (value > most.count()) break;
  }
  const std::chrono::microseconds time(value);
  if (time >= least && time <= most && !too_fine) return time;
  problems_.error(word.spot,
                  too_fine ? fmt::format("{} is finer than a microsecond", quoted(word.text))
                           : fmt::format("{} is out of range", quoted(word.text)),
                  range());
  return std::nullopt;
}

// ADDRESS/LENGTH where a network means nothing: keepalived takes the address.
std::optional<IpAddress> ValueReader::without_prefix(const Word& word) {
  const size_t slash = word.text.find('/');
  if (slash == std::string::npos || !made_of(word.text.substr(slash + 1), "0123456789")) {
    return std::nullopt;
  }
  const auto address = IpAddress::parse(word.text.substr(0, slash));
  if (address) {
    problems_.warning(word.spot, fmt::format("`{}` is ignored: one address is meant here",
                                             word.text.substr(slash)));
  }
  return address;
}

std::optional<IpAddress> ValueReader::ip(const Word& word, std::string_view keyword) {
  if (const auto address = without_prefix(word)) return address;
  const bool bracketed = word.text.starts_with('[') && word.text.ends_with(']');
  const std::string text = bracketed ? word.text.substr(1, word.text.size() - 2) : word.text;
  const auto address = IpAddress::parse(text);
  if (address && !(bracketed && address->is_v4())) {
    if (bracketed && keyword != "peers" && keyword != "status_listen") {
      problems_.warning(
          word.spot,
          fmt::format("keepalived takes no brackets: it would skip {}", quoted(word.text)),
          fmt::format("{} {}", keyword, text));
    }
    return address;
  }
  const size_t colon = text.find(':');
  const bool with_port = colon != std::string::npos && IpAddress::parse(text.substr(0, colon));
  problems_.error(
      word.spot, fmt::format("{} is not an IPv4 or IPv6 address", quoted(word.text)),
      with_port ? fmt::format("{} {} {}", keyword, text.substr(0, colon), text.substr(colon + 1))
                : fmt::format("{} takes an address such as 10.10.0.3", keyword));
  return std::nullopt;
}

std::optional<IpAddress> ValueReader::ipv4(const Word& word, std::string_view keyword) {
  const auto address = ip(word, keyword);
  if (!address || address->is_v4()) return address;
  problems_.error(word.spot, fmt::format("{}: IPv6 is not supported yet", quoted(word.text)));
  return std::nullopt;
}

bool ValueReader::is_of_host(const Word& word, const IpAddress& address) {
  const auto& bytes = address.bytes();
  if (address.is_v4()) {
    if (bytes[0] != 0 && bytes[0] < 224) return true;
  } else if (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80) {
    problems_.error(
        word.spot,
        fmt::format("{} is a link-local address: which link is not said", quoted(word.text)),
        "an address that is valid on every link");
    return false;
  } else if (!address.is_unspecified() && bytes[0] != 0xff &&
             !std::equal(std::begin(kMapped), std::end(kMapped), bytes.begin())) {
    return true;
  }
  problems_.error(word.spot, fmt::format("{} cannot be a host's address", quoted(word.text)));
  return false;
}

std::optional<IpAddress> ValueReader::ip_of_host(const Word& word, std::string_view keyword) {
  const auto address = ip(word, keyword);
  if (!address || !is_of_host(word, *address)) return std::nullopt;
  return address;
}

std::optional<IpAddress> ValueReader::ipv4_of_host(const Word& word, std::string_view keyword) {
  const auto address = ipv4(word, keyword);
  if (!address || !is_of_host(word, *address)) return std::nullopt;
  return address;
}

std::optional<PrefixedAddress> ValueReader::ipv4_prefix(const Word& word) {
  const size_t slash = word.text.find('/');
  Word part = word;
  part.text = word.text.substr(0, slash);
  const auto address = ipv4_of_host(part, "virtual_ipaddress");
  if (!address) return std::nullopt;
  if (slash == std::string::npos) return PrefixedAddress{*address, 32};
  part.text = word.text.substr(slash + 1);
  part.spot.column += static_cast<uint32_t>(slash + 1 + (word.quoted ? 1 : 0));
  const auto length = number(part, "the prefix", {0, 32});
  if (!length) return std::nullopt;
  return PrefixedAddress{*address, static_cast<uint8_t>(*length)};
}

std::optional<uint16_t> ValueReader::port(const Word& word, std::string_view keyword) {
  const auto value = number(word, keyword, {1, 65535});
  if (!value) return std::nullopt;
  return static_cast<uint16_t>(*value);
}

std::optional<uint16_t> ValueReader::port_or_any(const Word& word, std::string_view keyword) {
  const auto value = number(word, keyword, {0, 65535});
  if (!value) return std::nullopt;
  return static_cast<uint16_t>(*value);
}

std::optional<Endpoint> ValueReader::endpoint(const Word& word, std::string_view keyword) {
  const size_t colon = word.text.rfind(':');
  if (colon == std::string::npos) {
    problems_.error(word.spot, fmt::format("{} is not ADDRESS:PORT", quoted(word.text)),
                    fmt::format("{} 127.0.0.1:9780", keyword));
    return std::nullopt;
  }
  Word part = word;
  part.text = word.text.substr(0, colon);
  if (part.text.find(':') != std::string::npos && !part.text.starts_with('[')) {
    problems_.error(word.spot, fmt::format("{}: an IPv6 address needs brackets", quoted(word.text)),
                    fmt::format("{} [{}]:{}", keyword, part.text, word.text.substr(colon + 1)));
    return std::nullopt;
  }
  const auto address = ip(part, keyword);
  part.text = word.text.substr(colon + 1);
  part.spot.column += static_cast<uint32_t>(colon + 1 + (word.quoted ? 1 : 0));
  const auto port_number = port(part, keyword);
  if (!address || !port_number) return std::nullopt;
  return Endpoint{*address, *port_number};
}

std::optional<size_t> ValueReader::choice(const Word& word, std::string_view what,
                                          std::span<const std::string_view> choices) {
  const auto found = std::find(choices.begin(), choices.end(), word.text);
  if (found != choices.end()) return static_cast<size_t>(found - choices.begin());
  const std::string_view near = nearest(word.text, choices);
  problems_.error(word.spot, fmt::format("unknown {} {}", what, quoted(word.text)),
                  near.empty() ? fmt::format("one of {}", fmt::join(choices, ", "))
                               : fmt::format("did you mean `{}`?", near));
  return std::nullopt;
}

std::optional<std::string> ValueReader::interface_name(const Word& word, std::string_view keyword) {
  const bool well_formed = !word.text.empty() && word.text.size() <= kLongestInterfaceName &&
                           word.text != "." && word.text != ".." &&
                           std::none_of(word.text.begin(), word.text.end(), [](char c) {
                             return c == '/' || static_cast<unsigned char>(c) <= ' ' || c == '\x7f';
                           });
  const size_t colon = word.text.find(':');
  if (well_formed && colon == std::string::npos) return word.text;
  const bool looked_for = keyword == "interface" || keyword == "dev" ||
                          keyword == "track_interface" || keyword == "bind_if";
  if (well_formed && looked_for && colon > 0) {
    problems_.warning(
        word.spot,
        fmt::format("no interface is called {}: that is an address' label", quoted(word.text)),
        fmt::format("{} {}", keyword, word.text.substr(0, colon)));
    return word.text;
  }
  problems_.error(
      word.spot, fmt::format("{} cannot be an interface's name", quoted(word.text)),
      fmt::format("{} eth0: at most {} characters, no `/` or `:`", keyword, kLongestInterfaceName));
  return std::nullopt;
}

std::optional<bool> ValueReader::flag(Arguments& arguments) {
  static constexpr std::string_view kWords[] = {"on", "true", "yes", "off", "false", "no"};
  const Word* word = arguments.take_if_any();
  if (word == nullptr) return true;
  const auto found = choice(*word, fmt::format("{} value", arguments.keyword().text), kWords);
  if (!found) return std::nullopt;
  return *found < 3;
}

bool ValueReader::flag_or_true(Arguments& arguments) {
  static constexpr std::string_view kWords[] = {"on", "true", "yes", "off", "false", "no"};
  const Word* word = arguments.take_if_any();
  if (word == nullptr) return true;
  const auto* const found = std::find(std::begin(kWords), std::end(kWords), word->text);
  if (found != std::end(kWords)) return found - std::begin(kWords) < 3;
  problems_.warning(word->spot, fmt::format("{} is ignored: `{}` alone means on",
                                            quoted(word->text), arguments.keyword().text));
  return true;
}

std::optional<ScriptCommand> ValueReader::script(Arguments& arguments) {
  const Word* command = arguments.take("a command");
  if (command == nullptr) return std::nullopt;
  if (command->text.empty()) {
    problems_.warning(
        command->spot,
        fmt::format("the command of `{}` is empty: nothing is run", arguments.keyword().text),
        "leave the line out");
    arguments.ignore_rest();
    return std::nullopt;
  }
  ScriptCommand result;
  result.place = problems_.place_of(command->spot);
  result.argv = split_command(command->text);
  if (result.argv.empty() || result.argv.front().empty() || result.argv.size() > kMostArguments) {
    problems_.error(command->spot, fmt::format("{} is not a command", quoted(command->text)));
    arguments.ignore_rest();
    return std::nullopt;
  }
  const Word* user = arguments.take_if_any();
  if (user == nullptr) return result;
  if (user->text.find_first_of("/-.") == 0) {
    problems_.warning(
        user->spot,
        fmt::format("{} is not a user: nothing is run; a command with arguments needs quotes",
                    quoted(user->text)),
        fmt::format("{} \"{} {}\"", arguments.keyword().text, command->text, user->text));
    arguments.ignore_rest();
    return std::nullopt;
  }
  read_user(*user, arguments, result.user, result.group);
  return result;
}

void read_user(const Word& first, Arguments& arguments, std::string& user, std::string& group) {
  const size_t colon = first.text.find(':');
  user = first.text.substr(0, colon);
  group.clear();
  if (colon != std::string::npos) {
    group = first.text.substr(colon + 1);
  } else if (const Word* word = arguments.take_if_any()) {
    group = word->text.substr(word->text.starts_with(':') ? 1 : 0);
  }
}

}  // namespace xlb::parse
