// One line of static_routes, virtual_routes, static_rules or virtual_rules: the words of `ip route`
// and `ip rule` as keepalived takes them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/config_parse_problems.h"
#include "core/lexer.h"
#include "core/route.h"
#include "core/route_names.h"

namespace xlb::parse {

// The words of a line that begins with no keyword, one by one, and what they may be. After the
// first error nothing more is said about the line.
class RouteWords {
 public:
  RouteWords(const Line& line, Problems& problems, RouteNames& names)
      : line_(line), problems_(problems), names_(names) {}

  [[nodiscard]] bool at_end() const { return failed_ || next_ >= line_.words.size(); }
  [[nodiscard]] bool failed() const { return failed_; }
  const Word& take() { return line_.words[next_++]; }
  // The next word is this one, and is passed.
  bool take_if(std::string_view text);
  [[nodiscard]] const Word* peek() const { return at_end() ? nullptr : &line_.words[next_]; }

  // What follows `keyword`; each reader has said why it returns nothing.
  const Word* value(const Word& keyword);
  std::optional<uint32_t> number(const Word& keyword, uint32_t most = 0xffffffff);
  std::optional<uint32_t> name(const Word& keyword, NameKind kind);
  std::optional<NumberSpan> span(const Word& keyword, uint32_t most);
  std::optional<IpAddress> address(const Word& keyword);
  std::optional<PrefixedAddress> prefix(const Word& word, AddressFamily assumed);
  std::optional<std::string> device(const Word& keyword);
  std::optional<uint32_t> realms(const Word& keyword);

  void error(const Word& word, std::string text, std::string hint = {});
  void warning(const Word& word, std::string text, std::string hint = {});

 private:
  const Line& line_;
  Problems& problems_;
  RouteNames& names_;
  size_t next_ = 0;
  bool failed_ = false;
};

// A decimal number, or a hexadecimal one after 0x.
std::optional<uint64_t> whole_number(std::string_view text);

std::optional<RouteConfig> read_route(const Line& line, Problems& problems, RouteNames& names);
// `unnumbered`: the preference that the next rule of each family without one gets, counted down.
struct RulePriorities {
  uint32_t ipv4 = 16384;
  uint32_t ipv6 = 16384;
};
std::optional<RuleConfig> read_rule(const Line& line, Problems& problems, RouteNames& names,
                                    RulePriorities& unnumbered);

}  // namespace xlb::parse
