// Messages of the netfilter netlink family (ctnetlink, nf_tables), as bytes: requests are built,
// answers taken apart. It knows no attribute's meaning. Numbers in attributes are in network order.
#pragma once

#include <linux/netlink.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"
#include "core/types.h"

namespace xlb::netfilter {

// Non-blocking: the kernel answers while a request is sent and goes on while answers are read.
Result<UniqueFd> open_socket();

// A request under construction: header and family, then attributes. What does not fit is not sent.
class Request {
 public:
  // Without a family: of all.
  Request(int subsystem, int message, int flags, uint32_t sequence,
          std::optional<AddressFamily> family = AddressFamily::ipv4);

  template <typename Value>
  void add(uint16_t type, const Value& value) {
    add_bytes(type, &value, sizeof value);
  }
  void add_text(uint16_t type, std::string_view text);  // with its final 0
  // What is added until close() is nested in this attribute.
  size_t open(uint16_t type);
  void close(size_t opened);

  // False: errno tells why.
  bool send(int socket);

 private:
  void add_bytes(uint16_t type, const void* value, size_t length);
  void put(const void* from, size_t length);

  std::array<std::byte, 1024> bytes_{};
  size_t used_ = 0;
  bool fits_ = true;
};

using Bytes = std::span<const std::byte>;

// The attributes of one level by type, empty where absent; types that are not asked for are
// skipped.
template <size_t kTypes>
std::array<Bytes, kTypes> attributes(Bytes bytes) {
  constexpr uint16_t kTypeMask = 0x3fff;  // NLA_TYPE_MASK
  std::array<Bytes, kTypes> result;
  while (bytes.size() >= sizeof(nlattr)) {
    nlattr attribute{};
    std::memcpy(&attribute, bytes.data(), sizeof attribute);
    if (attribute.nla_len < sizeof attribute || attribute.nla_len > bytes.size()) break;
    const size_t type = attribute.nla_type & kTypeMask;
    if (type < kTypes) {
      result[type] = bytes.subspan(sizeof attribute, attribute.nla_len - sizeof attribute);
    }
    const size_t whole = NLA_ALIGN(attribute.nla_len);
    bytes = bytes.subspan(whole < bytes.size() ? whole : bytes.size());
  }
  return result;
}

// The attributes of one level in order, as in a list.
void for_each_attribute(Bytes bytes, const std::function<void(Bytes)>& visit);

template <typename Value>
std::optional<Value> value_of(Bytes bytes) {
  Value value{};
  if (bytes.size() != sizeof value) return std::nullopt;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

// Reads one datagram of a dump's answers and visits the attributes of each message of `type`; true
// at the dump's end. The error's code is the kernel's.
Result<bool> receive(int socket, std::span<std::byte> buffer, int type,
                     const std::function<void(Bytes)>& visit);

constexpr int message_type(int subsystem, int message) {
  return subsystem << 8 | message;
}

}  // namespace xlb::netfilter
