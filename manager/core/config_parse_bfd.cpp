#include "core/config_parse_bfd.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>

namespace xlb::parse {
namespace {

constexpr double kMostMilliseconds = 4'294'967;
constexpr double kMostWeight = 253;

struct Number {
  std::string_view word;
  double least;
  double most;
  int decimals = 0;
};
constexpr Number kNumbers[] = {{"min_rx", 1, kMostMilliseconds, 3},
                               {"min_tx", 1, kMostMilliseconds, 3},
                               {"idle_tx", 1000, kMostMilliseconds, 3},
                               {"multiplier", 1, 255},
                               {"ttl", 1, 255},
                               {"hoplimit", 1, 255},
                               {"max_hops", -1, 255},
                               {"weight", -kMostWeight, kMostWeight}};

std::optional<double> parse(std::string_view text, int decimals) {
  const size_t point = text.find('.');
  const size_t fraction = point == std::string_view::npos ? 0 : text.size() - point - 1;
  if (fraction > static_cast<size_t>(decimals)) return std::nullopt;
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value, std::chars_format::fixed);
  if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return value;
}

}  // namespace

void BfdWords::warn(const Spot& spot, const std::string& text, const std::string& hint) {
  problems_.warning(spot, fmt::format("bfd_instance {}: {}", quoted(name_), text), hint);
}

void BfdWords::open(const Line& head) {
  head_ = head.spot;
  neighbor_.reset();
  source_.reset();
  malformed_ = false;
  ttl_ = max_hops_ = 0;
  name_ = head.words.size() > 1 ? head.words[1].text : "";
  if (name_.empty()) return problems_.error(head_, "bfd_instance needs a name");
  if (!names_.insert(name_).second) warn(head_, "it stands here a second time");
}

void BfdWords::read_address(const Line& line) {
  const bool is_source = line.words[0].text == "source_ip";
  const auto address = IpAddress::parse(line.words[1].text);
  if (!address) {
    malformed_ = true;
    warn(line.words[1].spot, fmt::format("{} is not an address", quoted(line.words[1].text)),
         fmt::format("{} 10.0.0.2", line.words[0].text));
  }
  (is_source ? source_ : neighbor_) = address;
}

void BfdWords::read_number(const Line& line) {
  const std::string& word = line.words[0].text;
  const auto* const number = std::find_if(std::begin(kNumbers), std::end(kNumbers),
                                          [&](const Number& it) { return it.word == word; });
  if (number == std::end(kNumbers)) return;
  const auto value = parse(line.words[1].text, number->decimals);
  if (!value || *value < number->least || *value > number->most) {
    return warn(
        line.words[1].spot, fmt::format("{} is out of range", quoted(line.words[1].text)),
        fmt::format("{} takes a number from {:.0f} to {:.0f}", word, number->least, number->most));
  }
  if (word == "ttl" || word == "hoplimit") ttl_ = *value;
  if (word == "max_hops") max_hops_ = *value;
  if (word == "weight" && line.words.size() > 2 && line.words[2].text != "reverse") {
    warn(line.words[2].spot, fmt::format("unknown word {}", quoted(line.words[2].text)), "reverse");
  }
}

void BfdWords::read(const Line& line) {
  if (line.words.size() < 2) return;
  const std::string& word = line.words[0].text;
  if (word == "neighbor_ip" || word == "neighbour_ip" || word == "source_ip") {
    read_address(line);
  } else {
    read_number(line);
  }
}

void BfdWords::close() {
  if (!neighbor_ && !malformed_) {
    warn(head_, "it has no neighbor_ip", "neighbor_ip 10.0.0.2");
  } else if (neighbor_ && source_ && neighbor_->family() != source_->family()) {
    warn(head_, "neighbor_ip and source_ip are of different IP versions");
  }
  if (!neighbor_) return;
  const double usual = neighbor_->is_v4() ? 255 : 64;
  const double ttl = ttl_ > 0 ? ttl_ : usual;
  if (max_hops_ > ttl) {
    warn(head_, fmt::format("max_hops is more than its ttl or hoplimit, {:.0f}", ttl));
  }
}

void BfdWords::use(const Word& name) {
  if (names_.contains(name.text)) return;
  problems_.warning(name.spot, fmt::format("there is no bfd_instance {} above", quoted(name.text)),
                    fmt::format("bfd_instance {} {{ neighbor_ip ADDRESS }}", name.text));
}

void BfdWords::track(const Line& line, const Spot& block) {
  const Word& name = line.words[0];
  use(name);
  if (!tracked_.emplace(block.order, name.text).second) {
    problems_.warning(
        name.spot, fmt::format("{} stands here already: the first one counts", quoted(name.text)));
  }
  if (line.words.size() < 2 || line.words[1].text != "weight") return;
  const auto weight = line.words.size() > 2 ? parse(line.words[2].text, 0) : std::nullopt;
  if (!weight || *weight < -kMostWeight || *weight > kMostWeight) {
    problems_.warning(
        line.words.back().spot,
        fmt::format("the weight of bfd_instance {} is no number from -{:.0f} to {:.0f}",
                    quoted(name.text), kMostWeight, kMostWeight));
  }
}

}  // namespace xlb::parse
