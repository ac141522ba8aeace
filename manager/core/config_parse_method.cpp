// lvs_method: translation, direct routing or a tunnel, and what of it must fit the addresses and
// ports.
#include <fmt/format.h>

#include <algorithm>

#include "core/config_parse_lvs.h"

namespace xlb::parse {
namespace {

struct TunnelWords {
  TunnelConfig tunnel;
  bool valid = true;
  bool supported = true;
  const Word* type = nullptr;  // as written
  const Word* port = nullptr;
};

void read_type(Sections& sections, Arguments& arguments, const Word& keyword, TunnelWords& words) {
  static constexpr std::string_view kTypes[] = {"ipip", "gue", "gre"};
  words.type = arguments.take_if_any();
  if (words.type == nullptr) {
    sections.problems.error(keyword.spot, "`type` needs ipip or gue");
    words.valid = false;
    return;
  }
  const auto type = sections.values.choice(*words.type, "tunnel type", kTypes);
  words.valid = words.valid && type.has_value();
  words.supported = type != 2;
  if (!words.supported) {
    sections.problems.warning(words.type->spot,
                              "tunnel type `gre` is not supported: what is behind it is left out",
                              "type ipip, or type gue port 6080");
  }
  words.tunnel.type = type && *type == 1 ? TunnelType::gue : TunnelType::ipip;
}

void read_port(Sections& sections, Arguments& arguments, const Word& keyword, TunnelWords& words) {
  words.port = &keyword;
  const Word* value = arguments.take_if_any();
  if (value == nullptr) {
    sections.problems.error(keyword.spot, "`port` needs a number", "type gue port 6080");
    words.valid = false;
    return;
  }
  const auto port = sections.values.port(*value, "port");
  words.valid = words.valid && port.has_value();
  words.tunnel.port = port.value_or(0);
}

// type ipip|gue|gre, port N, csum|remcsum|nocsum, in any order.
MethodDraft read_tunnel(Sections& sections, Arguments& arguments) {
  static constexpr std::string_view kWords[] = {"type", "port", "nocsum", "csum", "remcsum"};
  TunnelWords words;
  while (const Word* word = arguments.take_if_any()) {
    const auto which = sections.values.choice(*word, "tunnel option", kWords);
    if (!which) {
      words.valid = false;
      arguments.ignore_rest();
      break;
    }
    if (*which == 0) read_type(sections, arguments, *word, words);
    if (*which == 1) read_port(sections, arguments, *word, words);
    if (*which > 2) {
      sections.problems.warning(
          word->spot,
          fmt::format("`{}` is not acted on: packets go out as with nocsum", word->text));
    }
  }
  if (words.valid && words.tunnel.type == TunnelType::gue && words.tunnel.port == 0) {
    sections.problems.error(words.type->spot, "tunnel type `gue` needs a port",
                            "type gue port 6080");
    words.valid = false;
  }
  if (words.valid && words.tunnel.type == TunnelType::ipip && words.port != nullptr) {
    sections.problems.warning(words.port->spot, "`port` has no effect with tunnel type ipip");
    words.tunnel.port = 0;
  }
  return {words.tunnel, false, words.valid, words.supported};
}

}  // namespace

MethodDraft read_method(Sections& sections, const Line& line) {
  static constexpr std::string_view kMethods[] = {"DR", "NAT", "TUN"};
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a forwarding method: NAT, DR or TUN");
  if (word == nullptr) return {.translated = false, .valid = false};
  const std::string& name = line.words[0].text;
  if (lower_case(word->text) == "dr") {
    if (word->text != "DR") {
      sections.problems.warning(
          word->spot,
          fmt::format("{} {} is taken for DR; keepalived would use NAT", name, quoted(word->text)),
          fmt::format("{} DR", name));
    }
    return {.translated = false};
  }
  const auto method = sections.values.choice(*word, "forwarding method", kMethods);
  if (method && *method == 1) return {};
  if (method && *method == 2) return read_tunnel(sections, arguments);
  arguments.ignore_rest();
  return {.translated = false, .valid = false};
}

MethodDraft method_of(const VirtualServerDraft& draft, const std::optional<MethodDraft>& own) {
  return own.value_or(draft.method.value_or(MethodDraft{}));
}

bool method_fits(Sections& sections, const VirtualServerDraft& draft, const MethodDraft& method,
                 std::string_view keyword, Endpoint& endpoint, const Spot& address,
                 const Spot& port) {
  if (!method.valid) return true;  // said already
  if (!method.supported) return false;
  const ServiceKey& key = draft.config.key;
  const bool one_port = draft.config.group.empty() && key.mark == 0;
  if (!method.translated && one_port && endpoint.port != key.port) {
    sections.problems.error(
        port,
        fmt::format("{} port {} differs from the virtual server's port {}: {} leaves ports as they "
                    "are",
                    keyword, endpoint.port, key.port,
                    method.tunnel ? "a tunnel" : "direct routing"),
        fmt::format("{} {} {}, or lvs_method NAT", keyword, endpoint.address, key.port));
    return false;
  }
  const bool crosses = endpoint.address.family() != key.address.family();
  if (!crosses || (method.tunnel && key.mark == 0)) return true;
  const std::string what = fmt::format("{} {} is left out: it and virtual_server {} are of ",
                                       keyword, endpoint.address, name_of(draft.config));
  if (method.tunnel) {
    sections.problems.warning(
        address, what + "different families, and what has a mark is translated here", "ip_family");
    return false;
  }
  sections.blocks.tolerated(address,
                            what + "different families: only a tunnel leads from one to the other",
                            key.mark != 0 ? "ip_family" : "lvs_method TUN");
  return false;
}

}  // namespace xlb::parse
