// global_defs and the xlb block.
#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "core/config_parse_sections.h"

namespace xlb::parse {
namespace {

void read_router_id(Sections& sections, GlobalSettings& global, const Line& line) {
  Arguments arguments(line, sections.problems);
  if (const Word* word = arguments.take("a name")) global.router_id = word->text;
}

void read_vrrp_version(Sections& sections, GlobalSettings&, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("2 or 3");
  if (word == nullptr) return;
  const auto version = sections.values.number(*word, "vrrp_version", {2, 3});
  if (version) sections.default_version = static_cast<VrrpVersion>(*version);
}

void read_script_user(Sections& sections, GlobalSettings& global, const Line& line) {
  Arguments arguments(line, sections.problems);
  if (const Word* word = arguments.take("a user")) {
    read_user(*word, arguments, global.script_user, global.script_group);
  }
}

void read_garp_master_delay(Sections& sections, GlobalSettings&, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a number of seconds");
  if (word == nullptr) return;
  const auto seconds = sections.values.number(*word, "vrrp_garp_master_delay", {0, 86400});
  if (seconds) sections.default_garp_master_delay = std::chrono::seconds(*seconds);
}

constexpr WordReader<GlobalSettings> kGlobalWords[] = {
    {"router_id", read_router_id},
    {"vrrp_version", read_vrrp_version},
    {"script_user", read_script_user},
    {"vrrp_garp_master_delay", read_garp_master_delay},
};

constexpr NumberRange kFlowTableSize{1024, 16'777'216};

void read_attach_mode(Sections& sections, XlbSettings& xlb, const Line& line) {
  static constexpr std::string_view kModes[] = {"auto", "native", "generic", "none"};
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("auto, native, generic or none");
  if (word == nullptr) return;
  const auto mode = sections.values.choice(*word, "attach_mode", kModes);
  if (!mode) return;
  xlb.attach_mode = static_cast<AttachMode>(*mode);
}

void read_interfaces(Sections& sections, XlbSettings& xlb, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("interface names");
  if (word != nullptr) xlb.interfaces_place = sections.problems.place_of(word->spot);
  for (; word != nullptr; word = arguments.take_if_any()) {
    const auto name = sections.values.interface_name(*word, "interfaces");
    if (!name) continue;
    const bool known =
        std::find(xlb.interfaces.begin(), xlb.interfaces.end(), *name) != xlb.interfaces.end();
    if (!known) xlb.interfaces.push_back(*name);
  }
}

void read_flow_table_size(Sections& sections, XlbSettings& xlb, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a number of connections");
  if (word == nullptr) return;
  const auto size = sections.values.number(*word, "flow_table_size", kFlowTableSize);
  if (size) xlb.flow_table_size = std::bit_ceil(static_cast<uint32_t>(*size));
}

void read_local_delivery(Sections& sections, XlbSettings& xlb, const Line& line) {
  static constexpr std::string_view kWays[] = {"nat", "loopback"};
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("nat or loopback");
  if (word == nullptr) return;
  const auto way = sections.values.choice(*word, "local_delivery", kWays);
  if (!way) return;
  xlb.local_delivery = static_cast<LocalDelivery>(*way);
}

void read_peers(Sections& sections, XlbSettings& xlb, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("addresses");
  for (; word != nullptr; word = arguments.take_if_any()) {
    const auto address = sections.values.ipv4_of_host(*word, "peers");
    if (!address) continue;
    const bool known = std::find(xlb.peers.begin(), xlb.peers.end(), *address) != xlb.peers.end();
    if (!known) xlb.peers.push_back(*address);
  }
}

void read_status_listen(Sections& sections, XlbSettings& xlb, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("ADDRESS:PORT or none");
  if (word == nullptr) return;
  if (word->text == "none") {
    xlb.status_listen.reset();
  } else if (const auto endpoint = sections.values.endpoint(*word, "status_listen")) {
    xlb.status_listen = *endpoint;
  }
}

constexpr WordReader<XlbSettings> kXlbWords[] = {
    {"attach_mode", read_attach_mode},
    {"interfaces", read_interfaces},
    {"flow_table_size", read_flow_table_size},
    {"local_delivery", read_local_delivery},
    {"peers", read_peers},
    {"status_listen", read_status_listen},
};

}  // namespace

void read_global_defs(Sections& sections, const Line& head) {
  { const Arguments none(head, sections.problems); }
  read_section<GlobalSettings>(sections, BlockKind::global_defs, head, sections.config.global,
                               kGlobalWords);
}

void read_xlb(Sections& sections, const Line& head) {
  { const Arguments none(head, sections.problems); }
  sections.config.has_xlb_block = true;
  read_section<XlbSettings>(sections, BlockKind::xlb, head, sections.config.xlb, kXlbWords);
}

}  // namespace xlb::parse
