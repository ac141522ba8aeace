// The drafts of virtual_server and real_server, shared by their readers. Internal to the parser.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/config_parse_check.h"
#include "core/config_parse_sections.h"

namespace xlb::parse {

inline constexpr std::chrono::seconds kPersistenceWithoutValue{360};

// lvs_method as one block gives it.
struct MethodDraft {
  std::optional<TunnelConfig> tunnel{};  // absent: direct routing, or translation
  bool translated = true;                // NAT, as where nothing is said
  bool valid = true;                     // false after an error about it
  bool supported = true;                 // false: what it leads to is left out, which is said
};

// A line of a virtual_server_group: addresses one after the other, or a mark.
struct GroupLine {
  Spot spot;
  std::string text;
  std::vector<IpAddress> addresses;
  uint16_t port = 0;
  uint32_t mark = 0;
  std::optional<AddressFamily> family;  // of a mark, where it is said
};

struct GroupDraft {
  Spot head;
  std::vector<GroupLine> lines;
};

struct RealServerDraft {
  RealServerConfig config;
  std::optional<MethodDraft> method;
  Spot head;
  Spot address_spot;
  Spot port_spot;
  std::optional<uint16_t> port;
  std::optional<int> weight;
  std::optional<bool> inhibit_on_failure;
  Spot threshold_spot;
  CheckDefaults defaults;
  std::vector<CheckDraft> checks;
  bool valid = false;
};

struct VirtualServerDraft {
  VirtualServerConfig config;
  Spot head;
  bool valid = false;
  bool without_port = false;
  Spot address_spot;
  std::string group;
  std::optional<AddressFamily> family;  // ip_family
  Spot family_spot;
  Spot protocol_spot;
  bool sctp = false;
  std::optional<MethodDraft> method;
  std::optional<MethodDraft> sorry_method;
  std::vector<Word> scheduler_flags;
  bool has_scheduler = false;
  Spot one_packet_spot;
  std::optional<Word> granularity;
  bool has_protocol = false;
  std::optional<int> weight;
  std::optional<bool> inhibit_on_failure;
  Spot quorum_spot;
  Spot hysteresis_spot;
  std::optional<IpAddress> sorry_address;
  std::optional<uint16_t> sorry_port;
  Spot sorry_address_spot;
  Spot sorry_spot;  // of the port, if there is one
  CheckDefaults defaults;
  std::vector<RealServerDraft> real_servers;
};

struct LvsDrafts {
  std::map<std::string, GroupDraft> groups;
  std::deque<VirtualServerDraft> servers;  // that wait to be finished, in file order
};
LvsDrafts& drafts_of(Sections& sections);

// What virtual_server is for: config_parse_group.cpp.
void read_virtual_server_head(Sections& sections, VirtualServerDraft& draft, const Line& head);
void read_family(Sections& sections, VirtualServerDraft& draft, const Line& line);
// Its key, and those of its group's other members; before its real servers are finished.
void finish_keys(Sections& sections, VirtualServerDraft& draft);

// Scheduling and persistence: config_parse_scheduling.cpp.
void read_scheduler(Sections& sections, VirtualServerDraft& draft, const Line& line);
void read_scheduler_flag(Sections& sections, VirtualServerDraft& draft, const Line& line);
void read_one_packet(Sections& sections, VirtualServerDraft& draft, const Line& line);
void read_persistence_timeout(Sections& sections, VirtualServerDraft& draft, const Line& line);
void read_persistence_granularity(Sections& sections, VirtualServerDraft& draft, const Line& line);
void finish_scheduling(Sections& sections, VirtualServerDraft& draft);

// lvs_method, in any block: config_parse_method.cpp.
MethodDraft read_method(Sections& sections, const Line& line);
// The method of a block inside the virtual server, if it says none the virtual server's.
MethodDraft method_of(const VirtualServerDraft& draft, const std::optional<MethodDraft>& own);
// Makes `endpoint` one that the method can lead to, or says, at `address` or `port`, what of it
// cannot be; false: nothing leads there, it is left out.
bool method_fits(Sections& sections, const VirtualServerDraft& draft, const MethodDraft& method,
                 std::string_view keyword, Endpoint& endpoint, const Spot& address,
                 const Spot& port);

// weight, in either block.
std::optional<int> read_weight(Sections& sections, const Line& line);
void read_real_server(Sections& sections, VirtualServerDraft& server, const Line& head);
// Fills in what the virtual server gives its real servers and moves the good ones into its config.
void finish_real_servers(Sections& sections, VirtualServerDraft& draft);
// quorum, hysteresis and sorry_server, checked against the finished real servers.
void finish_quorum(Sections& sections, VirtualServerDraft& draft);

}  // namespace xlb::parse
