// What the kinds of datagram_probe.h send, and what they make of a reply. Internal to io/probe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "core/config_check.h"
#include "core/health.h"

namespace xlb {

class DatagramExchange {
 public:
  DatagramExchange() = default;
  DatagramExchange(const DatagramExchange&) = delete;
  DatagramExchange& operator=(const DatagramExchange&) = delete;
  virtual ~DatagramExchange() = default;

  // Not yet connected.
  [[nodiscard]] virtual Result<UniqueFd> open() = 0;
  [[nodiscard]] virtual std::vector<uint8_t> request() const = 0;
  [[nodiscard]] virtual size_t longest_reply() const = 0;  // in bytes; the rest may be cut off
  // What a datagram decides; nullopt: nothing, it is no reply.
  [[nodiscard]] virtual std::optional<ProbeResult> judge(std::span<const uint8_t> bytes) const = 0;
  // What silence until the deadline means, and a failure to be told of it.
  [[nodiscard]] virtual bool silence_passes() const { return false; }
};

std::unique_ptr<DatagramExchange> make_dns_exchange(const CheckConfig& check);
std::unique_ptr<DatagramExchange> make_udp_exchange(const CheckConfig& check);
std::unique_ptr<DatagramExchange> make_ping_exchange(const CheckConfig& check);

// From the kernel: nobody can guess them.
void fill_randomly(std::span<uint8_t> bytes);

}  // namespace xlb
