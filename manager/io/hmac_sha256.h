// HMAC-SHA-256 (RFC 2104, FIPS 180-4) by OpenSSL, and the files that keys stand in.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"

namespace xlb {

std::array<uint8_t, 32> hmac_sha256(std::span<const uint8_t> key, std::span<const uint8_t> message);

// A key file's bytes without the line's end; it must be a regular file that nobody but its owner
// may write and that others may not read.
Result<std::string> read_key_file(const std::string& path);

}  // namespace xlb
