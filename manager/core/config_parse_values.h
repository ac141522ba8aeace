// The values that words take: numbers, times, addresses, names, command lines. Each reader either
// returns a value within its bounds or has said, at the word's place, what would be right.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/config.h"
#include "core/config_parse_problems.h"
#include "core/lexer.h"

namespace xlb::parse {

// The longest time any keyword takes: 31 days.
inline constexpr std::chrono::seconds kLongestTime{2'678'400};

// The words of a line after its keyword, taken one by one.
class Arguments {
 public:
  Arguments(const Line& line, Problems& problems) : line_(line), problems_(problems) {}
  ~Arguments();  // warns about what was not taken
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;

  // The next word; nullptr, with an error saying that `what` is missing, at the end.
  const Word* take(std::string_view what);
  const Word* take_if_any();
  void ignore_rest() { next_ = line_.words.size(); }
  [[nodiscard]] bool at_end() const { return next_ >= line_.words.size(); }
  [[nodiscard]] const Word& keyword() const { return line_.words.front(); }

 private:
  const Line& line_;
  Problems& problems_;
  size_t next_ = 1;
};

struct NumberRange {
  uint64_t least = 0;
  uint64_t most = 0;
};

class ValueReader {
 public:
  explicit ValueReader(Problems& problems) : problems_(problems) {}

  // `keyword` is whose value it is, for messages.
  std::optional<uint64_t> number(const Word& word, std::string_view keyword, NumberRange range);
  // Seconds with up to six decimals.
  std::optional<std::chrono::microseconds> time(const Word& word, std::string_view keyword,
                                                std::chrono::microseconds least,
                                                std::chrono::microseconds most);
  std::optional<IpAddress> ipv4(const Word& word, std::string_view keyword);
  // One that a host can have.
  std::optional<IpAddress> ipv4_of_host(const Word& word, std::string_view keyword);
  // IPv4 or IPv6; an IPv6 address may stand in brackets.
  std::optional<IpAddress> ip(const Word& word, std::string_view keyword);
  std::optional<IpAddress> ip_of_host(const Word& word, std::string_view keyword);
  std::optional<PrefixedAddress> ipv4_prefix(const Word& word);
  std::optional<uint16_t> port(const Word& word, std::string_view keyword);
  std::optional<uint16_t> port_or_any(const Word& word, std::string_view keyword);  // 0: any
  std::optional<Endpoint> endpoint(const Word& word, std::string_view keyword);
  // The index of the word in `choices`, letter case counting.
  std::optional<size_t> choice(const Word& word, std::string_view what,
                               std::span<const std::string_view> choices);
  std::optional<std::string> interface_name(const Word& word, std::string_view keyword);
  // on, true, yes, or nothing: true. off, false, no: false.
  std::optional<bool> flag(Arguments& arguments);
  // The same, of a word that keepalived takes without a value: any other one means true too.
  bool flag_or_true(Arguments& arguments);
  // COMMAND [USER [GROUP]] or COMMAND USER:GROUP; a command with arguments stands in quotes. An
  // empty one is none, with a warning.
  std::optional<ScriptCommand> script(Arguments& arguments);

 private:
  bool is_of_host(const Word& word, const IpAddress& address);
  std::optional<IpAddress> without_prefix(const Word& word);
  void not_a_number(const Word& word, std::string_view keyword, std::string_view digits,
                    const std::string& example);

  Problems& problems_;
};

// USER [GROUP] or USER:GROUP, `first` being the word taken already.
void read_user(const Word& first, Arguments& arguments, std::string& user, std::string& group);
// "1", "0.25": a time in seconds as short as it goes.
std::string seconds_text(std::chrono::microseconds time);
// `text` in lower case (ASCII).
std::string lower_case(std::string_view text);

}  // namespace xlb::parse
