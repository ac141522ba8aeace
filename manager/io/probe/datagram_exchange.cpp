#include "io/probe/datagram_exchange.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "core/dns_message.h"
#include "core/icmp_echo.h"
#include "io/probe/probe_socket.h"

namespace xlb {
namespace {

constexpr size_t kRandomPayloadBytes = 32;
constexpr size_t kLongestDnsReply = 4096;
constexpr size_t kLongestPing = 256;

uint16_t random16() {
  std::array<uint8_t, 2> bytes{};
  fill_randomly(bytes);
  return static_cast<uint16_t>(bytes[0] << 8 | bytes[1]);
}

class DnsExchange final : public DatagramExchange {
 public:
  explicit DnsExchange(const CheckConfig& check)
      : family_(check.target.address.family()), source_(check.source) {
    const auto& dns = std::get<DnsCheck>(check.own);
    question_ = {random16(), dns.type, dns.name};
  }

  Result<UniqueFd> open() override {
    return open_probe_socket(family_, SOCK_DGRAM, IPPROTO_UDP, source_);
  }
  [[nodiscard]] std::vector<uint8_t> request() const override { return dns_query(question_); }
  [[nodiscard]] size_t longest_reply() const override { return kLongestDnsReply; }
  [[nodiscard]] std::optional<ProbeResult> judge(std::span<const uint8_t> bytes) const override {
    const DnsReply reply = read_dns_reply(bytes, question_);
    switch (reply.answer) {
      case DnsAnswer::foreign:
        return std::nullopt;
      case DnsAnswer::malformed:
        return ProbeResult{false, "the reply is malformed"};
      case DnsAnswer::refused:
        return ProbeResult{false,
                           fmt::format("answered {}", dns_response_code_name(reply.response_code))};
      case DnsAnswer::good:
        break;
    }
    return ProbeResult{true, "answered"};
  }

 private:
  AddressFamily family_;
  CheckSource source_;
  DnsQuestion question_;
};

class UdpExchange final : public DatagramExchange {
 public:
  explicit UdpExchange(const CheckConfig& check)
      : family_(check.target.address.family()),
        source_(check.source),
        udp_(std::get<UdpCheck>(check.own)) {}

  Result<UniqueFd> open() override {
    return open_probe_socket(family_, SOCK_DGRAM, IPPROTO_UDP, source_);
  }
  [[nodiscard]] std::vector<uint8_t> request() const override {
    if (!udp_.payload.empty()) return udp_.payload;
    std::vector<uint8_t> bytes(kRandomPayloadBytes);
    fill_randomly(bytes);
    return bytes;
  }
  // One more, to tell that a reply is too long.
  [[nodiscard]] size_t longest_reply() const override { return size_t{udp_.longest_reply} + 1; }
  [[nodiscard]] bool silence_passes() const override { return !udp_.reply_needed; }
  [[nodiscard]] std::optional<ProbeResult> judge(std::span<const uint8_t> bytes) const override {
    if (!udp_.reply_needed) return ProbeResult{true, "answered"};
    if (bytes.size() > udp_.longest_reply) {
      return ProbeResult{false,
                         fmt::format("the reply has more than {} bytes", udp_.longest_reply)};
    }
    if (bytes.size() < udp_.shortest_reply) {
      return ProbeResult{false, fmt::format("the reply has {} bytes, expected {} at least",
                                            bytes.size(), udp_.shortest_reply)};
    }
    const size_t compared = std::min(bytes.size(), udp_.reply.bytes.size());
    for (size_t i = 0; i < compared; ++i) {
      if (((bytes[i] ^ udp_.reply.bytes[i]) & udp_.reply.mask[i]) == 0) continue;
      return ProbeResult{false, fmt::format("byte {} of the reply is {:02x}, expected {:02x}", i,
                                            bytes[i], udp_.reply.bytes[i])};
    }
    return ProbeResult{true, fmt::format("answered with {} bytes", bytes.size())};
  }

 private:
  AddressFamily family_;
  CheckSource source_;
  UdpCheck udp_;
};

class PingExchange final : public DatagramExchange {
 public:
  explicit PingExchange(const CheckConfig& check)
      : family_(check.target.address.family()), source_(check.source) {
    request_.identifier = random16();
    request_.sequence = 1;
    fill_randomly(request_.token);
  }

  // A raw socket needs CAP_NET_RAW, one of ICMP's own a group in ping_group_range.
  Result<UniqueFd> open() override {
    const int protocol = family_ == AddressFamily::ipv4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6};
    Result<UniqueFd> raw = open_probe_socket(family_, SOCK_RAW, protocol, source_);
    raw_ = raw.ok();
    if (!raw && raw.error().code == EPERM) {
      return open_probe_socket(family_, SOCK_DGRAM, protocol, source_);
    }
    if (raw) hear_replies_only(raw->get());
    return raw;
  }
  [[nodiscard]] std::vector<uint8_t> request() const override {
    return encode_echo(request_, family_);
  }
  [[nodiscard]] size_t longest_reply() const override { return kLongestPing; }
  [[nodiscard]] std::optional<ProbeResult> judge(std::span<const uint8_t> bytes) const override {
    const auto message = raw_ ? icmp_of_raw(bytes, family_) : bytes;
    if (!answers_echo(message, request_, family_, raw_)) return std::nullopt;
    return ProbeResult{true, "echo reply"};
  }

 private:
  // Best effort: what else comes is passed over.
  void hear_replies_only(int socket) const {
    if (family_ == AddressFamily::ipv4) {
      constexpr int kIcmpFilter = 1;          // <linux/icmp.h>, which does not go with <netinet>
      const uint32_t blocked = ~uint32_t{1};  // all types but 0
      (void)::setsockopt(socket, SOL_RAW, kIcmpFilter, &blocked, sizeof blocked);
      return;
    }
    icmp6_filter filter{};
    ICMP6_FILTER_SETBLOCKALL(&filter);
    ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
    (void)::setsockopt(socket, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter);
  }

  AddressFamily family_;
  CheckSource source_;
  EchoRequest request_;
  bool raw_ = true;
};

}  // namespace

void fill_randomly(std::span<uint8_t> bytes) {
  // Never fails for so few bytes once the kernel has booted.
  (void)!::getrandom(bytes.data(), bytes.size(), 0);
}

std::unique_ptr<DatagramExchange> make_dns_exchange(const CheckConfig& check) {
  return std::make_unique<DnsExchange>(check);
}

std::unique_ptr<DatagramExchange> make_udp_exchange(const CheckConfig& check) {
  return std::make_unique<UdpExchange>(check);
}

std::unique_ptr<DatagramExchange> make_ping_exchange(const CheckConfig& check) {
  return std::make_unique<PingExchange>(check);
}

}  // namespace xlb
