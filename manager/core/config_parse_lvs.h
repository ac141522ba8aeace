// The drafts of virtual_server and real_server, shared by their readers. Internal to the parser.
#pragma once

#include <optional>
#include <vector>

#include "core/config_parse_sections.h"

namespace xlb::parse {

// lvs_method as one block gives it.
struct MethodDraft {
  std::optional<TunnelConfig> tunnel;  // absent: direct routing
  bool valid = true;                   // false after an error about it
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
  CheckDefaults defaults;
  std::vector<CheckDraft> checks;
  bool valid = false;
};

struct VirtualServerDraft {
  VirtualServerConfig config;
  Spot head;
  bool valid = false;
  std::optional<MethodDraft> method;
  std::optional<MethodDraft> sorry_method;
  std::vector<Word> scheduler_flags;
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

// Scheduling and persistence: config_parse_scheduling.cpp.
void read_scheduler(Sections& sections, VirtualServerDraft& draft, const Line& line);
void read_scheduler_flag(Sections& sections, VirtualServerDraft& draft, const Line& line);
void read_one_packet(Sections& sections, VirtualServerDraft& draft, const Line& line);
void read_persistence_timeout(Sections& sections, VirtualServerDraft& draft, const Line& line);
void read_persistence_granularity(Sections& sections, VirtualServerDraft& draft, const Line& line);
void finish_scheduling(Sections& sections, VirtualServerDraft& draft);

// lvs_method, in any block: config_parse_method.cpp.
MethodDraft read_method(Sections& sections, const Line& line);
// What of the method is wrong for a real server at this address, said at `address` or `port`;
// false: it was.
bool method_fits(Problems& problems, const VirtualServerDraft& draft, const MethodDraft& method,
                 std::string_view keyword, const Endpoint& endpoint, const Spot& address,
                 const Spot& port);

// weight, in either block.
std::optional<int> read_weight(Sections& sections, const Line& line);
void read_real_server(Sections& sections, VirtualServerDraft& server, const Line& head);
// Fills in what the virtual server gives its real servers and moves the good ones into its config.
void finish_real_servers(Sections& sections, VirtualServerDraft& draft);
// quorum, hysteresis and sorry_server, checked against the finished real servers.
void finish_quorum(Sections& sections, VirtualServerDraft& draft);

}  // namespace xlb::parse
