// virtual_ipaddress: one address a line, with iproute2's words after it.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/config_parse_sections.h"

namespace xlb::parse {
namespace {

constexpr size_t kMostAddresses = 255;  // the advertisement's count is one byte

struct AddressOption {
  std::string_view name;
  bool takes_value = false;
  std::string_view consequence;
};
constexpr AddressOption kAddressOptions[] = {
    {"dev", true, ""},
    {"brd", true, "the address is added without a broadcast address"},
    {"broadcast", true, "the address is added without a broadcast address"},
    {"scope", true, "the address has global scope"},
    {"label", true, "the address has no label"},
    {"peer", true, "the address is added without a peer"},
    {"preferred_lft", true, "the address does not expire"},
    {"use_vmac", false, "the address stays on the interface's own MAC"},
    {"home", false, "it is for IPv6"},
    {"-nodad", false, "it is for IPv6"},
    {"mngtmpaddr", false, "it is for IPv6"},
    {"noprefixroute", false, "the kernel adds the prefix's route"},
    {"autojoin", false, "no multicast group is joined"},
    {"no_track", false, "an address that somebody removes does not cause FAULT anyway"},
};

void read_address_options(Sections& sections, VirtualAddress& address, Arguments& arguments) {
  while (const Word* word = arguments.take_if_any()) {
    const auto* const option =
        std::find_if(std::begin(kAddressOptions), std::end(kAddressOptions),
                     [&](const AddressOption& candidate) { return candidate.name == word->text; });
    if (option == std::end(kAddressOptions)) {
      if (IpAddress::parse(word->text.substr(0, word->text.find('/')))) {
        sections.problems.error(word->spot, "a second address on one line",
                                "each address has a line of its own");
        continue;
      }
      std::vector<std::string_view> names;
      for (const AddressOption& candidate : kAddressOptions)
        names.push_back(candidate.name);
      const std::string_view near = nearest(word->text, names);
      sections.blocks.unknown(word->spot,
                              fmt::format("unknown word {} after an address", quoted(word->text)),
                              near.empty() ? "" : fmt::format("did you mean `{}`?", near));
      continue;
    }
    const Word* value = option->takes_value ? arguments.take_if_any() : nullptr;
    if (option->takes_value && value == nullptr) {
      sections.problems.error(word->spot, fmt::format("`{}` needs a value", option->name));
    } else if (option->name == "dev") {
      if (auto name = sections.values.interface_name(*value, "dev")) address.device = *name;
    } else {
      sections.blocks.warn_once(word->spot, fmt::format("`{}` of an address is not acted on: {}",
                                                        option->name, option->consequence));
    }
  }
}

void read_virtual_address(Sections& sections, VrrpDraft& draft, const Line& line) {
  // The line's first word is the address, not a keyword: Arguments takes what follows.
  Arguments arguments(line, sections.problems);
  const auto address = sections.values.ipv4_prefix(line.words[0]);
  VirtualAddress result;
  read_address_options(sections, result, arguments);
  if (!address) return;
  result.address = *address;
  auto& addresses = draft.config.virtual_addresses;
  const bool known = std::any_of(addresses.begin(), addresses.end(), [&](const auto& other) {
    return other.address.address == address->address;
  });
  if (known) {
    sections.problems.warning(
        line.spot, fmt::format("{} stands here a second time", quoted(line.words[0].text)));
  } else if (addresses.size() < kMostAddresses) {
    addresses.push_back(std::move(result));
  } else if (!draft.too_many_addresses) {
    draft.too_many_addresses = true;
    sections.problems.error(
        line.spot,
        fmt::format("more than {} addresses do not fit in an advertisement", kMostAddresses));
  }
}

}  // namespace

void read_virtual_ipaddress(Sections& sections, VrrpDraft& draft, const Line& line) {
  { const Arguments none(line, sections.problems); }
  sections.blocks.read_lines(BlockKind::virtual_ipaddress, line, [&](const Line& address) {
    read_virtual_address(sections, draft, address);
  });
}

}  // namespace xlb::parse
