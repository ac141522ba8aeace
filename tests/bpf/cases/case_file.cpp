#include "case_file.h"

#include <stdexcept>

#include "kernel.h"
#include "packet_words.h"
#include "table_words.h"

namespace xlb::cases {
namespace {

// A value of each product.
struct Choice {
  uint8_t family = XLB_IPV4;
  std::string tags = "none";
  std::string method = "dr";
};

std::vector<oracle::Tag> tags_named(const std::string& text) {
  std::vector<oracle::Tag> tags;
  if (text == "none") return tags;
  for (const std::string& one : split(text, ","))
    tags.push_back({0x8100, static_cast<uint16_t>(number_of(one))});
  if (tags.size() == 2) tags.front().type = 0x88a8;
  return tags;
}

xlb_verdict reason_named(const std::string& name) {
  for (uint32_t i = 0; i < XLB_VERDICTS; i++)
    if (name == oracle::name_of(static_cast<xlb_verdict>(i))) return static_cast<xlb_verdict>(i);
  throw std::invalid_argument("no verdict " + name);
}

Expectation expectation_of(const std::string& text, const TableWriter& tables) {
  Words words(text);
  Expectation expected;
  const std::string kind = words.next();
  if (kind == "sent") {
    expected.kind = Expectation::Kind::sent;
  } else if (kind == "pass" || kind == "drop") {
    expected.reason = reason_named((kind == "pass" ? "PASS_" : "DROP_") + words.next());
  } else if (kind == "time-exceeded") {
    expected.kind = Expectation::Kind::time_exceeded;
  } else if (kind == "too-big") {
    expected.kind = Expectation::Kind::too_big;
    expected.mtu = static_cast<uint16_t>(words.number());
  } else {
    throw std::invalid_argument("not an outcome: " + kind);
  }
  while (!words.empty()) {
    const std::string word = words.next();
    if (word == "rs")
      expected.real_server = words.number();
    else if (word == "new")
      expected.counts_connection = true;
    else if (word == "by")
      expected.unserved = tables.service(words.next()).id;
    else if (word == "flow")
      expected.flow_state = flow_state_named(words.next());
    else if (word == "client")
      expected.client = words.number();
    else
      throw std::invalid_argument("not a word of an outcome: " + word);
  }
  return expected;
}

class CaseReader {
 public:
  CaseReader(std::string file, std::span<const uint32_t> ports)
      : file_(std::move(file)), ports_(ports) {}

  std::vector<Case> read(std::istream& in) {
    for (std::string line; std::getline(in, line);) {
      number_++;
      try {
        read_line(trimmed(line.substr(0, line.find('#'))));
      } catch (const std::exception& error) {
        throw std::runtime_error(place() + ": " + error.what());
      }
    }
    return std::move(cases_);
  }

 private:
  [[nodiscard]] std::string place() const { return file_ + ":" + std::to_string(number_); }

  void read_line(const std::string& line) {
    if (line.empty()) return;
    if (line == "---") {
      lines_.clear();
      families_ = {"4", "6"};
      tags_ = {"none"};
      methods_ = {"dr"};
    } else if (line.starts_with("product ")) {
      read_product(line);
    } else if (line.find(" : ") == std::string::npos) {
      lines_.push_back(line);
    } else {
      read_case(line);
    }
  }

  void read_product(const std::string& line) {
    Words words(line);
    (void)words.next();
    const std::string name = words.next();
    auto& values = name == "family" ? families_ : name == "tags" ? tags_ : methods_;
    if (name != "family" && name != "tags" && name != "method")
      throw std::invalid_argument("no product of " + name);
    values.clear();
    while (!words.empty())
      values.push_back(words.next());
  }

  void read_case(const std::string& line) {
    const size_t colon = line.find(" : ");
    std::string name = trimmed(line.substr(0, colon));
    const std::string steps = line.substr(colon + 3);
    std::string only;  // "[4] name": of this family only
    if (name.front() == '[') {
      only = name.substr(1, 1);
      name = trimmed(name.substr(3));
    }
    for (const std::string& family : families_) {
      if (!only.empty() && only != family) continue;
      for (const std::string& tags : tags_)
        for (const std::string& method : methods_)
          add_case(name, steps, {static_cast<uint8_t>(number_of(family)), tags, method});
    }
  }

  void add_case(const std::string& name, const std::string& steps, const Choice& choice) {
    Case one;
    one.place = place();
    one.name = name + " (IPv" + std::to_string(choice.family);
    if (choice.tags != "none") one.name += ", tags " + choice.tags;
    if (methods_.size() > 1) one.name += ", " + choice.method;
    one.name += ")";
    TableWriter writer(choice.family, ports_);
    for (std::string line : lines_) {
      for (size_t at = line.find("$method"); at != std::string::npos; at = line.find("$method"))
        line.replace(at, 7, choice.method);
      writer.read(line);
    }
    for (const std::string& step : split(steps, " ; ")) {
      if (trimmed(step).starts_with("given ")) {
        writer.read(trimmed(step).substr(6));
        continue;
      }
      const auto sides = split(step, "=>");
      if (sides.size() != 2) throw std::invalid_argument("not PACKET => OUTCOME: " + step);
      Words words(sides[0]);
      one.steps.push_back({packet_of(words, choice.family, tags_named(choice.tags)),
                           expectation_of(sides[1], writer)});
    }
    one.tables = writer.tables();
    cases_.push_back(std::move(one));
  }

  std::string file_;
  std::span<const uint32_t> ports_;
  size_t number_ = 0;
  std::vector<std::string> lines_;  // about tables
  std::vector<std::string> families_{"4", "6"};
  std::vector<std::string> tags_{"none"};
  std::vector<std::string> methods_{"dr"};
  std::vector<Case> cases_;
};

}  // namespace

std::vector<Case> read_cases(std::istream& in, const std::string& file,
                             std::span<const uint32_t> ports) {
  return CaseReader(file, ports).read(in);
}

}  // namespace xlb::cases
