// static_rules and virtual_rules: `ip rule`'s words.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/config_parse_route.h"
#include "core/config_parse_values.h"
#include "core/keywords.h"

namespace xlb::parse {
namespace {

class RuleReader {
 public:
  RuleReader(const Line& line, Problems& problems, RouteNames& names)
      : line_(line), words_(line, problems, names) {}

  std::optional<RuleConfig> read(RulePriorities& unnumbered) {
    while (!words_.at_end())
      read_word(words_.take());
    if (!words_.failed()) finish(unnumbered);
    if (words_.failed()) return std::nullopt;
    return std::move(rule_);
  }

 private:
  using Read = void (RuleReader::*)(const Word&);
  struct Entry {
    std::string_view word;
    Read read;
  };
  static const std::array<Entry, 38> kEntries;

  void read_word(const Word& word) {
    const auto* const entry = std::find_if(kEntries.begin(), kEntries.end(),
                                           [&](const Entry& it) { return it.word == word.text; });
    if (entry != kEntries.end()) return (this->*entry->read)(word);
    std::vector<std::string_view> names;
    names.reserve(std::size(kEntries));
    for (const Entry& known : kEntries)
      names.push_back(known.word);
    const std::string_view near = nearest(word.text, names);
    words_.error(word, fmt::format("unknown word {} in a rule", quoted(word.text)),
                 near.empty() ? "" : fmt::format("did you mean `{}`?", near));
  }

  void read_ipv4(const Word& word) { of_family(word, AddressFamily::ipv4); }
  void read_ipv6(const Word& word) { of_family(word, AddressFamily::ipv6); }
  void read_not(const Word&) { rule_.inverted = true; }
  void read_from(const Word& word) { rule_.from = read_network(word); }
  void read_to(const Word& word) { rule_.to = read_network(word); }
  void read_table(const Word& word) {
    const auto table = words_.name(word, NameKind::table);
    if (!table) return;
    if (*table == 0) return words_.error(word, "table 0 is no table");
    rule_.table = *table;
    act(word, RuleAction::table);
  }
  void read_preference(const Word& word) { priority_ = words_.number(word); }
  void read_tos(const Word& word) {
    const auto tos = words_.name(word, NameKind::tos);
    if (tos && *tos > 255) return words_.error(word, "tos is a number of eight bits");
    if (tos) rule_.tos = static_cast<uint8_t>(*tos);
  }
  void read_mark(const Word& word) {
    const Word* value = words_.value(word);
    if (value == nullptr) return;
    const size_t slash = value->text.find('/');
    const auto mark = whole_number(value->text.substr(0, slash));
    const bool has_mask = slash != std::string::npos;
    const auto mask = has_mask ? whole_number(value->text.substr(slash + 1)) : std::nullopt;
    if (!mark || *mark > 0xffffffff || (has_mask && (!mask || *mask > 0xffffffff))) {
      return words_.error(*value,
                          fmt::format("fwmark {} is not MARK or MARK/MASK", quoted(value->text)));
    }
    rule_.mark = static_cast<uint32_t>(*mark);
    if (has_mask) rule_.mark_mask = static_cast<uint32_t>(*mask);
  }
  void read_realms(const Word& word) {
    of_family(word, AddressFamily::ipv4);
    rule_.realms = words_.realms(word).value_or(0);
    table_word_ = &word;
  }
  void read_suppress_prefix(const Word& word) {
    rule_.suppress_prefix_length = words_.number(word, 0x7fffffff);
    table_word_ = &word;
  }
  void read_suppress_group(const Word& word) {
    rule_.suppress_group = words_.name(word, NameKind::group);
    table_word_ = &word;
  }
  void read_input(const Word& word) { rule_.input_device = words_.device(word).value_or(""); }
  void read_output(const Word& word) { rule_.output_device = words_.device(word).value_or(""); }
  void read_tunnel(const Word& word) {
    const Word* value = words_.value(word);
    if (value == nullptr) return;
    rule_.tunnel_id = whole_number(value->text);
    if (!rule_.tunnel_id) {
      words_.error(*value, fmt::format("tunnel-id {} is no number", quoted(value->text)));
    }
  }
  void read_users(const Word& word) { rule_.users = words_.span(word, 0xffffffff); }
  void read_l3mdev(const Word& word) {
    rule_.l3mdev = true;
    act(word, RuleAction::table);
  }
  void read_protocol(const Word& word) {
    const auto protocol = words_.name(word, NameKind::protocol);
    if (protocol && *protocol > 255) return words_.error(word, "protocol is at most 255");
    if (protocol) rule_.protocol = static_cast<uint8_t>(*protocol), protocol_word_ = &word;
  }
  void read_ip_protocol(const Word& word) {
    static constexpr std::pair<std::string_view, uint8_t> kNames[] = {
        {"icmp", 1}, {"tcp", 6}, {"udp", 17}, {"ipv6-icmp", 58}, {"icmpv6", 58}, {"sctp", 132}};
    const Word* value = words_.value(word);
    if (value == nullptr) return;
    const std::string lower = lower_case(value->text);
    const auto* const named = std::find_if(std::begin(kNames), std::end(kNames),
                                           [&](const auto& it) { return it.first == lower; });
    const auto number = whole_number(value->text);
    if (named != std::end(kNames)) {
      rule_.ip_protocol = named->second;
    } else if (number && *number <= 255) {
      rule_.ip_protocol = static_cast<uint8_t>(*number);
    } else {
      words_.error(*value, fmt::format("protocol {} is not known", quoted(value->text)),
                   "tcp, udp, sctp, icmp, ipv6-icmp or a number");
    }
  }
  void read_source_ports(const Word& word) { rule_.source_ports = words_.span(word, 65535); }
  void read_destination_ports(const Word& word) {
    rule_.destination_ports = words_.span(word, 65535);
  }
  void read_type(const Word&) {}  // the action follows
  void read_goto(const Word& word) {
    rule_.target = words_.number(word).value_or(0);
    act(word, RuleAction::jump);
  }
  void read_nop(const Word& word) { act(word, RuleAction::nop); }
  void read_blackhole(const Word& word) { act(word, RuleAction::blackhole); }
  void read_unreachable(const Word& word) { act(word, RuleAction::unreachable); }
  void read_prohibit(const Word& word) { act(word, RuleAction::prohibit); }
  void read_no_track(const Word&) { rule_.tracked = false; }
  void read_track_group(const Word& word) {
    if (const Word* value = words_.value(word)) rule_.track_group = value->text;
  }

  void act(const Word& word, RuleAction action) {
    if (has_action_) {
      return words_.error(word, "a rule does one thing",
                          "one of table, l3mdev, goto, nop, blackhole, unreachable, prohibit");
    }
    has_action_ = true;
    rule_.action = action;
  }
  void of_family(const Word& word, AddressFamily family) {
    if (family_ && *family_ != family) words_.error(word, "IPv4 and IPv6 are mixed in one rule");
    family_ = family;
  }
  std::optional<PrefixedAddress> read_network(const Word& word) {
    const Word* value = words_.value(word);
    if (value == nullptr) return std::nullopt;
    auto prefix = words_.prefix(*value, family_.value_or(AddressFamily::ipv4));
    if (!prefix) {
      words_.error(*value, fmt::format("{} {} is no network", word.text, quoted(value->text)));
      return std::nullopt;
    }
    if (prefix->prefix_length == 0) return std::nullopt;  // everybody: as without it
    of_family(*value, prefix->address.family());
    prefix->address = prefix->address.masked(prefix->prefix_length);
    return prefix;
  }

  void finish(RulePriorities& unnumbered) {
    const Word& first = line_.words.front();
    if (!has_action_) {
      return words_.error(first, "the rule has no action", "table N");
    }
    if (rule_.action != RuleAction::table && table_word_ != nullptr) {
      return words_.error(*table_word_, fmt::format("`{}` needs a table", table_word_->text));
    }
    rule_.family = family_.value_or(AddressFamily::ipv4);
    if (rule_.action == RuleAction::jump && (!priority_ || *priority_ >= rule_.target)) {
      return words_.error(first, "`goto` needs a preference, and a target after it",
                          "preference 100 goto 200");
    }
    if (rule_.tracked && protocol_word_ != nullptr && rule_.protocol != kRouteProtocol) {
      words_.warning(
          *protocol_word_,
          fmt::format("protocol of a rule that is put back is {}, as keepalived's", kRouteProtocol),
          "no_track, for a protocol of its own");
      rule_.protocol = kRouteProtocol;
    }
    if (!rule_.tracked && protocol_word_ == nullptr) rule_.protocol = 0;  // nobody need find it
    if (!priority_) {
      uint32_t& next = rule_.family == AddressFamily::ipv4 ? unnumbered.ipv4 : unnumbered.ipv6;
      priority_ = next--;
      words_.warning(first, fmt::format("the rule has no preference: it gets {}", *priority_),
                     fmt::format("preference {}", *priority_));
    }
    rule_.priority = *priority_;
  }

  const Line& line_;
  RouteWords words_;
  RuleConfig rule_;
  std::optional<AddressFamily> family_;
  std::optional<uint32_t> priority_;
  bool has_action_ = false;
  const Word* table_word_ = nullptr;  // one that only goes with a table
  const Word* protocol_word_ = nullptr;
};

const std::array<RuleReader::Entry, 38> RuleReader::kEntries{{
    {"inet", &RuleReader::read_ipv4},
    {"inet6", &RuleReader::read_ipv6},
    {"not", &RuleReader::read_not},
    {"from", &RuleReader::read_from},
    {"to", &RuleReader::read_to},
    {"table", &RuleReader::read_table},
    {"lookup", &RuleReader::read_table},
    {"preference", &RuleReader::read_preference},
    {"order", &RuleReader::read_preference},
    {"pref", &RuleReader::read_preference},
    {"priority", &RuleReader::read_preference},
    {"tos", &RuleReader::read_tos},
    {"dsfield", &RuleReader::read_tos},
    {"fwmark", &RuleReader::read_mark},
    {"realms", &RuleReader::read_realms},
    {"suppress_prefixlength", &RuleReader::read_suppress_prefix},
    {"sup_pl", &RuleReader::read_suppress_prefix},
    {"suppress_ifgroup", &RuleReader::read_suppress_group},
    {"sup_group", &RuleReader::read_suppress_group},
    {"dev", &RuleReader::read_input},
    {"iif", &RuleReader::read_input},
    {"oif", &RuleReader::read_output},
    {"tunnel-id", &RuleReader::read_tunnel},
    {"uidrange", &RuleReader::read_users},
    {"l3mdev", &RuleReader::read_l3mdev},
    {"protocol", &RuleReader::read_protocol},
    {"ipproto", &RuleReader::read_ip_protocol},
    {"ip_proto", &RuleReader::read_ip_protocol},
    {"sport", &RuleReader::read_source_ports},
    {"dport", &RuleReader::read_destination_ports},
    {"type", &RuleReader::read_type},
    {"goto", &RuleReader::read_goto},
    {"nop", &RuleReader::read_nop},
    {"blackhole", &RuleReader::read_blackhole},
    {"unreachable", &RuleReader::read_unreachable},
    {"prohibit", &RuleReader::read_prohibit},
    {"no_track", &RuleReader::read_no_track},
    {"track_group", &RuleReader::read_track_group},
}};

}  // namespace

std::optional<RuleConfig> read_rule(const Line& line, Problems& problems, RouteNames& names,
                                    RulePriorities& unnumbered) {
  return RuleReader(line, problems, names).read(unnumbered);
}

}  // namespace xlb::parse

namespace xlb {

std::optional<RuleConfig> parse_rule(std::string_view text) {
  parse::Problems problems;
  RouteNames names;
  parse::RulePriorities unnumbered;
  Lexer lexer(text, problems.add_file("rule"));
  Line line;
  std::vector<LexProblem> lex_problems;
  lexer.next(line, lex_problems);
  if (line.words.empty() || !lex_problems.empty()) return std::nullopt;
  return parse::read_rule(line, problems, names, unnumbered);
}

}  // namespace xlb
