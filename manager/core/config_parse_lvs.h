// The drafts of virtual_server and real_server, shared by their readers. Internal to the parser.
#pragma once

#include <optional>
#include <vector>

#include "core/config_parse_sections.h"

namespace xlb::parse {

struct RealServerDraft {
  RealServerConfig config;
  Spot head;
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
  bool method_is_direct = true;  // false after an error about it
  bool has_scheduler = false;
  bool has_method = false;
  bool has_protocol = false;
  std::optional<int> weight;
  std::optional<bool> inhibit_on_failure;
  Spot quorum_spot;
  Spot hysteresis_spot;
  std::optional<IpAddress> sorry_address;
  std::optional<uint16_t> sorry_port;
  Spot sorry_spot;  // of the port, if there is one
  CheckDefaults defaults;
  std::vector<RealServerDraft> real_servers;
};

// weight, in either block.
std::optional<int> read_weight(Sections& sections, const Line& line);
void read_real_server(Sections& sections, VirtualServerDraft& server, const Line& head);
// Fills in what the virtual server gives its real servers and moves the good ones into its config.
void finish_real_servers(Sections& sections, VirtualServerDraft& draft);
// quorum, hysteresis and sorry_server, checked against the finished real servers.
void finish_quorum(Sections& sections, VirtualServerDraft& draft);

}  // namespace xlb::parse
