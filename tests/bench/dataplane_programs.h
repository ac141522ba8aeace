// The programs that the data plane is compared with (dataplane_programs.bpf.c), loaded and told
// what the frames are for.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"

struct dataplane_programs_bpf;

namespace xlb::bench {

struct LruSetup {
  struct Server {
    std::vector<uint8_t> address;  // 4 or 16 bytes
    uint16_t port = 0;
    uint8_t protocol = 0;
  };
  uint32_t flows = 1;  // size of the flow table
  std::vector<uint8_t> destination_mac;
  std::vector<uint8_t> source_mac;
  std::vector<Server> servers;
};

class Programs {
 public:
  static Result<Programs> load(const LruSetup& lru);
  // Its descriptor, which stays theirs; -1: there is none of this name.
  [[nodiscard]] int find(std::string_view name) const;

 private:
  struct Destroy {
    void operator()(dataplane_programs_bpf* skeleton) const;
  };
  std::unique_ptr<dataplane_programs_bpf, Destroy> skeleton_;
};

}  // namespace xlb::bench
