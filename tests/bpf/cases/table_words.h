// "service web tcp 80 ring 1,2": the lines of *.cases that describe what the tables hold.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "packet_words.h"
#include "tables.h"

namespace xlb::cases {

class TableWriter {
 public:
  TableWriter(uint8_t family, std::span<const uint32_t> ports);

  // One line; `$method` is already replaced. Also takes what a step gives: "flow", "client", ...
  void read(const std::string& line);
  [[nodiscard]] const oracle::Tables& tables() const { return tables_; }
  [[nodiscard]] const xlb_service& service(const std::string& name) const;

 private:
  void read_service(Words& words);
  void read_address(Words& words);
  void read_real_server(Words& words);
  void read_peer(Words& words);
  void read_flow(Words& words);
  void read_full(Words& words);
  void read_client(Words& words);
  void read_fragment(Words& words);
  uint64_t read_run(const std::string& list, uint32_t service_id);
  void put_flow(uint64_t key, uint64_t value);

  uint8_t family_;
  std::span<const uint32_t> ports_;
  oracle::Tables tables_;
  std::map<std::string, uint32_t> services_;  // by name: id
  uint32_t next_slot_ = 0;
};

uint32_t flow_state_named(const std::string& name);

}  // namespace xlb::cases
