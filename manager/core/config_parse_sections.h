// What the blocks of the top level share while they are read, and the readers of each. A section's
// reader says what its words mean and checks what can be checked there; the finish_* functions fill
// in defaults that come from elsewhere in the file and check sections against each other.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "core/config_parse_block.h"
#include "core/config_parse_network.h"
#include "core/config_parse_track.h"
#include "core/config_parse_values.h"
#include "core/config_parse_vrrp_protocol.h"

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
  AnnounceDraft announce;
  VirtualMacDraft virtual_mac;
  TrackingDraft tracking;
  ProtocolDraft protocol;
  std::optional<bool> accept;
  bool has_priority = false;
  bool has_authentication = false;
  bool authentication_is_pass = false;
  bool authentication_is_ah = false;
  bool too_many_addresses = false;
};

// smtp_alert, smtp_alert_vrrp and smtp_alert_checker of global_defs.
struct MailDefaults {
  std::optional<Spot> recipients;
  std::optional<bool> all;
  std::optional<bool> vrrp;
  std::optional<bool> checker;
};

struct LvsDrafts;

struct Sections {
  Sections(BlockReader& reader, Problems& problem_list)
      : blocks(reader), problems(problem_list), values(problem_list) {}

  BlockReader& blocks;
  Problems& problems;
  ValueReader values;
  std::string net_namespace;
  Config config;  // vrrp_instances are filled in by finish_vrrp_instances
  VrrpVersion default_version = VrrpVersion::v2;
  NetworkDraft network;
  std::vector<Spot> link_delay_spots;  // of config.network.link_delays
  ProtocolDefaults protocol_defaults;
  std::vector<VrrpDraft> vrrp_instances;
  TrackSections track;
  std::shared_ptr<LvsDrafts> lvs;          // config_parse_lvs.h; none: nothing of it was read
  std::vector<Spot> virtual_server_spots;  // of config.virtual_servers
  std::optional<Spot> real_servers_max_spot;
  TlsClient tls_client;           // the SSL block
  bool log_all_failures = false;  // checker_log_all_failures
  bool rs_init_notifies = false;
  MailDefaults mail_defaults;
  std::vector<Word> file_check_names;  // the track_files that FILE_CHECKs name
};

// What one word of a section does to the section's draft.
template <typename Draft>
struct WordReader {
  std::string_view word;
  void (*read)(Sections&, Draft&, const Line&);
};

// Reads a block whose words are all in `readers`, or in one of `more`.
template <typename Draft>
void read_section(Sections& sections, BlockKind kind, const Line& head, Draft& draft,
                  std::span<const WordReader<Draft>> readers,
                  std::initializer_list<std::span<const WordReader<Draft>>> more = {}) {
  const auto read_by = [&](std::span<const WordReader<Draft>> table, const Line& line,
                           const Keyword& keyword) {
    const auto found = std::find_if(table.begin(), table.end(), [&](const auto& reader) {
      return reader.word == keyword.name;
    });
    if (found != table.end()) found->read(sections, draft, line);
    return found != table.end();
  };
  sections.blocks.read(kind, head, [&](const Line& line, const Keyword& keyword) {
    if (read_by(readers, line, keyword)) return;
    for (const auto& table : more) {
      if (read_by(table, line, keyword)) return;
    }
  });
}

void read_net_namespace(Sections& sections, const Line& line);
void read_global_defs(Sections& sections, const Line& head);
void read_xlb(Sections& sections, const Line& head);
void read_vrrp_instance(Sections& sections, const Line& head);
void finish_vrrp_instances(Sections& sections);
void read_link_delays(Sections& sections, const Line& head);
// After finish_vrrp_instances.
void finish_link_delays(Sections& sections);
void read_track_script(Sections& sections, const Line& head);
void read_track_process(Sections& sections, const Line& head);
void read_track_file(Sections& sections, const Line& head);
void read_sync_group(Sections& sections, const Line& head);
// A track_* block of a vrrp_instance or vrrp_sync_group.
void read_track_uses(Sections& sections, std::vector<TrackUseDraft>& uses, TrackKind kind,
                     const Line& head);
bool is_defined(const Sections& sections, const TrackUseDraft& use);
// What keepalived says of them.
void check_track_uses(Sections& sections, const std::vector<TrackUseDraft>& uses,
                      const VrrpInstanceConfig& instance);
// After finish_vrrp_instances.
void finish_tracking(Sections& sections);
std::span<const WordReader<GlobalSettings>> notify_words_of_global_defs();
std::span<const WordReader<GlobalSettings>> mail_words_of_global_defs();
std::span<const WordReader<VrrpDraft>> tracking_words_of_vrrp_instance();
std::span<const WordReader<VrrpDraft>> protocol_words_of_vrrp_instance();
std::span<const WordReader<GlobalSettings>> protocol_words_of_global_defs();
void read_auth_hmac(Sections& sections, VrrpDraft& draft, const Line& head);
void finish_auth_hmac(Problems& problems, VrrpDraft& draft);
void finish_family(Sections& sections, VrrpDraft& draft);
void finish_protocol(Sections& sections, VrrpDraft& draft);
void read_virtual_server_group(Sections& sections, const Line& head);
void read_virtual_server(Sections& sections, const Line& head);
void finish_virtual_servers(Sections& sections);
// After all other finish_* functions.
void finish_mail(Sections& sections);
// smtp_alert, of a vrrp_instance, vrrp_sync_group, virtual_server or real_server.
template <typename Draft>
void read_smtp_alert(Sections& sections, Draft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  draft.config.smtp_alert = sections.values.flag(arguments);
}
void read_ssl(Sections& sections, const Line& head);
// What the whole file says of checks, for each of them.
void finish_checks(Sections& sections);

}  // namespace xlb::parse
