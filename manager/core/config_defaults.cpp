// The defaults that `xlbctl config show` fills in: keepalived.conf(5)'s as docs/configuration.md
// lists them. A unit test holds them to what the parser does without the word.
#include <algorithm>
#include <set>
#include <utility>

#include "core/config_statements.h"

namespace xlb {
namespace {

// Where a block's word is taken from when it is absent, before its own default.
enum class Heir : uint8_t { nobody, outer, global };

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order the table reads best
struct Default {
  BlockKind block;
  std::string_view words;  // the keyword; synonyms and opposites after `|`
  std::string_view value;  // several words; empty: none of its own
  Heir heir = Heir::nobody;
  std::string_view heir_word{};  // in global_defs
};

constexpr Default kDefaults[] = {
    {BlockKind::global_defs, "vrrp_version", "2"},
    {BlockKind::global_defs, "vrrp_garp_master_delay", "5"},
    {BlockKind::global_defs, "lvs_timeouts", "tcp 900 tcpfin 120 udp 300"},
    {BlockKind::vrrp_instance, "state", "BACKUP"},
    {BlockKind::vrrp_instance, "priority", "100"},
    {BlockKind::vrrp_instance, "advert_int", "1"},
    {BlockKind::vrrp_instance, "version", "2", Heir::global, "vrrp_version"},
    {BlockKind::vrrp_instance, "preempt|nopreempt", ""},
    {BlockKind::vrrp_instance, "garp_master_delay", "5", Heir::global, "vrrp_garp_master_delay"},
    {BlockKind::virtual_server, "lvs_sched|lb_algo", "wlc"},
    {BlockKind::virtual_server, "lvs_method|lb_kind", "NAT"},
    {BlockKind::virtual_server, "protocol", "UDP"},
    {BlockKind::virtual_server, "quorum", "1"},
    {BlockKind::virtual_server, "hysteresis", "0"},
    {BlockKind::virtual_server, "omega", "off"},
    {BlockKind::real_server, "weight", "1", Heir::outer},
    {BlockKind::real_server, "inhibit_on_failure", "off", Heir::outer},
    {BlockKind::real_server, "lvs_method|lb_kind", "NAT", Heir::outer},
    {BlockKind::http_get, "delay_loop", "60", Heir::outer},
    {BlockKind::http_get, "connect_timeout", "5", Heir::outer},
    {BlockKind::http_get, "retry|nb_get_retry", "1", Heir::outer},
    {BlockKind::http_get, "delay_before_retry", "3", Heir::outer},
    {BlockKind::http_get, "warmup", "0", Heir::outer},
    {BlockKind::http_get, "alpha", "off", Heir::outer},
    {BlockKind::http_get, "http_protocol", "1.0"},
    {BlockKind::tcp_check, "delay_loop", "60", Heir::outer},
    {BlockKind::tcp_check, "connect_timeout", "5", Heir::outer},
    {BlockKind::tcp_check, "retry|nb_get_retry", "1", Heir::outer},
    {BlockKind::tcp_check, "delay_before_retry", "1", Heir::outer},
    {BlockKind::tcp_check, "warmup", "0", Heir::outer},
    {BlockKind::tcp_check, "alpha", "off", Heir::outer},
    {BlockKind::smtp_check, "delay_loop", "60", Heir::outer},
    {BlockKind::smtp_check, "connect_timeout", "5", Heir::outer},
    {BlockKind::smtp_check, "retry|nb_get_retry", "1", Heir::outer},
    {BlockKind::smtp_check, "delay_before_retry", "1", Heir::outer},
    {BlockKind::smtp_check, "warmup", "0", Heir::outer},
    {BlockKind::smtp_check, "alpha", "off", Heir::outer},
    {BlockKind::udp_check, "delay_loop", "60", Heir::outer},
    {BlockKind::udp_check, "connect_timeout", "5", Heir::outer},
    {BlockKind::udp_check, "retry|nb_get_retry", "1", Heir::outer},
    {BlockKind::udp_check, "delay_before_retry", "1", Heir::outer},
    {BlockKind::udp_check, "warmup", "0", Heir::outer},
    {BlockKind::udp_check, "alpha", "off", Heir::outer},
    {BlockKind::ping_check, "delay_loop", "60", Heir::outer},
    {BlockKind::ping_check, "connect_timeout", "5", Heir::outer},
    {BlockKind::ping_check, "retry|nb_get_retry", "1", Heir::outer},
    {BlockKind::ping_check, "delay_before_retry", "1", Heir::outer},
    {BlockKind::ping_check, "warmup", "0", Heir::outer},
    {BlockKind::ping_check, "alpha", "off", Heir::outer},
    {BlockKind::dns_check, "delay_loop", "60", Heir::outer},
    {BlockKind::dns_check, "warmup", "0", Heir::outer},
    {BlockKind::dns_check, "alpha", "off", Heir::outer},
    {BlockKind::misc_check, "delay_loop", "60", Heir::outer},
    {BlockKind::misc_check, "warmup", "0", Heir::outer},
    {BlockKind::misc_check, "alpha", "off", Heir::outer},
    {BlockKind::dns_check, "retry|nb_get_retry", "3", Heir::outer},
    {BlockKind::misc_check, "retry|nb_get_retry", "0", Heir::outer},
    {BlockKind::misc_check, "delay_before_retry", "1", Heir::outer},
    {BlockKind::vrrp_script, "interval", "1"},
    {BlockKind::vrrp_script, "weight", "0"},
    {BlockKind::vrrp_script, "rise", "1"},
    {BlockKind::vrrp_script, "fall", "1"},
    {BlockKind::vrrp_track_process, "weight", "0"},
    {BlockKind::vrrp_track_process, "quorum", "1"},
    {BlockKind::vrrp_track_process, "fork_delay|delay", "0"},
    {BlockKind::vrrp_track_process, "terminate_delay|delay", "0"},
    {BlockKind::track_file, "weight", "1"},
    {BlockKind::xlb, "attach_mode", "auto"},
    {BlockKind::xlb, "flow_table_size", "1048576"},
    {BlockKind::xlb, "real_servers_max", "16384"},
    {BlockKind::xlb, "local_delivery", "nat"},
    {BlockKind::xlb, "status_listen", "127.0.0.1:9780"},
};

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> result;
  while (!text.empty()) {
    const size_t end = std::min(text.find(at), text.size());
    result.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result;
}

using Chain = std::vector<const Statement*>;  // the blocks around, the innermost last

const Statement* find_any(const Statement& block, const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    if (const Statement* found = block.find(word)) return found;
  }
  return nullptr;
}

Statement filled_in(const Default& entry, const std::vector<std::string>& words,
                    const Chain& around, const Statement* global) {
  const Statement* source = nullptr;
  if (entry.heir == Heir::outer) {
    for (auto block = around.rbegin(); block != around.rend() && source == nullptr; ++block)
      source = find_any(**block, words);
  } else if (entry.heir == Heir::global && global != nullptr) {
    source = global->find(entry.heir_word);
  }
  Statement result;
  if (source != nullptr) {
    result.words = source->words;
  } else {
    result.words = split(entry.value, ' ');
    result.words.insert(result.words.begin(), "");
  }
  result.words[0] = words[0];
  return result;
}

bool is_acted_on(BlockKind kind, std::string_view word) {
  const Keyword* const keyword = find_keyword(kind, word);
  return keyword != nullptr && keyword->standing == Standing::acted;
}

// state MASTER without a priority means 255, and a default would say otherwise.
bool is_implied(const Statement& block, const Default& entry) {
  if (entry.block != BlockKind::vrrp_instance || entry.words != "priority") return false;
  const Statement* const state = block.find("state");
  return state != nullptr && state->words.size() > 1 && state->words[1] == "MASTER";
}

// Of words that may stand once the last one counts.
void keep_last(Statement& block, BlockKind kind) {
  std::set<std::string_view> later;
  std::vector<bool> overridden(block.inner.size(), false);
  for (size_t i = block.inner.size(); i-- > 0;) {
    const std::string& word = block.inner[i].keyword();
    const Keyword* const keyword = find_keyword(kind, word);
    if (keyword == nullptr || keyword->repeatable) continue;
    overridden[i] = !later.insert(keyword->name).second;
  }
  size_t kept = 0;
  for (size_t i = 0; i < block.inner.size(); ++i) {
    if (overridden[i]) continue;
    if (kept != i) block.inner[kept] = std::move(block.inner[i]);
    ++kept;
  }
  block.inner.resize(kept);
}

bool is_on(const Statement* word) {
  static constexpr std::string_view kOff[] = {"off", "false", "no"};
  return word != nullptr && (word->words.size() < 2 || std::find(std::begin(kOff), std::end(kOff),
                                                                 word->words[1]) == std::end(kOff));
}

bool speaks_version_3(const Statement& instance) {
  const Statement* const addresses = instance.find("virtual_ipaddress");
  if (addresses != nullptr && !addresses->inner.empty() &&
      addresses->inner.front().keyword().find(':') != std::string::npos) {
    return true;  // IPv6
  }
  const Statement* const version = instance.find("version");
  return version != nullptr && version->words.back() == "3";
}

// As the parser has it: strict_mode allows no `accept` but to the addresses' owner and, where it is
// said, to version 3. Only an owner's priority is still missing here.
void fill_in_accept(Statement& instance, const Statement* global) {
  const Statement* const own = instance.find("strict_mode");
  const bool strict =
      own != nullptr ? is_on(own) : global != nullptr && is_on(global->find("vrrp_strict"));
  const Statement* const priority = instance.find("priority");
  const bool owner = priority == nullptr || priority->words.back() == "255";
  const auto says = [](const Statement& one) {
    return one.keyword() == "accept" || one.keyword() == "no_accept";
  };
  const auto said = std::find_if(instance.inner.rbegin(), instance.inner.rend(), says);
  const bool accepts = said == instance.inner.rend() || said->keyword() == "accept";
  const bool may =
      !strict || owner || (said != instance.inner.rend() && speaks_version_3(instance));
  std::erase_if(instance.inner, says);
  Statement word;
  word.words = {accepts && may ? "accept" : "no_accept"};
  const auto first_block = std::find_if(instance.inner.begin(), instance.inner.end(),
                                        [](const Statement& inner) { return inner.has_block; });
  instance.inner.insert(first_block, std::move(word));
}

void fill_in(Statement& block, BlockKind kind, Chain& around, const Statement* global) {
  if (keywords_of(kind).empty()) return;
  keep_last(block, kind);
  std::vector<Statement> missing;
  for (const Default& entry : kDefaults) {
    if (entry.block != kind) continue;
    const auto words = split(entry.words, '|');
    if (!is_acted_on(kind, words[0]) || find_any(block, words) || is_implied(block, entry))
      continue;
    missing.push_back(filled_in(entry, words, around, global));
  }
  const auto first_block = std::find_if(block.inner.begin(), block.inner.end(),
                                        [](const Statement& inner) { return inner.has_block; });
  block.inner.insert(first_block, std::make_move_iterator(missing.begin()),
                     std::make_move_iterator(missing.end()));
  if (kind == BlockKind::vrrp_instance) fill_in_accept(block, global);
  around.push_back(&block);
  for (Statement& inner : block.inner) {
    if (inner.has_block) fill_in(inner, block_of(kind, inner.keyword()), around, global);
  }
  around.pop_back();
}

Statement& block_called(Statement& root, std::string_view word) {
  const auto found = std::find_if(root.inner.begin(), root.inner.end(),
                                  [&](const Statement& one) { return one.keyword() == word; });
  if (found != root.inner.end()) {
    // Several such blocks are one.
    for (auto other = found + 1; other != root.inner.end();) {
      if (other->keyword() != word) {
        ++other;
        continue;
      }
      found->inner.insert(found->inner.end(), std::make_move_iterator(other->inner.begin()),
                          std::make_move_iterator(other->inner.end()));
      other = root.inner.erase(other);
    }
    return *found;
  }
  Statement block;
  block.words = {std::string(word)};
  block.has_block = true;
  return *root.inner.insert(root.inner.begin(), std::move(block));
}

}  // namespace

void fill_in_defaults(Statement& root) {
  Chain around;
  (void)block_called(root, "xlb");
  fill_in(block_called(root, "global_defs"), BlockKind::global_defs, around, nullptr);
  const Statement global = block_called(root, "global_defs");
  for (Statement& block : root.inner) {
    if (block.keyword() == "global_defs" || !block.has_block) continue;
    fill_in(block, block_of(BlockKind::root, block.keyword()), around, &global);
  }
}

}  // namespace xlb
