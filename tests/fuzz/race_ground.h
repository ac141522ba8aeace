// What races run on: tables in one bucket's reach, every CPU at once, and what must hold after it.
#pragma once

#include <arpa/inet.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "frame.h"
#include "kernel.h"
#include "model_select.h"

namespace xlb::oracle {

inline constexpr Mac kMac{0x02, 0, 0, 0, 0, 0x01};
inline constexpr uint16_t kWeb = 1;     // ids
inline constexpr uint16_t kSticky = 2;  // persistent
inline constexpr uint16_t kWebPort = 80;
inline constexpr uint16_t kStickyPort = 443;
inline constexpr uint32_t kWebServers = 4;    // real servers 1 to 4
inline constexpr uint32_t kLiveServer = 9;    // only the live connection's
inline constexpr uint32_t kStickyFirst = 10;  // and the next three
inline constexpr uint8_t kFinAck = 0x11;

struct Flow {
  uint16_t port = 0;
  uint64_t key = 0;
};

class RaceGround {
 protected:
  explicit RaceGround(uint32_t rounds);

  [[nodiscard]] static Connection connection_of(uint16_t port, const xlb_service& service) {
    return {.family = XLB_IPV4,
            .protocol = 6,
            .client = address_of("198.51.100.7"),
            .client_port = port,
            .server = address_of("10.10.0.3"),
            .server_port = ntohs(service.key.port)};
  }
  [[nodiscard]] static uint64_t key_of(uint16_t port, const xlb_service& service) {
    return flow_key(connection_of(port, service), service);
  }
  [[nodiscard]] static Bytes packet(uint16_t port, uint8_t flags, uint16_t to = kWebPort) {
    FrameSpec spec;
    spec.to = kMac;
    spec.from = {0x02, 0, 0, 0, 0, 0x02};
    spec.source = address_of("198.51.100.7");
    spec.destination = address_of("10.10.0.3");
    spec.source_port = port;
    spec.destination_port = to;
    spec.flags = flags;
    return encode(spec);
  }

  // On every CPU at once: `work` of each CPU's number, `rounds` times, all starting each round
  // together; `between` runs alone after each. In real time, so that the CPUs truly meet and other
  // work here does not make the rounds last.
  void together(uint32_t rounds, const std::function<void(uint32_t cpu, uint32_t round)>& work,
                const std::function<void(uint32_t round)>& between = {}) const;
  void expect(const std::string& what, bool holds, const std::string& otherwise);
  // Differences between the loads and the entries; entries half filled. 0: none.
  uint64_t inconsistencies();
  // No flow, no load.
  void clear();

  Kernel kernel_;
  Tables tables_;
  uint32_t rounds_;
  uint32_t cpus_ = 2;
  std::vector<Flow> flows_;  // whose home is one of the first two buckets, a pair
  size_t passed_ = 0;
  size_t failed_ = 0;
};

}  // namespace xlb::oracle
