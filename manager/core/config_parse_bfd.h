// bfd_instance, and who names one: track_bfd and BFD_CHECK. xlbd has no BFD, so nothing follows
// from them; what is wrong with them is said all the same, where keepalived says it.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <utility>

#include "core/config_parse_problems.h"
#include "core/lexer.h"
#include "core/types.h"

namespace xlb::parse {

class BfdWords {
 public:
  explicit BfdWords(Problems& problems) : problems_(problems) {}

  void open(const Line& head);  // bfd_instance NAME {
  void read(const Line& line);  // a line of it
  void close();                 // its `}`
  // The instance must stand above, as keepalived reads the file once.
  void use(const Word& name);
  // A line of the track_bfd at `block`.
  void track(const Line& line, const Spot& block);

 private:
  void read_address(const Line& line);
  void read_number(const Line& line);
  void warn(const Spot& spot, const std::string& text, const std::string& hint = {});

  Problems& problems_;
  std::set<std::string, std::less<>> names_;
  std::set<std::pair<uint32_t, std::string>> tracked_;  // a block's order, and whom it tracks
  std::string name_;
  Spot head_;
  std::optional<IpAddress> neighbor_;
  std::optional<IpAddress> source_;
  bool malformed_ = false;  // an address, which is said
  double ttl_ = 0;
  double max_hops_ = 0;
};

}  // namespace xlb::parse
