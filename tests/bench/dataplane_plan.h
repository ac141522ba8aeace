// What to measure, as JSON: which frames, through which programs, how often. Members are those of
// the structs below, bytes in hexadecimal; dataplane.py writes it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "dataplane_programs.h"
#include "dataplane_wrapper.h"

namespace xlb::bench {

// A program, where it runs, and what it must answer.
struct Subject {
  std::string label;
  std::string program;  // a pin's path, or the name of one of Programs
  Place place;
  uint32_t verdict = 0;          // XDP action
  bool forwarded = false;        // the destination MAC must have changed
  bool encapsulated = false;     // the frame must have grown
  Place far_end;                 // live frames: where they must arrive
  std::vector<Stream> openings;  // sent once for each flow before measuring
  Stream measured;
};

struct Class {
  std::string name;
  uint32_t packets = 0;  // a sample
  // Flows, a power of two, visited at random; 0: every packet is a new one.
  uint32_t flows = 1;
  uint32_t fresh_before = 0;      // flows == 0: so many new flows fill the table first
  std::vector<Subject> subjects;  // the first is what the others are compared with
};

struct Plan {
  int cpu = 0;
  uint32_t rounds = 0;
  LruSetup lru;
  std::vector<Class> classes;
};

// Waiting for a running daemon: until new connections go where they should.
struct Watch {
  std::string program;  // a pin's path
  Place place;
  Stream stream;             // each packet opens a connection
  uint32_t connections = 1;  // so many in a row are looked at, and all must be forwarded
  std::vector<uint8_t> mac;  // not empty: and some of them, or none, to this MAC
  bool some = false;
  double timeout_s = 0;
};

Result<Plan> parse_plan(std::string_view text);
Result<Watch> parse_watch(std::string_view text);

}  // namespace xlb::bench
