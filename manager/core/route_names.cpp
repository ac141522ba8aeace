#include "core/route_names.h"

#include <charconv>
#include <sstream>

#include "core/config_parse.h"

namespace xlb {
namespace {

struct NamedScope {
  std::string_view name;
  Scope scope;
};
constexpr NamedScope kScopes[] = {{"global", Scope::global}, {"universe", Scope::global},
                                  {"site", Scope::site},     {"link", Scope::link},
                                  {"host", Scope::host},     {"nowhere", Scope::nowhere}};

std::optional<uint32_t> parse_number(std::string_view text, int base) {
  if (text.starts_with("0x") || text.starts_with("0X")) {
    text.remove_prefix(2);
    base = 16;
  }
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

std::string_view file_of(NameKind kind) {
  switch (kind) {
    case NameKind::table:
      return "/etc/iproute2/rt_tables";
    case NameKind::protocol:
      return "/etc/iproute2/rt_protos";
    case NameKind::realm:
      return "/etc/iproute2/rt_realms";
    case NameKind::group:
      return "/etc/iproute2/group";
    case NameKind::tos:
      return "/etc/iproute2/rt_dsfield";
  }
  return "";
}

std::map<std::string, uint32_t, std::less<>> known_names(NameKind kind) {
  switch (kind) {
    case NameKind::table:
      return {{"default", 253}, {"main", 254}, {"local", 255}};
    case NameKind::protocol:
      return {{"unspec", 0}, {"redirect", 1}, {"kernel", 2}, {"boot", 3},  {"static", 4},
              {"ra", 9},     {"zebra", 11},   {"bird", 12},  {"dhcp", 16}, {"keepalived", 18}};
    default:
      return {};
  }
}

}  // namespace

const RouteNames::Names& RouteNames::names_of(NameKind kind) {
  const auto [place, is_new] = read_.try_emplace(kind, known_names(kind));
  if (!is_new || reader_ == nullptr) return place->second;
  const auto text = reader_->read(std::string(file_of(kind)));
  if (!text) return place->second;  // iproute2 is not installed: its names are unknown
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string number;
    std::string name;
    if (!(words >> number >> name)) continue;
    if (const auto value = parse_number(number, 10)) place->second[name] = *value;
  }
  return place->second;
}

std::optional<uint32_t> RouteNames::find(NameKind kind, std::string_view word) {
  if (const auto number = parse_number(word, kind == NameKind::tos ? 16 : 10)) return number;
  const Names& names = names_of(kind);
  const auto found = names.find(word);
  if (found == names.end()) return std::nullopt;
  return found->second;
}

std::optional<Scope> scope_of(std::string_view word) {
  for (const NamedScope& known : kScopes) {
    if (known.name == word) return known.scope;
  }
  const auto number = parse_number(word, 10);
  for (const NamedScope& known : kScopes) {
    if (number == static_cast<uint32_t>(known.scope)) return known.scope;
  }
  return std::nullopt;
}

std::string_view name_of(Scope scope) {
  for (const NamedScope& known : kScopes) {
    if (known.scope == scope) return known.name;
  }
  return "";
}

}  // namespace xlb
