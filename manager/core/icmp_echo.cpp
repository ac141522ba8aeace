#include "core/icmp_echo.h"

#include <algorithm>

namespace xlb {
namespace {

constexpr size_t kHeaderBytes = 8;
constexpr size_t kLeastIpHeader = 20;
constexpr uint8_t kProtocolIcmp = 1;

struct Types {
  uint8_t request;
  uint8_t reply;
};

Types types_of(AddressFamily family) {
  return family == AddressFamily::ipv4 ? Types{8, 0} : Types{128, 129};
}

// RFC 1071, of an even number of bytes.
uint16_t checksum(std::span<const uint8_t> bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < bytes.size(); i += 2)
    sum += static_cast<uint32_t>(bytes[i] << 8 | bytes[i + 1]);
  while (sum >> 16 != 0)
    sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

void put16(std::vector<uint8_t>& bytes, size_t at, uint16_t value) {
  bytes[at] = static_cast<uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<uint8_t>(value & 0xff);
}

uint16_t get16(std::span<const uint8_t> bytes, size_t at) {
  return static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

}  // namespace

std::vector<uint8_t> encode_echo(const EchoRequest& request, AddressFamily family) {
  std::vector<uint8_t> bytes(kHeaderBytes + request.token.size(), 0);
  bytes[0] = types_of(family).request;
  put16(bytes, 4, request.identifier);
  put16(bytes, 6, request.sequence);
  std::copy(request.token.begin(), request.token.end(), bytes.begin() + kHeaderBytes);
  if (family == AddressFamily::ipv4) put16(bytes, 2, checksum(bytes));
  return bytes;
}

bool answers_echo(std::span<const uint8_t> bytes, const EchoRequest& request, AddressFamily family,
                  bool with_identifier) {
  if (bytes.size() != kHeaderBytes + request.token.size()) return false;
  if (bytes[0] != types_of(family).reply || bytes[1] != 0) return false;
  if (with_identifier && get16(bytes, 4) != request.identifier) return false;
  if (get16(bytes, 6) != request.sequence) return false;
  return std::equal(request.token.begin(), request.token.end(), bytes.begin() + kHeaderBytes);
}

std::span<const uint8_t> icmp_of_raw(std::span<const uint8_t> bytes, AddressFamily family) {
  if (family == AddressFamily::ipv6) return bytes;
  if (bytes.size() < kLeastIpHeader || bytes[0] >> 4 != 4 || bytes[9] != kProtocolIcmp) return {};
  const size_t header = size_t{4} * (bytes[0] & 0x0fU);
  if (header < kLeastIpHeader || header > bytes.size()) return {};
  return bytes.subspan(header);
}

}  // namespace xlb
