#include "core/keywords.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_map>

namespace xlb {
namespace {

constexpr auto kLastBlock = BlockKind::file_check;
constexpr size_t kBlockCount = static_cast<size_t>(kLastBlock) + 1;
constexpr size_t kLongestWordToCompare = 48;

using WordMap = std::unordered_map<std::string_view, const Keyword*>;

const WordMap& words_of(BlockKind kind) {
  static const std::array<WordMap, kBlockCount> kMaps = [] {
    std::array<WordMap, kBlockCount> maps;
    for (size_t i = 0; i < kBlockCount; ++i) {
      for (const Keyword& keyword : keywords_of(static_cast<BlockKind>(i))) {
        maps[i].emplace(keyword.name, &keyword);
      }
    }
    return maps;
  }();
  return kMaps[static_cast<size_t>(kind)];
}

// Edits (insert, delete, replace, swap neighbours) from `a` to `b`; both at most
// kLongestWordToCompare long.
size_t distance(std::string_view a, std::string_view b) {
  constexpr size_t kWidth = kLongestWordToCompare + 1;
  std::array<std::array<size_t, kWidth>, 3> rows{};
  for (size_t j = 0; j <= b.size(); ++j)
    rows[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    auto& row = rows[i % 3];
    const auto& above = rows[(i - 1) % 3];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replace = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], rows[(i - 2) % 3][j - 2] + 1);
      }
    }
  }
  return rows[a.size() % 3][b.size()];
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

}  // namespace

std::string_view name_of(BlockKind kind) {
  static constexpr std::array<std::string_view, kBlockCount> kNames = {
      "",
      "",
      "the top level",
      "global_defs",
      "xlb",
      "vrrp_instance",
      "authentication",
      "auth_hmac",
      "virtual_ipaddress",
      "static_ipaddress",
      "static_routes",
      "static_rules",
      "virtual_server_group",
      "virtual_server",
      "real_server",
      "HTTP_GET",
      "url",
      "TCP_CHECK",
      "SSL",
      "vrrp_script",
      "vrrp_track_process",
      "track_file",
      "bfd_instance",
      "vrrp_sync_group",
      "track_group",
      "garp_group",
      "SMTP_CHECK",
      "host",
      "DNS_CHECK",
      "UDP_CHECK",
      "PING_CHECK",
      "MISC_CHECK",
      "BFD_CHECK",
      "FILE_CHECK",
  };
  return kNames[static_cast<size_t>(kind)];
}

std::span<const Keyword> keywords_of(BlockKind kind) {
  for (const auto table : {global_keywords_of, vrrp_keywords_of, lvs_keywords_of}) {
    if (const auto words = table(kind); !words.empty()) return words;
  }
  return {};
}

const Keyword* find_keyword(BlockKind kind, std::string_view name) {
  const WordMap& words = words_of(kind);
  const auto found = words.find(name);
  return found == words.end() ? nullptr : found->second;
}

std::string describe(const Keyword& keyword) {
  switch (keyword.standing) {
    case Standing::acted:
      return "";
    case Standing::later:
      return fmt::format("`{}` is not acted on yet: {}", keyword.name, keyword.consequence);
    case Standing::no_effect:
      return fmt::format("`{}` has no effect: {}", keyword.name, keyword.consequence);
    case Standing::obsolete:
      return fmt::format("`{}` is not part of the language any more: {}", keyword.name,
                         keyword.consequence);
  }
  return "";
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
  if (word.size() > kLongestWordToCompare) return {};
  const std::string wanted = lower(word);
  std::string_view best;
  size_t best_distance = 1 + std::max<size_t>(1, word.size() / 3);
  for (const std::string_view candidate : candidates) {
    if (candidate.size() > kLongestWordToCompare) continue;
    const size_t difference = candidate.size() > word.size() ? candidate.size() - word.size()
                                                             : word.size() - candidate.size();
    if (difference >= best_distance) continue;
    if (const size_t edits = distance(wanted, lower(candidate)); edits < best_distance) {
      best = candidate;
      best_distance = edits;
    }
  }
  return best;
}

std::string_view nearest_keyword(BlockKind kind, std::string_view name) {
  std::vector<std::string_view> candidates;
  for (const Keyword& keyword : keywords_of(kind)) {
    if (keyword.standing != Standing::obsolete) candidates.push_back(keyword.name);
  }
  return nearest(name, candidates);
}

std::vector<BlockKind> blocks_with(std::string_view name) {
  std::vector<BlockKind> result;
  for (size_t i = 0; i < kBlockCount; ++i) {
    const auto kind = static_cast<BlockKind>(i);
    if (find_keyword(kind, name) != nullptr) result.push_back(kind);
  }
  return result;
}

}  // namespace xlb
