// What the blocks of the top level share while they are read, and the readers of each. A section's
// reader says what its words mean and checks what can be checked there; the finish_* functions fill
// in defaults that come from elsewhere in the file and check sections against each other.
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "core/config_parse_block.h"
#include "core/config_parse_values.h"

namespace xlb::parse {

struct VrrpDraft {
  VrrpInstanceConfig config;
  Spot head;
  Spot router_id_spot;
  Spot preempt_spot;
  Spot advert_spot;
  Spot authentication_spot;
  std::string advert_text;
  std::optional<std::chrono::microseconds> advert_interval;
  std::optional<VrrpVersion> version;
  std::optional<std::chrono::seconds> garp_master_delay;
  bool has_priority = false;
  bool has_authentication = false;
  bool authentication_is_pass = false;
  bool too_many_addresses = false;
};

struct Sections {
  Sections(BlockReader& reader, Problems& problem_list)
      : blocks(reader), problems(problem_list), values(problem_list) {}

  BlockReader& blocks;
  Problems& problems;
  ValueReader values;
  Config config;  // vrrp_instances are filled in by finish_vrrp_instances
  VrrpVersion default_version = VrrpVersion::v2;
  std::chrono::seconds default_garp_master_delay{5};
  std::vector<VrrpDraft> vrrp_instances;
  std::vector<Spot> virtual_server_spots;  // of config.virtual_servers
  std::optional<Spot> real_servers_max_spot;
};

// What one word of a section does to the section's draft.
template <typename Draft>
struct WordReader {
  std::string_view word;
  void (*read)(Sections&, Draft&, const Line&);
};

// Reads a block whose words are all in `readers`.
template <typename Draft>
void read_section(Sections& sections, BlockKind kind, const Line& head, Draft& draft,
                  std::span<const WordReader<Draft>> readers) {
  sections.blocks.read(kind, head, [&](const Line& line, const Keyword& keyword) {
    const auto found = std::find_if(readers.begin(), readers.end(), [&](const auto& reader) {
      return reader.word == keyword.name;
    });
    if (found != readers.end()) found->read(sections, draft, line);
  });
}

void read_global_defs(Sections& sections, const Line& head);
void read_xlb(Sections& sections, const Line& head);
void read_vrrp_instance(Sections& sections, const Line& head);
void finish_vrrp_instances(Sections& sections);
void read_virtual_ipaddress(Sections& sections, VrrpDraft& draft, const Line& head);
void read_virtual_server(Sections& sections, const Line& head);
void finish_virtual_servers(Sections& sections);

// What a check takes over from the blocks around it, as far as one block gives it.
struct CheckDefaults {
  std::optional<std::chrono::microseconds> delay_loop;
  std::optional<std::chrono::microseconds> connect_timeout;
  std::optional<std::chrono::microseconds> delay_before_retry;
  std::optional<int> retry;
  std::optional<bool> alpha;
  std::optional<std::chrono::microseconds> warmup;
  std::optional<std::string> virtual_host;
};
// Reads one word of them.
void read_check_default(Sections& sections, CheckDefaults& defaults, const Line& line);

struct CheckDraft {
  CheckConfig config;
  Spot head;
  std::optional<IpAddress> connect_ip;
  std::optional<uint16_t> connect_port;
  CheckDefaults own;
  bool enable_sni = false;
  Spot sni_spot;  // of enable_sni or sni_name
  std::string sni_name;
  bool sni_refused = false;  // once said for the whole check
};
CheckDraft read_check(Sections& sections, CheckKind kind, const Line& head);
// With what the check did not say from the blocks around it, the innermost first.
CheckConfig finish_check(Sections& sections, CheckDraft draft,
                         std::span<const CheckDefaults* const> outer, const Endpoint& real_server);

}  // namespace xlb::parse
