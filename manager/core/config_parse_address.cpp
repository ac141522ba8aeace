// Addresses, one a line, with iproute2's words after them: virtual_ipaddress,
// virtual_ipaddress_excluded, static_ipaddress.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/config_parse_sections.h"

namespace xlb::parse {
namespace {

const IpAddress kLinkLocal =
    IpAddress::from_v6({0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
constexpr size_t kMostAddresses = 255;  // the advertisement's count is one byte
constexpr size_t kLongestLabel = 15;
constexpr uint32_t kForever = 0xffffffff;

// As ValueReader::ip_of_host() judges it.
bool can_be_held(const IpAddress& address) {
  static constexpr uint8_t kMapped[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const auto& bytes = address.bytes();
  if (address.is_v4()) return bytes[0] != 0 && bytes[0] < 224;
  return !address.is_unspecified() && bytes[0] != 0xff &&
         !std::equal(std::begin(kMapped), std::end(kMapped), bytes.begin());
}

class AddressReader {
 public:
  AddressReader(Sections& sections, const Line& line, std::string_view block)
      : sections_(sections), line_(line), block_(block) {}

  std::optional<VirtualAddress> read() {
    const Word& first = line_.words.front();
    if (!IpAddress::parse(first.text.substr(0, first.text.find('/'))) &&
        std::any_of(kEntries.begin(), kEntries.end(),
                    [&](const Entry& it) { return it.word == first.text; })) {
      sections_.problems.warning(first.spot,
                                 "keepalived takes the first word for the address, and skips this "
                                 "line");
    }
    while (next_ < line_.words.size() && !failed_)
      read_word(line_.words[next_++]);
    if (!failed_ && address_ == nullptr) {
      error(line_.words.front(), fmt::format("the line of {} has no address", block_));
    }
    if (!failed_) finish();
    if (failed_) return std::nullopt;
    return std::move(result_);
  }

 private:
  using Read = void (AddressReader::*)(const Word&);
  struct Entry {
    std::string_view word;
    Read read;
  };
  static const std::array<Entry, 15> kEntries;

  void read_word(const Word& word) {
    const auto* const entry = std::find_if(kEntries.begin(), kEntries.end(),
                                           [&](const Entry& it) { return it.word == word.text; });
    if (entry != kEntries.end()) return (this->*entry->read)(word);
    if (address_ == nullptr) return read_address(word);
    if (IpAddress::parse(word.text.substr(0, word.text.find('/')))) {
      return error(word, "a second address on one line", "each address has a line of its own");
    }
    std::vector<std::string_view> names;
    names.reserve(std::size(kEntries));
    for (const Entry& known : kEntries)
      names.push_back(known.word);
    const std::string_view near = nearest(word.text, names);
    sections_.blocks.unknown(word.spot,
                             fmt::format("unknown word {} after an address", quoted(word.text)),
                             near.empty() ? "" : fmt::format("did you mean `{}`?", near));
  }

  const Word* value(const Word& keyword) {
    if (next_ < line_.words.size()) return &line_.words[next_++];
    error(keyword, fmt::format("`{}` needs a value", keyword.text));
    return nullptr;
  }
  void error(const Word& word, std::string text, std::string hint = {}) {
    sections_.problems.error(word.spot, std::move(text), std::move(hint));
    failed_ = true;
  }
  void warn(const Word& word, std::string_view consequence) {
    sections_.blocks.warn_once(
        word.spot, fmt::format("`{}` of an address is not acted on: {}", word.text, consequence));
  }

  void read_address(const Word& word) {
    address_ = &word;
    const auto prefix = read_prefix(word, block_);
    if (prefix) result_.address = *prefix;
  }
  std::optional<PrefixedAddress> read_prefix(const Word& word, std::string_view keyword) {
    const size_t slash = word.text.find('/');
    Word part = word;
    part.text = word.text.substr(0, slash);
    // A virtual router of IPv6 has a link-local address (RFC 9568 5.2.9); the link is `dev`.
    const auto parsed = IpAddress::parse(part.text);
    const bool link_local = parsed && !parsed->is_v4() && parsed->masked(10) == kLinkLocal;
    if (parsed && !link_local && !can_be_held(*parsed)) {
      sections_.problems.warning(
          word.spot,
          fmt::format("{} cannot be a host's address: it is left out", quoted(part.text)));
      failed_ = true;
      return std::nullopt;
    }
    const auto address = link_local ? parsed : sections_.values.ip_of_host(part, keyword);
    failed_ = failed_ || !address;
    if (!address) return std::nullopt;
    const auto all = static_cast<uint8_t>(8 * address->size());
    if (slash == std::string::npos) return PrefixedAddress{*address, all};
    part.text = word.text.substr(slash + 1);
    part.spot.column += static_cast<uint32_t>(slash + 1 + (word.quoted ? 1 : 0));
    const auto length = sections_.values.number(part, "the prefix", {0, all});
    failed_ = failed_ || !length;
    if (!length) return std::nullopt;
    return PrefixedAddress{*address, static_cast<uint8_t>(*length)};
  }
  void read_device(const Word& word) {
    const Word* name = value(word);
    if (name == nullptr) return;
    const auto device = sections_.values.interface_name(*name, "dev");
    failed_ = failed_ || !device;
    if (device) result_.device = *device;
  }
  void read_broadcast(const Word& word) {
    broadcast_ = value(word);
    if (broadcast_ == nullptr || broadcast_->text == "+" || broadcast_->text == "-") return;
    result_.broadcast = sections_.values.ipv4(*broadcast_, "brd");
    failed_ = failed_ || !result_.broadcast;
  }
  void read_scope(const Word& word) {
    const Word* name = value(word);
    if (name == nullptr) return;
    if (const auto scope = scope_of(name->text)) {
      result_.scope = *scope;
      scope_ = &word;
    } else {
      error(*name, fmt::format("scope {} is not known", quoted(name->text)),
            "global, site, link, host or nowhere");
    }
  }
  void read_label(const Word& word) {
    const Word* text = value(word);
    if (text == nullptr) return;
    if (text->text.empty() || text->text.size() > kLongestLabel) {
      return error(*text, fmt::format("label {} is not of 1 to {} characters", quoted(text->text),
                                      kLongestLabel));
    }
    result_.label = text->text;
  }
  void read_peer(const Word& word) {
    peer_ = value(word);
    if (peer_ != nullptr) result_.peer = read_prefix(*peer_, "peer");
  }
  void read_preferred_lifetime(const Word& word) {
    const Word* time = value(word);
    if (time == nullptr) return;
    lifetime_given_ = true;
    if (time->text == "forever") return;
    const auto seconds = sections_.values.number(*time, "preferred_lft", {0, kForever - 1});
    failed_ = failed_ || !seconds;
    if (seconds) result_.preferred_lifetime = static_cast<uint32_t>(*seconds);
  }
  void read_home(const Word&) { result_.home = true; }
  void read_no_dad(const Word&) {}  // never done for these addresses
  void read_temporary(const Word&) { result_.temporary_prefix = true; }
  void read_no_prefix_route(const Word&) { result_.no_prefix_route = true; }
  void read_autojoin(const Word&) { result_.autojoin = true; }
  void read_no_track(const Word&) { result_.tracked = false; }
  void read_use_vmac(const Word& word) {
    warn(word, "it goes on the interface's own MAC address, or on the instance's virtual one");
  }
  void read_track_group(const Word& word) {
    if (value(word) != nullptr) {
      warn(word, "an address that somebody removes is put back, and no instance goes to FAULT");
    }
  }

  void finish() {
    const IpAddress& address = result_.address.address;
    const bool is_v4 = address.is_v4();
    if (broadcast_ != nullptr && !is_v4) {
      sections_.problems.warning(broadcast_->spot, "brd is ignored: IPv6 has no broadcast");
      result_.broadcast.reset();
    } else if (broadcast_ != nullptr && broadcast_->text == "+") {
      result_.broadcast = last_of(result_.address);
    }
    if (scope_ != nullptr && !is_v4) {
      sections_.problems.warning(scope_->spot, "scope is ignored: an IPv6 address tells its own");
    }
    if (result_.peer && result_.peer->address.family() != address.family()) {
      return error(*peer_, "the peer is of the other IP version");
    }
    if (is_v4 && lifetime_given_ && result_.preferred_lifetime) {
      sections_.problems.warning(line_.spot, "preferred_lft is ignored: it is for IPv6");
      result_.preferred_lifetime.reset();
    }
    // keepalived's: an address without a network is for others to come to, not a source.
    if (!is_v4 && !lifetime_given_ && result_.address.prefix_length == 128) {
      result_.preferred_lifetime = 0;
    }
  }

  // The network's broadcast address.
  static IpAddress last_of(const PrefixedAddress& network) {
    std::array<uint8_t, 4> bytes{};
    for (size_t i = 0; i < bytes.size(); ++i) {
      const int network_bits = std::clamp(network.prefix_length - static_cast<int>(8 * i), 0, 8);
      bytes[i] = static_cast<uint8_t>(network.address.bytes()[i] | (0xff >> network_bits));
    }
    return IpAddress::v4(bytes[0], bytes[1], bytes[2], bytes[3]);
  }

  Sections& sections_;
  const Line& line_;
  std::string_view block_;
  size_t next_ = 0;
  VirtualAddress result_;
  const Word* address_ = nullptr;
  const Word* broadcast_ = nullptr;
  const Word* peer_ = nullptr;
  const Word* scope_ = nullptr;
  bool lifetime_given_ = false;
  bool failed_ = false;
};

const std::array<AddressReader::Entry, 15> AddressReader::kEntries{{
    {"dev", &AddressReader::read_device},
    {"brd", &AddressReader::read_broadcast},
    {"broadcast", &AddressReader::read_broadcast},
    {"scope", &AddressReader::read_scope},
    {"label", &AddressReader::read_label},
    {"peer", &AddressReader::read_peer},
    {"preferred_lft", &AddressReader::read_preferred_lifetime},
    {"use_vmac", &AddressReader::read_use_vmac},
    {"home", &AddressReader::read_home},
    {"-nodad", &AddressReader::read_no_dad},
    {"mngtmpaddr", &AddressReader::read_temporary},
    {"noprefixroute", &AddressReader::read_no_prefix_route},
    {"autojoin", &AddressReader::read_autojoin},
    {"no_track", &AddressReader::read_no_track},
    {"track_group", &AddressReader::read_track_group},
}};

bool is_among(const std::vector<VirtualAddress>& addresses, const VirtualAddress& address) {
  return std::any_of(addresses.begin(), addresses.end(), [&](const VirtualAddress& other) {
    return other.address.address == address.address.address;
  });
}

void say_twice(Sections& sections, const Line& line) {
  sections.problems.warning(
      line.spot, fmt::format("{} stands here a second time", quoted(line.words[0].text)));
}

void read_advertised_address(Sections& sections, VrrpDraft& draft, const Line& line) {
  auto address = read_address(sections, line, "virtual_ipaddress");
  if (!address) return;
  auto& addresses = draft.config.virtual_addresses;
  if (is_among(addresses, *address)) return say_twice(sections, line);
  if (!addresses.empty() &&
      addresses.front().address.address.family() != address->address.address.family()) {
    return sections.problems.warning(
        line.spot,
        fmt::format("{} is ignored: an advertisement carries addresses of one IP version",
                    quoted(line.words[0].text)),
        "put it in virtual_ipaddress_excluded, or in an instance of its own");
  }
  if (addresses.size() < kMostAddresses) {
    addresses.push_back(std::move(*address));
  } else if (!draft.too_many_addresses) {
    draft.too_many_addresses = true;
    sections.problems.error(
        line.spot,
        fmt::format("more than {} addresses do not fit in an advertisement", kMostAddresses),
        "virtual_ipaddress_excluded takes any number");
  }
}

}  // namespace

std::optional<VirtualAddress> read_address(Sections& sections, const Line& line,
                                           std::string_view block) {
  return AddressReader(sections, line, block).read();
}

void read_virtual_ipaddress(Sections& sections, VrrpDraft& draft, const Line& head) {
  { const Arguments none(head, sections.problems); }
  sections.blocks.read_lines(BlockKind::virtual_ipaddress, head, [&](const Line& line) {
    read_advertised_address(sections, draft, line);
  });
}

void read_excluded_addresses(Sections& sections, VrrpDraft& draft, const Line& head) {
  { const Arguments none(head, sections.problems); }
  sections.blocks.read_lines(BlockKind::virtual_ipaddress, head, [&](const Line& line) {
    auto address = read_address(sections, line, "virtual_ipaddress_excluded");
    if (!address) return;
    auto& addresses = draft.config.excluded_addresses;
    if (is_among(addresses, *address) || is_among(draft.config.virtual_addresses, *address)) {
      return say_twice(sections, line);
    }
    addresses.push_back(std::move(*address));
  });
}

void read_static_addresses(Sections& sections, const Line& head) {
  { const Arguments none(head, sections.problems); }
  sections.blocks.read_lines(BlockKind::static_addresses, head, [&](const Line& line) {
    auto address = read_address(sections, line, "static_ipaddress");
    if (!address) return;
    auto& addresses = sections.config.network.addresses;
    if (is_among(addresses, *address)) return say_twice(sections, line);
    addresses.push_back(std::move(*address));
  });
}

}  // namespace xlb::parse
