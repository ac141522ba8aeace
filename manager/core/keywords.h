// Every word of keepalived.conf and of the xlb block: where it may stand, whether it opens a block,
// and what follows from xlb not acting on it. The tables are the only place that lists words; the
// parser holds what the acted ones do.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace xlb {

// Where words stand. `lines` is a block whose lines do not begin with keywords (addresses, names,
// routes).
enum class BlockKind : uint8_t {
  none,
  lines,
  root,
  global_defs,
  xlb,
  vrrp_instance,
  authentication,
  auth_hmac,
  virtual_ipaddress,
  static_addresses,
  static_routes,
  static_rules,
  virtual_server_group,
  virtual_server,
  real_server,
  http_get,
  url,
  tcp_check,
  ssl,
  vrrp_script,
  vrrp_track_process,
  track_file,
  bfd_instance,
  vrrp_sync_group,
  track_group,
  garp_group,
  smtp_check,
  smtp_host,
  dns_check,
  udp_check,
  ping_check,
  misc_check,
  bfd_check,
  file_check,
};
std::string_view name_of(BlockKind kind);  // as written: "vrrp_instance"; "the top level" for root

enum class Standing : uint8_t {
  acted,      // xlb does what it says
  later,      // keepalived acts on it, xlb does not yet
  no_effect,  // there is nothing in xlb it could act on
  obsolete,   // not, or no longer, keepalived's either; found in the wild
};

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order the tables read best
struct Keyword {
  std::string_view name;
  Standing standing = Standing::acted;
  std::string_view consequence{};  // completes "... is not acted on yet: "; empty when acted
  BlockKind opens = BlockKind::none;
  bool repeatable = false;  // may stand several times in one block
};

// The words of one block, in no order; empty for `lines`.
std::span<const Keyword> keywords_of(BlockKind kind);
const Keyword* find_keyword(BlockKind kind, std::string_view name);

// One sentence naming the word and what follows; empty for an acted one.
std::string describe(const Keyword& keyword);

// The word of this block that `name` was probably meant to be; empty: nothing is near.
std::string_view nearest_keyword(BlockKind kind, std::string_view name);
// The nearest of `candidates` by Damerau-Levenshtein distance, if near enough to be a typo; else
// empty.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);
// The blocks that know this word.
std::vector<BlockKind> blocks_with(std::string_view name);

// The tables, by the part of the language they belong to.
std::span<const Keyword> global_keywords_of(BlockKind kind);
std::span<const Keyword> vrrp_keywords_of(BlockKind kind);
std::span<const Keyword> lvs_keywords_of(BlockKind kind);

}  // namespace xlb
