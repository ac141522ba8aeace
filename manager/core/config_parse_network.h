// What the readers of addresses, routes, announcements and virtual MACs share with the sections
// that hold them.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "core/config_address.h"
#include "core/config_parse_route.h"
#include "core/lexer.h"

namespace xlb::parse {

struct Sections;
struct VrrpDraft;

// The words of announcements as far as one block gives them.
struct AnnounceDraft {
  std::optional<std::chrono::seconds> delay;
  std::optional<unsigned> repeat;
  std::optional<std::chrono::seconds> refresh;
  std::optional<unsigned> refresh_repeat;
  std::optional<std::chrono::seconds> lower_priority_delay;
  std::optional<unsigned> lower_priority_repeat;
  bool minimal = false;  // vrrp_min_garp
};

struct VirtualMacDraft {
  bool wanted = false;
  bool advertise_on_base = false;
  Spot spot;
  std::string interface;
  std::optional<MacAddress> mac;  // its last byte from the VRID when mac_of_five
  bool mac_of_five = false;
};

// What sections remember of the network until the whole file is read.
struct NetworkDraft {
  RouteNames names;
  RulePriorities rule_priorities;
  AnnounceDraft announce;  // global_defs
};

// One line of addresses; nullopt after an error.
std::optional<VirtualAddress> read_address(Sections& sections, const Line& line,
                                           std::string_view block);

void read_virtual_ipaddress(Sections& sections, VrrpDraft& draft, const Line& head);
void read_excluded_addresses(Sections& sections, VrrpDraft& draft, const Line& head);
void read_virtual_routes(Sections& sections, VrrpDraft& draft, const Line& head);
void read_virtual_rules(Sections& sections, VrrpDraft& draft, const Line& head);
void read_use_vmac(Sections& sections, VrrpDraft& draft, const Line& line);
void read_vmac_xmit_base(Sections& sections, VrrpDraft& draft, const Line& line);
void read_accept(Sections& sections, VrrpDraft& draft, const Line& line);
void read_promote_secondaries(Sections& sections, VrrpDraft& draft, const Line& line);
void finish_network(Sections& sections, VrrpDraft& draft);

void read_static_addresses(Sections& sections, const Line& head);
void read_static_routes(Sections& sections, const Line& head);
void read_static_rules(Sections& sections, const Line& head);
void read_garp_group(Sections& sections, const Line& head);
void finish_static_network(Sections& sections);

// A word of global_defs, or the same of an instance without "vrrp_".
void read_announce_word(Sections& sections, AnnounceDraft& draft, const Line& line);
void read_announce_interval(Sections& sections, const Line& line);
void read_default_interface(Sections& sections, const Line& line);
void read_vmac_prefix(Sections& sections, const Line& line);

}  // namespace xlb::parse
