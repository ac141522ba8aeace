#include "packet_words.h"

#include <functional>
#include <map>
#include <sstream>
#include <stdexcept>

#include "world.h"

namespace xlb::cases {
namespace {

using oracle::Extension;
using oracle::FrameSpec;

constexpr uint8_t kFragmentHeader = 44;

uint8_t flags_of(const std::string& letters) {
  static const std::map<char, uint8_t> kBits{{'F', 0x01}, {'S', 0x02}, {'R', 0x04}, {'P', 0x08},
                                             {'A', 0x10}, {'U', 0x20}, {'E', 0x40}, {'C', 0x80}};
  uint8_t flags = 0;
  if (letters == "-") return flags;
  for (const char letter : letters) {
    const auto found = kBits.find(letter);
    if (found == kBits.end()) throw std::invalid_argument("no TCP flag " + letters);
    flags |= found->second;
  }
  return flags;
}

// "40000>80"
void read_ports(FrameSpec& spec, const std::string& text) {
  const auto sides = split(text, ">");
  if (sides.size() != 2) throw std::invalid_argument("not SOURCE>DESTINATION: " + text);
  spec.source_port = static_cast<uint16_t>(number_of(sides[0]));
  spec.destination_port = static_cast<uint16_t>(number_of(sides[1]));
}

Extension extension_of(const std::string& text) {
  static const std::map<std::string, uint8_t> kTypes{{"hop", 0}, {"route", 43}, {"frag", 44},
                                                     {"ah", 51}, {"dest", 60},  {"mobility", 135}};
  const auto parts = split(text, "/");  // NAME or NAME/LENGTH
  const auto found = kTypes.find(parts[0]);
  if (found == kTypes.end()) throw std::invalid_argument("no extension header " + text);
  return {found->second, static_cast<uint8_t>(parts.size() > 1 ? number_of(parts[1]) : 0)};
}

void set_fragment(FrameSpec& spec, uint32_t offset_bytes, bool more) {
  if (spec.family == XLB_IPV4) {
    spec.fragment =
        static_cast<uint16_t>((spec.fragment & 0x4000) | offset_bytes / 8 | (more ? 0x2000 : 0));
    return;
  }
  spec.fragment = static_cast<uint16_t>(offset_bytes | (more ? 1 : 0));
  spec.extensions.push_back({kFragmentHeader, 0});
}

// "quote tcp 80>40000 A bytes 28": what a real server sent to the client for the virtual server.
// `bytes` cuts it, from its IP header on.
void read_quoted(FrameSpec& spec, Words& words) {
  FrameSpec inner;
  inner.family = spec.family;
  inner.source = address_named("vip", spec.family);
  inner.destination = address_named("client", spec.family);
  inner.flags = 0x10;
  inner.payload = 2000;
  inner.ttl = 3;
  uint32_t bytes = UINT32_MAX;
  while (!words.empty()) {
    const std::string word = words.next();
    if (word == "tcp" || word == "udp") {
      inner.protocol = word == "tcp" ? 6 : 17;
      read_ports(inner, words.next());
    } else if (word == "from") {
      inner.source = address_named(words.next(), spec.family);
    } else if (word == "to") {
      inner.destination = address_named(words.next(), spec.family);
    } else if (word == "proto") {
      inner.protocol = static_cast<uint8_t>(words.number());
    } else if (word == "options") {
      inner.option_bytes = words.number();
    } else if (word == "first") {
      set_fragment(inner, 0, true);
    } else if (word == "later") {
      set_fragment(inner, 1480, false);
      inner.headless = true;
    } else if (word == "version") {
      inner.version = static_cast<uint8_t>(words.number());
    } else if (word == "bytes") {
      bytes = words.number();
    } else {
      throw std::invalid_argument("not a word of a quoted packet: " + word);
    }
  }
  spec.body = oracle::encode_ip(inner);
  const uint32_t header = spec.family == XLB_IPV4 ? 20 + inner.option_bytes : 40;
  if (bytes == UINT32_MAX) bytes = 100;
  spec.body.resize(std::min<size_t>(spec.body.size(), header + bytes));
}

void read_icmp(FrameSpec& spec, Words& words) {
  static const std::map<std::string, std::array<uint8_t, 4>> kErrors{
      // IPv4 type and code, IPv6 type and code
      {"too-big", {3, 4, 2, 0}},      {"unreachable", {3, 1, 1, 0}},
      {"port-closed", {3, 3, 1, 4}},  {"time-exceeded", {11, 0, 3, 0}},
      {"bad-header", {12, 0, 4, 0}},  {"echo", {8, 0, 128, 0}},
      {"echo-reply", {0, 0, 129, 0}}, {"redirect", {5, 1, 137, 0}},
      {"quench", {4, 0, 135, 0}},     {"router", {9, 0, 134, 0}}};
  const std::string name = words.next();
  const auto found = kErrors.find(name);
  if (found == kErrors.end()) throw std::invalid_argument("no ICMP message " + name);
  const bool v4 = spec.family == XLB_IPV4;
  spec.protocol = v4 ? 1 : 58;
  spec.icmp_type = found->second[v4 ? 0 : 2];
  spec.icmp_code = found->second[v4 ? 1 : 3];
  spec.icmp_rest = 1400;
  if (words.empty() || words.peek() != "quote") return;
  (void)words.next();
  read_quoted(spec, words);
}

using Setter = std::function<void(FrameSpec&, Words&)>;

void read_transport(FrameSpec& spec, Words& words, uint8_t protocol) {
  spec.protocol = protocol;
  if (spec.headless) return;
  read_ports(spec, words.next());
  if (protocol == 6) spec.flags = flags_of(words.next());
}

const std::map<std::string, Setter>& link_and_network_words() {
  static const std::map<std::string, Setter> kWords{
      {"to", [](auto& spec, auto& words) { spec.to = mac_named(words.next()); }},
      {"from", [](auto& spec, auto& words) { spec.from = mac_named(words.next()); }},
      {"src",
       [](auto& spec, auto& words) { spec.source = address_named(words.next(), spec.family); }},
      {"dst", [](auto& spec,
                 auto& words) { spec.destination = address_named(words.next(), spec.family); }},
      {"tag",
       [](auto& spec, auto& words) {
         spec.tags.push_back({0x8100, uint16_t(words.number())});
       }},
      {"ethertype",
       [](auto& spec, auto& words) { spec.ether_type = static_cast<uint16_t>(words.number()); }},
      {"ttl", [](auto& spec, auto& words) { spec.ttl = static_cast<uint8_t>(words.number()); }},
      {"tos", [](auto& spec, auto& words) { spec.tos = static_cast<uint8_t>(words.number()); }},
      {"label", [](auto& spec, auto& words) { spec.flow_label = words.number(); }},
      {"id", [](auto& spec, auto& words) { spec.identification = words.number(); }},
      {"df",
       [](auto& spec, auto&) {
         if (spec.family == XLB_IPV4) spec.fragment |= 0x4000;
       }},
      {"evil",
       [](auto& spec, auto&) {
         if (spec.family == XLB_IPV4) spec.fragment |= 0x8000;
       }},
      {"options", [](auto& spec, auto& words) { spec.option_bytes = words.number(); }},
      {"ext",
       [](auto& spec, auto& words) { spec.extensions.push_back(extension_of(words.next())); }},
      {"first", [](auto& spec, auto&) { set_fragment(spec, 0, true); }},
      {"whole", [](auto& spec, auto&) { set_fragment(spec, 0, false); }},
      {"middle",
       [](auto& spec, auto& words) {
         set_fragment(spec, words.number(), true);
         spec.headless = true;
       }},
      {"last",
       [](auto& spec, auto& words) {
         set_fragment(spec, words.number(), false);
         spec.headless = true;
       }},
      {"version",
       [](auto& spec, auto& words) { spec.version = static_cast<uint8_t>(words.number()); }},
      {"ihl",
       [](auto& spec, auto& words) { spec.header_words = static_cast<uint8_t>(words.number()); }},
      {"total",
       [](auto& spec, auto& words) {
         // Of the IP packet, header included, in both families.
         const uint32_t total = words.number();
         spec.total_length = static_cast<uint16_t>(spec.family == XLB_IPV4 ? total
                                                   : total < 40            ? 0
                                                                           : total - 40);
       }},
  };
  return kWords;
}

const std::map<std::string, Setter>& transport_words() {
  static const std::map<std::string, Setter> kWords{
      {"tcp", [](auto& spec, auto& words) { read_transport(spec, words, 6); }},
      {"udp", [](auto& spec, auto& words) { read_transport(spec, words, 17); }},
      {"icmp", [](auto& spec, auto& words) { read_icmp(spec, words); }},
      {"icmp-fragment",
       [](auto& spec, auto&) { spec.protocol = spec.family == XLB_IPV4 ? 1 : 58; }},
      {"proto",
       [](auto& spec, auto& words) { spec.protocol = static_cast<uint8_t>(words.number()); }},
      {"doff",
       [](auto& spec, auto& words) { spec.tcp_words = static_cast<uint8_t>(words.number()); }},
      {"udp-length",
       [](auto& spec, auto& words) { spec.udp_length = static_cast<uint16_t>(words.number()); }},
      {"len", [](auto& spec, auto& words) { spec.payload = words.number(); }},
      {"pad", [](auto& spec, auto& words) { spec.padding = words.number(); }},
      // The frame ends so many bytes after its Ethernet header and tags.
      {"cut",
       [](auto& spec, auto& words) {
         spec.cut = static_cast<unsigned>(14 + 4 * spec.tags.size() + words.number());
       }},
  };
  return kWords;
}

}  // namespace

Words::Words(const std::string& text) {
  std::istringstream stream(text);
  for (std::string word; stream >> word;)
    words_.push_back(word);
}

std::string Words::next() {
  if (empty()) throw std::invalid_argument("a word is missing at the end");
  return words_[at_++];
}

uint32_t Words::number() {
  return number_of(next());
}

oracle::FrameSpec packet_of(Words& words, uint8_t family, const std::vector<oracle::Tag>& tags) {
  FrameSpec spec;
  spec.to = kDirector;
  spec.from = kRouter;
  spec.tags = tags;
  spec.family = family;
  spec.source = address_named("client", family);
  spec.destination = address_named("vip", family);
  while (!words.empty()) {
    const std::string word = words.next();
    for (const auto* known : {&link_and_network_words(), &transport_words()}) {
      const auto found = known->find(word);
      if (found == known->end()) {
        if (known == &transport_words()) throw std::invalid_argument("not a word: " + word);
        continue;
      }
      found->second(spec, words);
      break;
    }
  }
  return spec;
}

uint32_t number_of(const std::string& text) {
  size_t used = 0;
  const unsigned long value = std::stoul(text, &used, 0);
  if (used != text.size()) throw std::invalid_argument("not a number: " + text);
  return static_cast<uint32_t>(value);
}

std::vector<std::string> split(const std::string& text, const std::string& separator) {
  std::vector<std::string> parts;
  size_t from = 0;
  for (size_t at = text.find(separator); at != std::string::npos;
       from = at + separator.size(), at = text.find(separator, from))
    parts.push_back(text.substr(from, at - from));
  parts.push_back(text.substr(from));
  return parts;
}

std::string trimmed(const std::string& text) {
  const size_t from = text.find_first_not_of(" \t");
  if (from == std::string::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t") - from + 1);
}

}  // namespace xlb::cases
