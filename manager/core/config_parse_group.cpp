// What a virtual_server is for: an address and a port, a firewall mark, or the members of a
// virtual_server_group; and the lines of such a group. A group may stand behind the virtual servers
// that name it.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/config_parse_lvs.h"

namespace xlb::parse {
namespace {

constexpr uint64_t kMostMarks = 4'294'967'295;

IpAddress unspecified(AddressFamily family) {
  return family == AddressFamily::ipv4 ? IpAddress() : IpAddress::from_v6({});
}

// The address after it, in its family; wraps at the end.
IpAddress next(const IpAddress& address) {
  auto bytes = address.bytes();
  for (size_t i = address.size(); i-- > 0;) {
    if (++bytes[i] != 0) break;
  }
  if (!address.is_v4()) return IpAddress::from_v6(bytes);
  return IpAddress::v4(bytes[0], bytes[1], bytes[2], bytes[3]);
}

// The end of "a.b.c.d-e" or "2001:db8::1-5": the last part replaced; or a whole address.
std::optional<IpAddress> end_of_range(const std::string& begin, const std::string& end) {
  if (const auto whole = IpAddress::parse(end)) return whole;
  const size_t part = begin.find_last_of(".:");
  if (part == std::string::npos || end.empty()) return std::nullopt;
  return IpAddress::parse(begin.substr(0, part + 1) + end);
}

struct Range {
  IpAddress first;
  IpAddress last;
};

std::optional<Range> prefix_of(const std::string& begin, const std::string& length) {
  const auto address = IpAddress::parse(begin);
  const bool digits = !length.empty() && length.size() <= 3 &&
                      length.find_first_not_of("0123456789") == std::string::npos;
  if (!address || !digits) return std::nullopt;
  const int bits = std::stoi(length);
  const int most = static_cast<int>(address->size()) * 8;
  if (bits < 1 || bits > most) return std::nullopt;
  const IpAddress first = address->masked(static_cast<unsigned>(bits));
  auto bytes = first.bytes();
  for (int bit = bits; bit < most; ++bit)
    bytes[static_cast<size_t>(bit) / 8] |= static_cast<uint8_t>(0x80 >> (bit % 8));
  if (!first.is_v4()) return Range{first, IpAddress::from_v6(bytes)};
  return Range{first, IpAddress::v4(bytes[0], bytes[1], bytes[2], bytes[3])};
}

std::optional<Range> range_of(const std::string& text) {
  if (const size_t slash = text.find('/'); slash != std::string::npos) {
    return prefix_of(text.substr(0, slash), text.substr(slash + 1));
  }
  const size_t dash = text.find('-');
  const std::string begin = text.substr(0, dash);
  const auto first = IpAddress::parse(begin);
  if (!first) return std::nullopt;
  if (dash == std::string::npos) return Range{*first, *first};
  const auto last = end_of_range(begin, text.substr(dash + 1));
  if (!last || last->family() != first->family() || *last < *first) return std::nullopt;
  return Range{*first, *last};
}

void read_group_addresses(Sections& sections, const Word& word, Arguments& arguments,
                          GroupLine& line) {
  const Word* port = arguments.take_if_any();
  if (port != nullptr) {
    const auto value = sections.values.port_or_any(*port, "virtual_server_group");
    if (!value) return;
    line.port = *value;
  }
  const auto range = range_of(word.text);
  if (!range) {
    sections.problems.error(
        word.spot, fmt::format("{} is no address and no range of addresses", quoted(word.text)),
        "10.0.0.1, 10.0.0.1-5, 10.0.0.250-10.0.1.5 or 10.0.0.8/29, and a port");
    return;
  }
  for (IpAddress address = range->first;; address = next(address)) {
    if (line.addresses.size() == kMostVirtualServers) {
      sections.problems.error(word.spot, fmt::format("{} are more than {} addresses",
                                                     quoted(word.text), kMostVirtualServers));
      line.addresses.clear();
      return;
    }
    line.addresses.push_back(address);
    if (address == range->last) return;
  }
}

std::optional<AddressFamily> family_called(Sections& sections, const Word& word) {
  static constexpr std::string_view kFamilies[] = {"inet", "inet6"};
  const auto family = sections.values.choice(word, "address family", kFamilies);
  if (!family) return std::nullopt;
  return *family == 0 ? AddressFamily::ipv4 : AddressFamily::ipv6;
}

uint32_t read_mark(Sections& sections, Arguments& arguments) {
  const Word* word = arguments.take("a number");
  if (word == nullptr) return 0;
  return static_cast<uint32_t>(
      sections.values.number(*word, "fwmark", {1, kMostMarks}).value_or(0));
}

void read_group_line(Sections& sections, GroupDraft& group, const Line& words) {
  // The line's first word is an address, not a keyword: Arguments takes what follows.
  Arguments arguments(words, sections.problems);
  GroupLine line;
  line.spot = words.spot;
  line.text = words.words[0].text;
  if (line.text == "fwmark") {
    line.mark = read_mark(sections, arguments);
    if (const Word* family = arguments.take_if_any()) {
      line.family = family_called(sections, *family);
    }
  } else {
    read_group_addresses(sections, words.words[0], arguments, line);
  }
  if (line.mark != 0 || !line.addresses.empty()) group.lines.push_back(std::move(line));
}

// The family that a mark's packets are of is not told by the mark.
AddressFamily family_of(const VirtualServerDraft& draft) {
  if (draft.family) return *draft.family;
  for (const RealServerDraft& real : draft.real_servers) {
    if (real.valid && !method_of(draft, real.method).tunnel) {
      return real.config.endpoint.address.family();
    }
  }
  return AddressFamily::ipv4;
}

bool crosses_families(const VirtualServerDraft& draft) {
  const auto is_tunnel = [&](const std::optional<MethodDraft>& own) {
    return method_of(draft, own).tunnel.has_value();
  };
  return std::all_of(draft.real_servers.begin(), draft.real_servers.end(),
                     [&](const auto& real) { return is_tunnel(real.method); });
}

std::vector<ServiceKey> keys_of_line(const GroupLine& line, const VirtualServerDraft& draft,
                                     AddressFamily family) {
  if (line.mark != 0) {
    return {{unspecified(line.family.value_or(family)), 0, Protocol::tcp, line.mark}};
  }
  std::vector<ServiceKey> keys;
  keys.reserve(line.addresses.size());
  for (const IpAddress& address : line.addresses)
    keys.push_back({address, line.port, draft.config.key.protocol});
  return keys;
}

void take_members(Sections& sections, VirtualServerDraft& draft, const GroupDraft& group) {
  std::vector<ServiceKey> keys;
  std::optional<AddressFamily> family = draft.family;
  for (const GroupLine& line : group.lines) {
    if (!line.addresses.empty() && !family) family = line.addresses.front().family();
  }
  const AddressFamily expected = family.value_or(family_of(draft));
  for (const GroupLine& line : group.lines) {
    const auto members = keys_of_line(line, draft, expected);
    if (members.front().address.family() != expected && !crosses_families(draft)) {
      sections.problems.warning(
          line.spot,
          fmt::format("{} is left out of virtual_server group {}: only tunnels lead from one "
                      "address family to the other",
                      quoted(line.text), draft.group));
      continue;
    }
    keys.insert(keys.end(), members.begin(), members.end());
    if (keys.size() > kMostVirtualServers) break;  // said where all are counted
  }
  draft.valid = !keys.empty();
  if (!draft.valid) return;
  draft.config.key = keys.front();
  draft.config.more_keys.assign(keys.begin() + 1, keys.end());
}

}  // namespace

void read_virtual_server_group(Sections& sections, const Line& head) {
  GroupDraft group;
  group.head = head.spot;
  std::string name;
  {
    Arguments arguments(head, sections.problems);
    if (const Word* word = arguments.take("a name")) name = word->text;
  }
  sections.blocks.read_lines(BlockKind::virtual_server_group, head,
                             [&](const Line& line) { read_group_line(sections, group, line); });
  if (name.empty()) return;
  if (group.lines.empty()) {
    sections.problems.warning(head.spot,
                              fmt::format("virtual_server_group {} has no members", quoted(name)));
  }
  auto& groups = drafts_of(sections).groups;
  const auto [known, is_new] = groups.try_emplace(name, std::move(group));
  if (is_new) return;
  sections.problems.warning(
      head.spot,
      fmt::format("virtual_server_group {} stands already at {}: that one counts", quoted(name),
                  to_string(sections.problems.place_of(known->second.head))));
}

void read_family(Sections& sections, VirtualServerDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("inet or inet6");
  if (word == nullptr) return;
  draft.family = family_called(sections, *word);
  draft.family_spot = word->spot;
}

void read_virtual_server_head(Sections& sections, VirtualServerDraft& draft, const Line& head) {
  Arguments arguments(head, sections.problems);
  const Word* word = arguments.take("an address and a port, `fwmark` or `group`");
  if (word == nullptr) return;
  draft.address_spot = word->spot;
  if (word->text == "group") {
    const Word* name = arguments.take("the name of a virtual_server_group");
    if (name == nullptr) return;
    draft.address_spot = name->spot;
    draft.group = draft.config.group = name->text;
    return;
  }
  if (word->text == "fwmark") {
    draft.config.key.mark = read_mark(sections, arguments);
    draft.valid = draft.config.key.mark != 0;
    return;
  }
  const auto address = sections.values.ip_of_host(*word, "virtual_server");
  if (address) draft.config.key.address = *address;
  if (arguments.at_end()) {
    draft.without_port = draft.valid = address.has_value();
    return;
  }
  const auto port = sections.values.port_or_any(*arguments.take_if_any(), "virtual_server");
  draft.config.key.port = port.value_or(0);
  draft.valid = address.has_value() && port.has_value();
}

// Where a real server has a port and keeps it, this one's is forgotten: all of the address' traffic
// would be taken.
void finish_missing_port(Sections& sections, VirtualServerDraft& draft) {
  const IpAddress& address = draft.config.key.address;
  const bool forgotten =
      std::any_of(draft.real_servers.begin(), draft.real_servers.end(), [&](const auto& real) {
        return real.port.has_value() && !method_of(draft, real.method).translated;
      });
  if (forgotten) {
    draft.valid = false;
    return sections.problems.error(draft.address_spot,
                                   fmt::format("virtual_server {} has no port", address),
                                   fmt::format("virtual_server {} 80 {{; port 0 is any", address));
  }
  sections.problems.warning(draft.address_spot,
                            fmt::format("virtual_server {} has no port: it takes any", address),
                            fmt::format("virtual_server {} 0 {{", address));
}

void finish_keys(Sections& sections, VirtualServerDraft& draft) {
  if (draft.without_port) finish_missing_port(sections, draft);
  ServiceKey& key = draft.config.key;
  if (!draft.group.empty()) {
    const auto& groups = drafts_of(sections).groups;
    const auto group = groups.find(draft.group);
    if (group != groups.end()) return take_members(sections, draft, group->second);
    std::vector<std::string_view> names;
    names.reserve(groups.size());
    for (const auto& [name, members] : groups)
      names.push_back(name);
    const std::string_view near = nearest(draft.group, names);
    sections.problems.warning(
        draft.address_spot,
        fmt::format("there is no virtual_server_group {}: this virtual_server is left out",
                    quoted(draft.group)),
        near.empty() ? "" : fmt::format("did you mean `{}`?", near));
  } else if (key.mark != 0) {
    key = {unspecified(family_of(draft)), 0, Protocol::tcp, key.mark};
  } else if (draft.family && draft.valid && *draft.family != key.address.family()) {
    sections.problems.warning(draft.family_spot,
                              "ip_family has no effect: the virtual server's address tells it");
  }
}

}  // namespace xlb::parse
