// "ttl 2 tcp 40000>80 S": a packet in words, as README.md lists them.
#pragma once

#include <string>
#include <vector>

#include "frame.h"

namespace xlb::cases {

// Words still to be read, and what to say when they are wrong.
class Words {
 public:
  explicit Words(const std::string& text);

  [[nodiscard]] bool empty() const { return at_ == words_.size(); }
  [[nodiscard]] const std::string& peek() const { return words_[at_]; }
  std::string next();
  uint32_t number();

 private:
  std::vector<std::string> words_;
  size_t at_ = 0;
};

// From `client` to `vip` by way of the router, unless the words say otherwise.
oracle::FrameSpec packet_of(Words& words, uint8_t family, const std::vector<oracle::Tag>& tags);

uint32_t number_of(const std::string& text);
std::vector<std::string> split(const std::string& text, const std::string& separator);
std::string trimmed(const std::string& text);

}  // namespace xlb::cases
