// Reads what the nftables table `ip xlb`, or `ip6 xlb`, holds, counted and remembers, straight from
// nf_tables: libnftables would list ten thousand sets in many seconds.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "core/nat_ruleset.h"
#include "core/types.h"

namespace xlb {

// By the names of core/nat_rules.h.
struct NatReading {
  struct Count {
    uint64_t packets = 0;
    uint64_t bytes = 0;
  };
  struct Client {
    IpAddress address;
    std::chrono::milliseconds expires_in{};
  };
  std::unordered_map<std::string, Count> counters;
  std::unordered_map<std::string, std::vector<Client>> client_sets;
};

class NatReader {
 public:
  static Result<NatReader> open(AddressFamily family = AddressFamily::ipv4);

  // What the table holds; nothing when there is no table.
  Result<NatNames> names();
  // All counters and these sets, added to `reading`; what is not there is left out. Between two
  // sets `give_up` is asked; then the reading ends early with an error.
  Result<void> read_into(NatReading& reading, const std::set<std::string>& client_sets,
                         const std::function<bool()>& give_up);
  Result<NatReading> read(const std::set<std::string>& client_sets,
                          const std::function<bool()>& give_up);

 private:
  NatReader(UniqueFd socket, AddressFamily family);
  Result<void> reopen();
  Result<void> dump(int message, uint16_t table_attribute, int answer,
                    const std::function<void(std::span<const std::byte>)>& visit);
  Result<void> read_counters(NatReading& reading);
  Result<void> read_clients(const std::string& set, NatReading& reading);

  UniqueFd socket_;
  AddressFamily family_;
  uint32_t sequence_ = 0;
  std::vector<std::byte> buffer_;
};

}  // namespace xlb
