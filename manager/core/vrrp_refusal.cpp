#include "core/vrrp_refusal.h"

#include <array>

namespace xlb::vrrp {
namespace {

constexpr std::array<std::string_view, kRefusalCount> kRefusals = {
    "malformed",  "destination",  "peer",           "ttl",      "version",       "type",
    "length",     "checksum",     "authentication", "interval", "address_count", "address_list",
    "own",        "hmac_missing", "hmac_malformed", "hmac_key", "hmac",          "hmac_stale",
    "hmac_replay"};
constexpr std::array<std::string_view, kAlarmCount> kAlarms = {
    "foreign_master",  "duplicate",      "equal_priority", "two_owners",
    "other_addresses", "other_interval", "long_interval"};

}  // namespace

std::string_view name_of(Refusal refusal) {
  return kRefusals.at(static_cast<size_t>(refusal));
}

std::string_view name_of(Alarm alarm) {
  return kAlarms.at(static_cast<size_t>(alarm));
}

}  // namespace xlb::vrrp
