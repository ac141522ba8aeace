#include "core/vrrp_hmac.h"

#include <algorithm>
#include <chrono>

namespace xlb::vrrp {
namespace {

using Bytes = std::span<const uint8_t>;

constexpr uint8_t kTypeSha256 = 1;
constexpr size_t kHmacOffset = 12;  // in the trailer
constexpr size_t kHmacSize = 16;
constexpr size_t kPseudoHeaderSize = 20;
constexpr size_t kLongestMessage = 8 + 16 * kMostAddresses + 8;
constexpr unsigned kSecondsShift = 32;

// Seconds, a fraction of 2^-16, and a counter of 0.
uint64_t sequence_of(UnixTime now) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
  const auto fraction = static_cast<uint64_t>((now - seconds).count()) << 16;
  const auto whole = static_cast<uint64_t>(static_cast<uint32_t>(seconds.count()));
  return whole << kSecondsShift | (fraction / 1'000'000'000U) << 16;
}

// RFC 1982: right across the wrap of the field.
bool after(uint64_t one, uint64_t other) {
  return static_cast<int64_t>(one - other) > 0;
}

int64_t seconds_between(uint64_t one, uint64_t other) {
  return static_cast<int32_t>(static_cast<uint32_t>(one >> kSecondsShift) -
                              static_cast<uint32_t>(other >> kSecondsShift));
}

uint64_t sequence_in(Bytes trailer) {
  uint64_t result = 0;
  for (size_t i = 4; i < kHmacOffset; ++i)
    result = result << 8 | trailer[i];
  return result;
}

void write_sequence(std::span<uint8_t> trailer, uint64_t sequence) {
  for (size_t i = 0; i < 8; ++i)
    trailer[4 + i] = static_cast<uint8_t>(sequence >> (56 - 8 * i) & 0xff);
}

bool equal_in_constant_time(Bytes left, Bytes right) {
  uint8_t difference = 0;
  for (size_t i = 0; i < kHmacSize; ++i)
    difference = static_cast<uint8_t>(difference | (left[i] ^ right[i]));
  return difference == 0;
}

}  // namespace

const VrrpHmacKey* HmacGuard::key(uint8_t id) const {
  const auto found = std::find_if(settings_.keys.begin(), settings_.keys.end(),
                                  [&](const VrrpHmacKey& candidate) { return candidate.id == id; });
  return found == settings_.keys.end() || found->secret.empty() ? nullptr : &*found;
}

std::array<uint8_t, 32> HmacGuard::digest(const VrrpHmacKey& key, const IpAddress& source,
                                          Bytes message, Bytes trailer) const {
  std::array<uint8_t, kPseudoHeaderSize + kLongestMessage + kTrailerSize> text{};
  text[0] = source.is_v4() ? 4 : 6;
  text[1] = static_cast<uint8_t>(message[0] >> 4);
  text[2] = message[1];
  std::copy_n(source.bytes().begin(), source.size(), text.begin() + 4);
  auto* const body = std::copy(message.begin(), message.end(), text.begin() + kPseudoHeaderSize);
  text[kPseudoHeaderSize + kChecksumOffset] = text[kPseudoHeaderSize + kChecksumOffset + 1] = 0;
  std::copy_n(trailer.begin(), kHmacOffset, body);
  const size_t size = kPseudoHeaderSize + message.size() + kTrailerSize;
  const auto* const secret = reinterpret_cast<const uint8_t*>(key.secret.data());
  return hmac_(Bytes(secret, key.secret.size()), Bytes(text).first(size));
}

uint64_t HmacGuard::next_sequence(UnixTime now) {
  const uint64_t clock = sequence_of(now);
  // A clock that was set back strands us beyond what receivers accept: then it starts anew. Without
  // a clock in the judgement, growth is all there is.
  const bool stranded =
      settings_.by_time && seconds_between(sent_, clock) > settings_.time_window.count();
  sent_ = after(clock, sent_) || stranded ? clock : sent_ + 1;
  return sent_;
}

size_t HmacGuard::sign(std::vector<uint8_t>& message, const IpAddress& source, UnixTime now) {
  if (settings_.mode == VrrpHmac::Mode::receive_only) return 0;
  const VrrpHmacKey* const signer = key(settings_.active_key);
  std::array<uint8_t, kTrailerSize> trailer{};
  trailer[0] = kTypeSha256;
  trailer[1] = settings_.active_key;
  write_sequence(trailer, next_sequence(now));
  if (signer != nullptr) {
    const auto hmac = digest(*signer, source, message, trailer);
    std::copy_n(hmac.begin(), kHmacSize, trailer.begin() + kHmacOffset);
  }
  message.insert(message.end(), trailer.begin(), trailer.end());
  return trailer.size();
}

std::optional<Refusal> HmacGuard::check(const Received& received, VrrpVersion version,
                                        UnixTime now) {
  const Bytes trailer = received.trailer;
  if (static_cast<uint8_t>(version) != received.message[0] >> 4) return Refusal::version;
  if (trailer[0] != kTypeSha256 || trailer[2] != 0 || trailer[3] != 0) {
    return Refusal::hmac_malformed;
  }
  const uint64_t sequence = sequence_in(trailer);
  // Before the hash, so that a flood of old captures is cheap.
  const int64_t age = seconds_between(sequence_of(now), sequence);
  const int64_t window = settings_.time_window.count();
  if (settings_.by_time && (age > window || age < -window)) return Refusal::hmac_stale;
  const VrrpHmacKey* const signer = key(trailer[1]);
  if (signer == nullptr) return Refusal::hmac_key;
  const auto expected = digest(*signer, received.source, received.message, trailer);
  if (!equal_in_constant_time(trailer.subspan(kHmacOffset), expected)) return Refusal::hmac;
  if (!is_new(received.source, sequence, now)) return Refusal::hmac_replay;
  return std::nullopt;
}

bool HmacGuard::is_new(const IpAddress& sender, uint64_t sequence, UnixTime now) {
  auto place = std::find_if(heard_.begin(), heard_.end(), [&](const Heard& known) {
    return known.used != 0 && known.sender == sender;
  });
  const bool known = place != heard_.end();
  if (!known) {
    place = std::min_element(heard_.begin(), heard_.end(),
                             [](const Heard& a, const Heard& b) { return a.used < b.used; });
  }
  // A mark outside the window refuses only what the window refuses already; forgetting it lets a
  // sender back whose clock was set.
  const int64_t age = known ? seconds_between(sequence_of(now), place->sequence) : 0;
  const int64_t window = settings_.time_window.count();
  const bool expired = settings_.by_time && (age > window || age < -window);
  if (known && !expired && !after(sequence, place->sequence)) return false;
  *place = Heard{sender, sequence, ++uses_};
  return true;
}

}  // namespace xlb::vrrp
