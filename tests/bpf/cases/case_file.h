// The language of *.cases: packets and what becomes of them, as data. See README.md.
#pragma once

#include <istream>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "frame.h"
#include "tables.h"

namespace xlb::cases {

using oracle::Bytes;
using oracle::FrameSpec;
using oracle::Tables;

// What is written after "=>".
struct Expectation {
  enum class Kind { sent, left, time_exceeded, too_big } kind = Kind::left;
  xlb_verdict reason = XLB_PASS_NOT_OURS;  // of `left`
  uint32_t real_server = 1;                // of `sent`
  uint16_t mtu = 0;                        // of `too_big`
  bool counts_connection = false;
  uint32_t unserved = 0;               // id of the service that counts it; 0: none
  std::optional<uint32_t> flow_state;  // of the packet's connection afterwards; 0: no entry
  std::optional<uint32_t> client;      // real server that its client is remembered for; 0: none
};

struct Step {
  FrameSpec packet;
  Expectation expected;
};

struct Case {
  std::string name;   // with the values of its product
  std::string place;  // file:line
  Tables tables;
  std::vector<Step> steps;
};

// Every case of a file, each for every combination of its products. Throws with file:line.
std::vector<Case> read_cases(std::istream& in, const std::string& file,
                             std::span<const uint32_t> ports);

}  // namespace xlb::cases
