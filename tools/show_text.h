// Members of a document as printable text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "show_format.h"

namespace xlb::show {

// Control characters become '?': a real server's answer must not steer the reader's terminal.
std::string printable(std::string_view text);

// The member `name`, printable.
std::string text(const Json& object, const char* name);
uint64_t number(const Json& object, const char* name);
// Members PREFIXaddress and PREFIXport: "10.10.0.1:80", "[2001:db8::1]:80".
std::string endpoint(const Json& object, const std::string& prefix);
// "10.10.0.3:80", of a service by mark "7" or "7 IPv6".
std::string service_name(const Json& virtual_server);
// A virtual server's real servers and then, while it is in use, its sorry server, which has an
// additional member "sorry".
std::vector<Json> servers_of(const Json& virtual_server);

}  // namespace xlb::show
